"""Creation of archives, and the check that one which exists is of the same model, stride and frames."""

from __future__ import annotations

import hashlib
import secrets
import shutil
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from ..errors import DataFileError
from ..fields import FIELD_NAMES
from ..frame import Frame
from ..latent_exchange import image_axes
from ..latent_map import LatentMap
from .layout import OPEN, REASON_BYTES, Archive, is_there, open_archive

if TYPE_CHECKING:
    from ..encode.mapper import LatentMapper
    from ..files.recording import FrameStack

__all__ = ["create_archive"]

#: A block has at most this many pixels of frames, and bytes of maps; and a movie has at least this many blocks.
BLOCK_PIXELS, BLOCK_BYTES, LEAST_BLOCKS = 1 << 24, 32 << 20, 16
#: What must agree between an archive and a run that continues it.
_IDENTITY = ("model_sha256", "stride_px", "frames", "input")


def create_archive(
    output: str,
    mapper: LatentMapper,
    stack: FrameStack,
    *,
    half_std: bool = False,
    fields: bool = False,
    resume: bool = False,
) -> Archive:
    """Create an archive for the maps of `stack`, or open the one that is there.

    Parameters
    ----------
    output
        Folder that ends in ``.zspy``, or the URL of one (``s3://...``) that fsspec opens.
    mapper
        Encodes the frames.
    stack
        The frames; the first that can be read tells their shape and is remembered by its hash.
    half_std
        Store standard deviations as float16, not float32.
    fields
        Store displacement, strain and rotation too.
    resume
        Open an archive that exists, if it is of the same model, stride and frames.

    Raises
    ------
    DataFileError
        if it exists and `resume` is False, or it holds something else; if it cannot be written; if no frame can be
        read.
    WindowError, PixelSizeError
        if the model does not fit the frames.
    """
    if is_there(output):
        if not resume:
            raise DataFileError(f"{output} exists and is not replaced: give --resume to continue it, or --force")
        return _same_archive(output, mapper, stack, half_std=half_std, fields=fields)
    place, frame = _first_readable(stack)
    blank = _blank_map(mapper, frame)
    about = {
        "software": f"shiftvae-rt {__version__}",
        **_provenance(mapper, blank),
        "frames": len(stack),
        "block_frames": _block_frames(stack, frame.pixels.size, blank.mean.nbytes),
        "input": {"frame": place, "sha256": _hash(frame)},
        "std_dtype": "float16" if half_std else "float32",
        "fields": fields,
    }
    if fields and mapper.mean_lattice(blank.pixel_size_nm) is None:
        raise DataFileError("the model has no lattice of two vectors, so its maps have no fields: leave out --fields")
    try:
        if "://" in output:
            _write_layout(output, about, blank)
        else:
            _write_folder(Path(output), about, blank)
    except Exception as error:  # stores have errors of their own
        raise DataFileError(
            f"cannot write {output}: {getattr(error, 'strerror', None) or error}: check name, disk and rights"
        ) from error
    return open_archive(output)


def _same_archive(output: str, mapper: LatentMapper, stack: FrameStack, *, half_std: bool, fields: bool) -> Archive:
    """Open the archive at `output`; DataFileError if it is of another model, stride or input."""
    archive = open_archive(output)
    there: Any = archive.group.attrs["shiftvae"]
    known = there["input"]["frame"]
    same = known < len(stack)
    here = {
        "model_sha256": mapper.model.sha256,
        "stride_px": mapper.stride,
        "frames": len(stack),
        "input": {"frame": known, "sha256": _hash(stack[known]) if same else ""},
    }
    for name in _IDENTITY:
        if there[name] != here[name]:
            what = {"model_sha256": "another model", "stride_px": "another stride"}.get(name, "another input")
            raise DataFileError(
                f"{output} holds the maps of {what} ({name} {there[name]}, expected {here[name]}): choose another name"
            )
    if half_std and there["std_dtype"] != "float16":
        raise DataFileError(f"{output} holds deviations as float32: leave out --half-std, or choose another name")
    if fields and not there["fields"]:
        raise DataFileError(f"{output} holds no fields: leave out --fields, or choose another name")
    return archive


def _first_readable(stack: FrameStack) -> tuple[int, Frame]:
    first: DataFileError | None = None
    for place in range(len(stack)):
        try:
            return place, stack[place]
        except DataFileError as error:
            first = first or error
    raise first or DataFileError("there is no frame to map")


def _hash(frame: Frame) -> str:
    return hashlib.sha256(np.ascontiguousarray(frame.pixels).tobytes()).hexdigest()


