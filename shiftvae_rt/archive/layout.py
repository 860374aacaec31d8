"""Layout of an archive of maps: a HyperSpy folder (.zspy) in Zarr version 3; a block of frames owns whole chunks of it.

Below ``Experiments`` are the signals ``latent mean``, ``latent std`` and, where the model knows its domain, ``out of
domain`` (scores of the windows), with axes frame, latent, y, x. At the root are, for each frame, ``status``, ``score``
of the domain check, and ``reason`` (UTF-8, padded with zeros). Every chunk carries a checksum.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from ..errors import DataFileError
from ..frame import Frame
from ..latent_exchange import image_axes
from ..latent_map import LatentMap

if TYPE_CHECKING:
    from ..encode.mapper import LatentMapper
    from ..files.recording import FrameStack

__all__ = [
    "DONE",
    "FAILED",
    "OPEN",
    "OUT_OF_DOMAIN",
    "REASON_BYTES",
    "Archive",
    "create_archive",
    "is_there",
    "open_archive",
]

#: Status of a frame: not mapped yet (or not readable), mapped, mapped but unlike the training data, without a map.
OPEN, DONE, OUT_OF_DOMAIN, FAILED = 0, 1, 2, 3
#: Most bytes of a frame's reason.
REASON_BYTES = 240
#: A block has at most this many pixels of frames, and bytes of maps; and a movie has at least this many blocks.
BLOCK_PIXELS, BLOCK_BYTES, LEAST_BLOCKS = 1 << 24, 32 << 20, 16
#: What must agree between an archive and a run that continues it.
_IDENTITY = ("model_sha256", "stride_px", "frames", "input")


@dataclass(frozen=True)
class Archive:
    """An open archive: its Zarr group, and the number of frames in all and in a block."""

    group: Any
    frames: int
    block: int

    def blocks(self) -> list[range]:
        """Frames of each block."""
        return [range(self.frames)[first : first + self.block] for first in range(0, self.frames, self.block)]

    def statuses(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Status of every frame, ``(frames,)``; that of a block whose chunk is damaged is `OPEN`."""
        status = self.group["status"]
        try:
            return np.asarray(status[:])
        except Exception:  # noqa: BLE001 - whatever a codec raises on a damaged chunk
            found = np.full(self.frames, OPEN, np.uint8)
            for block in self.blocks():
                with suppress(Exception):  # the block stays open
                    found[block.start : block.stop] = status[block.start : block.stop]
            return found

    def open_blocks(self) -> list[range]:
        """Blocks in which a frame has no outcome yet."""
        statuses = self.statuses()
        return [block for block in self.blocks() if (statuses[block.start : block.stop] == OPEN).any()]

    def reason(self, frame: int) -> str:
        """Reason why a frame has no map or is out of domain; empty if there is none."""
        return bytes(self.group["reason"][frame]).rstrip(b"\0").decode(errors="replace")


def open_archive(output: str) -> Archive:
    """Open the archive at `output`, a folder or the URL of one.

    Raises
    ------
    DataFileError
        if it is missing, or no archive of maps.
    """
    import zarr

    try:
        group = zarr.open_group(output, mode="r+")
        about: Any = group.attrs["shiftvae"]
        return Archive(group, int(about["frames"]), int(about["block_frames"]))
    except FileNotFoundError as error:
        raise DataFileError(f"there is no archive {output}: give the name of one, or map without --check") from error
    except Exception as error:
        raise DataFileError(
            f"{output} is no archive of latent maps ({type(error).__name__}): choose another name, or remove it"
        ) from error


def create_archive(
    output: str, mapper: LatentMapper, stack: FrameStack, *, half_std: bool = False, resume: bool = False
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
        return _same_archive(output, mapper, stack, half_std)
    place, frame = _first_readable(stack)
    blank = _blank_map(mapper, frame)
    about = {
        "software": f"shiftvae-rt {__version__}",
        **_provenance(mapper, blank),
        "frames": len(stack),
        "block_frames": _block_frames(stack, frame.pixels.size, blank.mean.nbytes),
        "input": {"frame": place, "sha256": _hash(frame)},
        "std_dtype": "float16" if half_std else "float32",
    }
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


def is_there(output: str) -> bool:
    """Tell whether there is a folder or file `output`, or an archive at that URL."""
    if "://" not in output:
        return os.path.lexists(output)
    import zarr

    try:
        return "shiftvae" in zarr.open_group(output, mode="r").attrs
    except FileNotFoundError:
        return False
    except Exception as error:  # stores have errors of their own
        raise DataFileError(f"cannot look for {output} ({error}): check the address and the rights") from error


def _same_archive(output: str, mapper: LatentMapper, stack: FrameStack, half_std: bool) -> Archive:
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
    axes: list[dict[str, Any]] = [
        {"name": name, "navigate": True, "units": "", "scale": 1.0, "offset": 0.0} for name in ("frame", "latent")
    ]
    axes += [{**axis, "navigate": False} for axis in image_axes(blank)[1 if line else 0 :]]
    image = blank.mean.shape[2:] if line else blank.mean.shape[1:]
    signals = {"latent mean": (len(blank.names), "f4"), "latent std": (len(blank.names), about["std_dtype"])}
    if about["knows_domain"]:
        signals["out of domain"] = (1, "f4")
    for title, (latents, dtype) in signals.items():
        group = root.create_group(f"Experiments/{title}")
        names = [axis["name"] for axis in axes]
        data = add(group, "data", (latents, *image), dtype=dtype, fill_value=np.nan, dimension_names=names)
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
