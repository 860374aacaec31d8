"""Offers frames to the service at the pace of a microscope, whole or row by row."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...errors import FrameError, ServiceError
from ...frame import Frame
from .producer import GONE_S, Producer

__all__ = ["Pace", "replay"]


@dataclass(frozen=True)
class Pace:
    """Rate at which frames are offered, and the pieces in which they are offered.

    Parameters
    ----------
    frames_per_s
        Frames a second; 0: as fast as the service takes them, which implies `wait`.
    rows
        Number of lines in a band; 0: whole frames.
    wait
        Wait for the outcome of each frame before the next, so that none is dropped.

    Raises
    ------
    FrameError
        for a negative number, or an infinite rate.
    """

    frames_per_s: float = 10.0
    rows: int = 0
    wait: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.frames_per_s < float("inf") or self.rows < 0:
            raise FrameError(f"expected frames/s and rows of at least 0, got {self.frames_per_s} and {self.rows}")

    @property
    def waits(self) -> bool:
        """True if `replay` waits for the outcome of each frame."""
        return self.wait or self.frames_per_s == 0


def replay(producer: Producer, frames: Iterable[tuple[int, Frame]], pace: Pace) -> Iterator[int]:
    """Offer numbered frames; yields each number once its frame was offered and, if `pace` waits, answered.

    Parameters
    ----------
    producer
        Offers the frames.
    frames
        Number and frame, in the order of recording.
    pace
        Rate, and the pieces in which a frame is offered.

    Raises
    ------
    ServiceError
        if the service has been gone for 5 s.
    """
    started = time.monotonic()
    for index, (number, frame) in enumerate(frames):
        for progress in _offer(producer, number, frame, pace):
            if pace.frames_per_s > 0:
                due = started + (index + progress) / pace.frames_per_s
                time.sleep(max(0.0, due - time.monotonic()))
            if producer.absent_s > GONE_S:
                raise ServiceError(f"the service is gone ({producer.last_error})")
        if pace.waits:
            producer.wait()
        yield number


def _offer(producer: Producer, number: int, frame: Frame, pace: Pace) -> Iterator[float]:
    """Offer one frame; yields the fraction of its scan time that has passed after each band."""
    pixels = frame.pixels
    if pace.rows == 0 or pixels.ndim == 1:
        producer.offer(frame, number=number)
        yield 1.0
        return
    height, width = pixels.shape[-2:]
    for first in range(0, height, pace.rows):
        last = min(first + pace.rows, height)
        rows = pixels[..., first:last, :]
        producer.offer_rows(number, rows, first, (height, width), pixel_size_nm=frame.pixel_size_nm)
        yield last / height
