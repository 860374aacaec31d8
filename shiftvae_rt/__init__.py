"""Live latent maps of order parameters for electron and tunnelling microscopes: the runtime half.

::

    from shiftvae_rt import LatentMapper
    mapper = LatentMapper("model.svae", stride=4)
    latent_map = mapper.map(frame)

Names are imported when they are first used, so that `import shiftvae_rt` stays fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .archive import ArchiveSummary, map_archive
    from .c_library import get_include, get_library
    from .encode.mapper import LatentMapper
    from .encode.scan_mapper import ScanMapper
    from .errors import (
        DataFileError,
        FrameError,
        JournalError,
        KeyFileError,
        LatticeError,
        ModelFileError,
        PixelSizeError,
        ProviderError,
        ServiceError,
        ShiftVaeError,
        TrainingError,
        WindowError,
        WireError,
    )
    from .fields import Fields
    from .files import read_frames, write_latent_map
    from .frame import Frame
    from .kernels.assembly import assemble_latent_map, place_at_motifs
    from .kernels.window_grid import WindowGrid
    from .kernels.windows import extract_windows, extract_windows_at, window_statistics
    from .latent_map import LatentMap
    from .model.model_file import ModelFile

__version__ = "0.2.0"

_HOMES = {
    "archive": ("ArchiveSummary", "map_archive"),
    "c_library": ("get_include", "get_library"),
    "kernels.assembly": ("assemble_latent_map", "place_at_motifs"),
    "errors": (
        "DataFileError",
        "FrameError",
        "JournalError",
        "KeyFileError",
        "LatticeError",
        "ModelFileError",
        "PixelSizeError",
        "ProviderError",
        "ServiceError",
        "ShiftVaeError",
        "TrainingError",
        "WindowError",
        "WireError",
    ),
    "fields": ("Fields",),
    "files": ("read_frames", "write_latent_map"),
    "frame": ("Frame",),
    "latent_map": ("LatentMap",),
    "encode.mapper": ("LatentMapper",),
    "encode.scan_mapper": ("ScanMapper",),
    "model.model_file": ("ModelFile",),
    "kernels.window_grid": ("WindowGrid",),
    "kernels.windows": ("extract_windows", "extract_windows_at", "window_statistics"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "ArchiveSummary",
    "DataFileError",
    "Fields",
    "Frame",
    "FrameError",
    "JournalError",
    "KeyFileError",
    "LatentMap",
    "LatentMapper",
    "LatticeError",
    "ModelFile",
    "ModelFileError",
    "PixelSizeError",
    "ProviderError",
    "ScanMapper",
    "ServiceError",
    "ShiftVaeError",
    "TrainingError",
    "WindowError",
    "WindowGrid",
    "WireError",
    "__version__",
    "assemble_latent_map",
    "extract_windows",
    "extract_windows_at",
    "get_include",
    "get_library",
    "map_archive",
    "place_at_motifs",
    "read_frames",
    "window_statistics",
    "write_latent_map",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'shiftvae_rt' has no attribute {name!r}")
    try:
        module = import_module(f".{_HOME_OF[name]}", __name__)
    except ModuleNotFoundError as error:
        if error.name != "onnxruntime":
            raise
        raise ImportError(
            f"shiftvae_rt.{name} needs onnxruntime, which is not installed: pip install 'shiftvae-rt[cpu]', "
            "or 'shiftvae-rt[gpu]' on a machine with an NVIDIA GPU (never both)",
            name="onnxruntime",
        ) from error
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
