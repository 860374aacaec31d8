"""Writing of latent maps for NumPy, ImageJ, HyperSpy and people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ..errors import DataFileError
from ..output_file import check_package, try_output

if TYPE_CHECKING:
    from ..frame import Frame
    from ..latent_map import LatentMap

__all__ = ["WRITERS", "check_output", "write_latent_map"]

#: Endings of pictures, which show one frame.
PICTURES = (".png", ".svg", ".pdf")
#: ending -> (module, package it needs). Each module has ``write``.
WRITERS = {
    ".npz": ("npz", None),
    ".tif": ("tiff", "tifffile"),
    ".tiff": ("tiff", "tifffile"),
    ".hspy": ("hspy", "h5py"),
    **dict.fromkeys(PICTURES, ("map_picture", "matplotlib")),
}


def check_output(path: str | Path, *, frames: int = 1, force: bool = False, room: int = 1 << 20) -> None:
    """Check before the maps are computed that `write_latent_map` can write them to `path`.

    Parameters
    ----------
    path
        File that will be written.
    frames
        Number of maps that it will hold.
    force
        Replace an existing file.
    room
        Least size of the maps, bytes.

    Raises
    ------
    DataFileError
        for an unknown ending, a missing package or folder, an existing file, or too little room on the disk.
    """
    _check_format(Path(path), frames)
    try_output(path, force=force, room=room)


def _check_format(path: Path, frames: int) -> None:
    if path.suffix.lower() not in WRITERS:
        raise DataFileError(f"cannot write {path}: its ending is {path.suffix!r}, expected one of {', '.join(WRITERS)}")
    if path.suffix.lower() in PICTURES and frames != 1:
        raise DataFileError(
            f"cannot write {path}: a {path.suffix} shows one frame, got {frames}: choose one "
            "(--frame N), or .npz, .tif, .hspy"
        )
    check_package(path, WRITERS[path.suffix.lower()][1])


def write_latent_map(
    path: str | Path,
    maps: LatentMap | Sequence[LatentMap],
    *,
    frame: Frame | None = None,
    truth: Mapping[str, NDArray[Any]] | None = None,
    raw_shifts: bool = False,
    source: str = "",
) -> None:
    """Write the latent map of a frame, or the maps of a stack of equal frames, in the format of the ending.

    Parameters
    ----------
    path
        ``.npz``: ``mean`` and ``std`` ``(latent, rows, cols)`` float32, ``names``, ``units``, ``centre_y_px``,
        ``centre_x_px``, ``pixel_size_nm`` (y, x; NaN where unknown), ``model_sha256``, ``source``; ``out_of_domain``,
        ``domain_score``, ``domain_reason`` and ``domain_windows (rows, cols)``, NaN where the model does not know its
        domain. A map with fields also has
        ``fields`` and ``field_std`` ``(field, rows, cols)`` float32, ``field_names`` and ``field_units``.
        ``.tif``: the means as an ImageJ stack, one page a latent, then one a field; calibrated.
        ``.hspy``: signals ``latent mean``, ``latent std``, ``fields``, ``field std`` and ``out of domain`` (scores of
        the windows), as far as they are known, with axes (frame), latent or field, y, x; HyperSpy, napari, Swift read
        it.
        ``.png``, ``.svg``, ``.pdf``: a picture for people, of one frame. Written whole or not at all; an existing file
        is replaced.
    maps
        One map, or at least one of a stack; a stack adds a leading frame axis.
    frame
        The frame that was mapped, shown in a picture beside its maps. The other formats hold the maps alone.
    truth
        Title -> ``(height, width)`` on the pixels of the frame, shown in a picture beside it.
    raw_shifts
        Whether a picture also shows the shifts ``dy, dx``, which repeat with the lattice; their meaning is in the
        fields.
    source
        Name of the file or stream that was mapped, for the metadata.

    Raises
    ------
    DataFileError
        for an unknown ending, a missing package, or a place that cannot be written.
    """
    several = isinstance(maps, Sequence)
    stack = maps if isinstance(maps, Sequence) else [maps]
    _check_format(Path(path), len(stack))
    write = import_module(f".writers.{WRITERS[Path(path).suffix.lower()][0]}", __package__).write
    if Path(path).suffix.lower() in PICTURES:
        write(Path(path), stack[0], frame=frame, truth=truth or {}, raw_shifts=raw_shifts)
    else:
        write(Path(path), stack, several=several and len(stack) > 1, source=source)