def _blank_map(mapper: LatentMapper, frame: Frame) -> LatentMap:
    """Give the map of NaN of such a frame; WindowError or PixelSizeError if the model does not fit it."""
    shape = (1, *frame.pixels.shape) if mapper.model.manifest.dimensions == 1 else frame.pixels.shape
    scan = mapper.begin_scan(shape[-2:], dtype=frame.pixels.dtype, pixel_size_nm=frame.pixel_size_nm)
    nothing = np.broadcast_to(np.float32(np.nan), (len(mapper.names), scan.grid.rows, scan.grid.cols))
    band = scan.result()
    return LatentMap(
        nothing, nothing, band.names, band.units, band.varies, band.grid, band.model_sha256, band.pixel_size_nm
    )


def _provenance(mapper: LatentMapper, blank: LatentMap) -> dict[str, Any]:
    return {
        "model_sha256": mapper.model.sha256,
        "latent_names": ", ".join(blank.names),
        "latent_units": ", ".join(unit or "1" for unit in blank.units),
        "unused_latents": ", ".join(name for name, varies in zip(blank.names, blank.varies, strict=True) if not varies),
        "window_px": str(blank.grid.window),
        "stride_px": blank.grid.stride,
        "frame_shape_px": str(blank.grid.frame_shape),
        "knows_domain": mapper.gauge is not None,
    }


def _block_frames(stack: FrameStack, pixels: int, map_bytes: int) -> int:
    """Give the number of frames in a block: about a second's work, and whole chunks of the input if these are small."""
    most = max(1, BLOCK_BYTES // map_bytes)
    block = max(1, min(BLOCK_PIXELS // pixels, most, ceil(len(stack) / LEAST_BLOCKS)))
    together = min(stack.frames_together, len(stack))
    return ceil(block / together) * together if together <= most else block


def _write_folder(folder: Path, about: dict[str, Any], blank: LatentMap) -> None:
    """Write the layout whole or not at all; of two processes that do so at once, one wins and both have it."""
    part = folder.with_name(f".shiftvae-{secrets.token_hex(4)}.part.zspy")
    try:
        _write_layout(str(part), about, blank)
        try:
            part.rename(folder)
        except OSError:
            if not (folder / "zarr.json").exists():
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write_layout(output: str, about: dict[str, Any], blank: LatentMap) -> None:
    import zarr
    from zarr.codecs import Crc32cCodec, ZstdCodec

    frames, block = int(about["frames"]), int(about["block_frames"])
    packed = [ZstdCodec(level=1), Crc32cCodec()]
    root = zarr.create_group(output, attributes={"file_format": "ZSpy", "file_format_version": "3.1"})

    def add(group: Any, name: str, shape: Sequence[int], **options: Any) -> Any:
        return group.create_array(
            name, shape=(frames, *shape), chunks=(block, *shape), **{"compressors": packed, "dtype": "f4", **options}
        )

    line = blank.grid.frame_shape[0] == 1
    images: list[dict[str, Any]] = [{**axis, "navigate": False} for axis in image_axes(blank)[1 if line else 0 :]]
    image = blank.mean.shape[2:] if line else blank.mean.shape[1:]
    for title, (kind, count) in _signals(about, len(blank.names)).items():
        plain = {"navigate": True, "units": "", "scale": 1.0, "offset": 0.0}
        axes = [{"name": "frame", **plain}, {"name": kind, **plain}, *images]
        group = root.create_group(f"Experiments/{title}")
        dtype = about["std_dtype"] if title.endswith("std") else "float32"
        names = [axis["name"] for axis in axes]
        data = add(group, "data", (count, *image), dtype=dtype, fill_value=np.nan, dimension_names=names)
        for number, (axis, size) in enumerate(zip(axes, data.shape, strict=True)):
            described = {"_type": "UniformDataAxis", "index_in_array": number, "is_binned": False, "size": size}
            group.create_group(f"axis-{number}", attributes={**axis, **described})
        group.create_group("metadata/General", attributes={"title": title})
        group.create_group("metadata/Signal", attributes={"signal_type": ""})
        group.create_group("metadata/shiftvae", attributes=about)
        group.create_group("original_metadata")
    add(root, "score", (), fill_value=np.nan)
    add(root, "reason", (REASON_BYTES,), dtype="u1", fill_value=0)
    add(root, "status", (), dtype="u1", fill_value=OPEN, compressors=[Crc32cCodec()])
    root.attrs["shiftvae"] = about  # last: an archive without it is not complete


def _signals(about: dict[str, Any], latents: int) -> dict[str, tuple[str, int]]:
    """Give the signals of an archive: name and length of their second axis."""
    found = {"latent mean": ("latent", latents), "latent std": ("latent", latents)}
    if about["fields"]:
        found |= {"fields": ("field", len(FIELD_NAMES)), "field std": ("field", len(FIELD_NAMES))}
    if about["knows_domain"]:
        found["out of domain"] = ("latent", 1)
    return found
