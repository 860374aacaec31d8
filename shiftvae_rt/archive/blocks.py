"""A block of frames is mapped and written; its status, written last, is the commit.

A block whose status is open is not done, whatever lies in its other chunks. To write a block twice gives the same bits:
a repeated task, or two processes with the same block, change nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..array_types import Float32
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


@dataclass(frozen=True)
class _Outcomes:
    """Arrays of a block, one entry a frame; those of maps have the shape in the archive."""

    mean: Float32
    std: NDArray[np.floating[Any]]
    windows: Float32 | None
    score: Float32
    reason: NDArray[np.uint8]
    status: NDArray[np.uint8]


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
    outcomes = _nothing(archive, len(block))
    pauses = list(PAUSES_S)
    for place, number in enumerate(block):
        try:
            frame = _read(stack, number, pauses)
        except DataFileError as error:
            _note(outcomes, place, OPEN, str(error))
        else:
            try:
                found = mapper.map(frame.pixels, pixel_size_nm=frame.pixel_size_nm)
            except ShiftVaeError as error:
                _note(outcomes, place, FAILED, str(error))
            else:
                _keep(outcomes, place, found)
        each()
    _write(archive, block, outcomes)
    return int(np.count_nonzero(outcomes.status == OPEN))


def _nothing(archive: Archive, count: int) -> _Outcomes:
    def blank(name: str) -> Any:
        array = archive.group[name]
        return np.full((count, *array.shape[1:]), array.fill_value, array.dtype)

    windows = "Experiments/out of domain/data"
    return _Outcomes(
        mean=blank("Experiments/latent mean/data"),
        std=blank("Experiments/latent std/data"),
        windows=blank(windows) if windows in archive.group else None,
        score=blank("score"),
        reason=blank("reason"),
        status=blank("status"),
    )


def _read(stack: FrameStack, number: int, pauses: list[float]) -> Frame:
    """Read a frame; after a failure again, as often as the block has `pauses` left."""
    while True:
        try:
            return stack[number]
        except DataFileError:
            if not pauses:
                raise
            time.sleep(pauses.pop(0))


def _keep(outcomes: _Outcomes, place: int, found: LatentMap) -> None:
    shape = outcomes.mean.shape[1:]
    outcomes.mean[place], outcomes.std[place] = found.mean.reshape(shape), found.std.reshape(shape)
    outcomes.status[place] = DONE
    if found.domain is None:
        return
    outcomes.score[place] = found.domain.score
    if outcomes.windows is not None and found.window_scores is not None:
        outcomes.windows[place] = found.window_scores.reshape(outcomes.windows.shape[1:])
    if found.domain.out_of_domain:
        _note(outcomes, place, OUT_OF_DOMAIN, found.domain.reason)


def _note(outcomes: _Outcomes, place: int, status: int, reason: str) -> None:
    text = " ".join(reason.split()).encode()[:REASON_BYTES].decode(errors="ignore").encode()
    outcomes.reason[place, : len(text)] = np.frombuffer(text, np.uint8)
    outcomes.status[place] = status


def _write(archive: Archive, block: range, outcomes: _Outcomes) -> None:
    at = slice(block.start, block.stop)
    arrays: dict[str, Any] = {
        "Experiments/latent mean/data": outcomes.mean,
        "Experiments/latent std/data": outcomes.std,
        "Experiments/out of domain/data": outcomes.windows,
        "score": outcomes.score,
        "reason": outcomes.reason,
        "status": outcomes.status,  # last: this is the commit
    }
    for pause in (*PAUSES_S, None):
        try:
            for name, values in arrays.items():
                if values is not None:
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
