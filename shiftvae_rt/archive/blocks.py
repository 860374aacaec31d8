"""A block of frames is mapped and written; its status, written last, is the commit.

A block whose status is open is not done, whatever lies in its other chunks. To write a block twice gives the same bits:
a repeated task, or two processes with the same block, change nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataFileError, ShiftVaeError
from .layout import DONE, FAILED, OPEN, OUT_OF_DOMAIN, REASON_BYTES, Archive

if TYPE_CHECKING:
    from ..encode.mapper import LatentMapper
    from ..files.recording import FrameStack
    from ..frame import Frame
    from ..latent_map import LatentMap

__all__ = ["map_block"]

#: Pauses before a frame is read again, or a block written again, s: storage over a network recovers.
PAUSES_S = (0.1, 1.0)
#: Arrays with one entry a frame, in the order in which they are written.
_OTHERS = ("score", "reason", "status")


#: Array of an archive -> its values in a map, None where the map has none.
_VALUES: dict[str, Callable[[LatentMap], NDArray[Any] | None]] = {
    "Experiments/latent mean/data": lambda found: found.mean,
    "Experiments/latent std/data": lambda found: found.std,
    "Experiments/fields/data": lambda found: None if found.fields is None else found.fields.mean,
    "Experiments/field std/data": lambda found: None if found.fields is None else found.fields.std,
    "Experiments/out of domain/data": lambda found: found.window_scores,
}


def map_block(
    mapper: LatentMapper, stack: FrameStack, archive: Archive, block: range, *, each: Callable[[], None] = lambda: None
) -> int:
    """Read, map and write the frames of a block, then commit it; returns the number of frames that stay open.

    A frame that cannot be mapped is NaN, with the status `FAILED` and a reason. One that cannot be read, after two more
    tries, is NaN and stays `OPEN`, so that a later run tries again; the others of its block are kept. `each` is called
    after every frame.

    Raises
    ------
    DataFileError
        if the block cannot be written, after two more tries; it is not committed then.
    """
    arrays = {name: _blank(archive.group[name], len(block)) for name in (*_VALUES, *_OTHERS) if name in archive.group}
    pauses = list(PAUSES_S)
    for place, number in enumerate(block):
        try:
            frame = _read(stack, number, pauses)
        except DataFileError as error:
            _note(arrays, place, OPEN, str(error))
        else:
            try:
                found = mapper.map(frame.pixels, pixel_size_nm=frame.pixel_size_nm)
            except ShiftVaeError as error:
                _note(arrays, place, FAILED, str(error))
            else:
                _keep(arrays, place, found)
        each()
    _write(archive, block, arrays)
    return int(np.count_nonzero(arrays["status"] == OPEN))


def _blank(array: Any, count: int) -> NDArray[Any]:
    """Give the fill value of an array in the archive, `count` times along its first axis."""
    return np.full((count, *array.shape[1:]), array.fill_value, array.dtype)


def _read(stack: FrameStack, number: int, pauses: list[float]) -> Frame:
    """Read a frame; after a failure again, as often as the block has `pauses` left."""
    while True:
        try:
            return stack[number]
        except DataFileError:
            if not pauses:
                raise
            time.sleep(pauses.pop(0))


def _keep(arrays: dict[str, NDArray[Any]], place: int, found: LatentMap) -> None:
    for name, take in _VALUES.items():
        if name in arrays and (values := take(found)) is not None:
            arrays[name][place] = values.reshape(arrays[name].shape[1:])
    arrays["status"][place] = DONE
    if found.domain is not None:
        arrays["score"][place] = found.domain.score
        if found.domain.out_of_domain:
            _note(arrays, place, OUT_OF_DOMAIN, found.domain.reason)


def _note(arrays: dict[str, NDArray[Any]], place: int, status: int, reason: str) -> None:
    text = " ".join(reason.split()).encode()[:REASON_BYTES].decode(errors="ignore").encode()
    arrays["reason"][place, : len(text)] = np.frombuffer(text, np.uint8)
    arrays["status"][place] = status


def _write(archive: Archive, block: range, arrays: dict[str, NDArray[Any]]) -> None:
    """Write the arrays of a block; `status` is the last of them: that is the commit."""
    at = slice(block.start, block.stop)
    for pause in (*PAUSES_S, None):
        try:
            for name, values in arrays.items():
                archive.group[name][at] = values
        except Exception as error:  # stores have errors of their own
            if pause is None:
                why = getattr(error, "strerror", None) or error
                raise DataFileError(
                    f"cannot write frames {block.start} to {block.stop - 1} into {archive.group.store}: {why}: check "
                    "disk and rights, then continue with --resume"
                ) from error
            time.sleep(pause)
        else:
            return
