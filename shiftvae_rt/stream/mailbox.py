"""The producer's one-slot mailbox: the newest frame waits, everything older is counted. No sockets here.

The acquisition puts rows in (`put`, any thread, never waits for the network); the link takes out all rows that have not
been sent yet (`take`), one message at a time. Rows of one frame gather in the mailbox and lose nothing; a new frame
replaces what is left of the old one, and the old frame is then counted as dropped, once.

A frame whose rows are on their way when it is replaced is decided by the runtime's answer, so that both
sides count alike.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FrameError
from .clock import monotonic_ns
from .messages import Outcome
from .rectangles import Rectangles
from .wire import Counters, FrameHeader

__all__ = ["Mailbox", "Source"]


@dataclass(frozen=True)
class Source:
    """Who offers the frames: stream, series number of the acquisition, detector channel."""

    stream: str
    series: int = 0
    name: str = ""


@dataclass
class _Slot:
    """One frame that is being filled and sent."""

    seq: int
    frame: int
    pixels: NDArray[Any]  # the whole frame, our own memory; rows that were sent never change
    pixel_size_nm: float | None
    filled: int = 0  # rows offered
    sent: int = 0  # rows handed to the link
    clock_ns: int = 0
    utc_ns: int = 0
    replaced: bool = False  # a newer frame came
    over: bool = False  # has its outcome
    rectangles: Rectangles | None = None  # if it is filled by them

    @property
    def height(self) -> int:
        return self.pixels.shape[-2] if self.pixels.ndim > 1 else 1


class Mailbox:
    """Frames on their way from an acquisition to a link, each with exactly one outcome.

    Parameters
    ----------
    source
        Copied into every header.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.changed = threading.Condition()
        self._slot: _Slot | None = None
        self._in_flight: _Slot | None = None
        self._aborted: int | None = None
        self._offered = self._taken_seq = 0
        self._outcomes: dict[Outcome, int] = dict.fromkeys(
            ("processed", "dropped_producer", "dropped_stale", "rejected", "quarantined"), 0
        )

    def put(
        self,
        rows: NDArray[Any],
        *,
        frame: int | None = None,
        first_row: int = 0,
        height: int | None = None,
        pixel_size_nm: float | None = None,
    ) -> int:
        """Copy `rows` in and return the ``seq`` of their frame.

        Parameters
        ----------
        rows
            ``(length,)``, ``(n, width)`` or ``(channels, n, width)``, little-endian; copied.
        frame
            The acquisition's number of the frame; None: its ``seq``.
        first_row, height
            Row 0 of `rows` in the frame, and the height of the frame; None: `rows` are the whole frame.
            Row 0 begins a new frame, whatever its number.

        Raises
        ------
        FrameError
            if the rows are not the next ones of their frame, or do not fit it.
        """
        count = rows.shape[-2] if rows.ndim > 1 else 1
        height = count if height is None else height
        with self.changed:
            slot = self._slot
            if first_row == 0 or slot is None or slot.frame != frame:
                if first_row != 0:
                    raise FrameError(
                        f"a frame begins with row 0, got row {first_row} of frame {frame}: wait for the next"
                    )
                if count > height:
                    raise FrameError(f"the frame has {height} rows, got {count}")
                shape = rows.shape if rows.ndim == 1 else (*rows.shape[:-2], height, rows.shape[-1])
                slot = self._begin(np.empty(shape, rows.dtype), frame, pixel_size_nm)
            elif slot.rectangles is not None:
                raise FrameError(f"frame {frame} comes in rectangles, got rows: begin a new frame")
            elif first_row != slot.filled or first_row + count > slot.height:
                raise FrameError(
                    f"expected row {slot.filled} of {slot.height} of frame {frame}, got rows {first_row} to "
                    f"{first_row + count}: offer rows in order, from row 0"
                )
            elif rows.dtype != slot.pixels.dtype or rows[..., 0, :].shape != slot.pixels[..., 0, :].shape:
                raise FrameError(
                    f"frame {frame} is {slot.pixels.dtype} {slot.pixels.shape}, got rows {rows.dtype} {rows.shape}"
                )
            if rows.ndim > 1:
                slot.pixels[..., first_row : first_row + count, :] = rows
            else:
                slot.pixels[...] = rows
            slot.filled, slot.clock_ns, slot.utc_ns = first_row + count, monotonic_ns(), time.time_ns()
            return slot.seq

    def put_rectangle(
        self,
        rectangle: NDArray[Any],
        *,
        frame: int,
        place: tuple[int, int],
        frame_shape: tuple[int, int],
        pixel_size_nm: float | None = None,
    ) -> int:
        """Copy a rectangle in and return the ``seq`` of its frame; its lines are sent when they are there completely.

        Parameters
        ----------
        rectangle
            ``(n, m)`` or ``(channels, n, m)``, little-endian; copied.
        frame
            The acquisition's number of the frame; another than the last one begins a new frame.
        place, frame_shape
            Where its first pixel lies in the frame, ``(y, x)``, and ``(height, width)`` of the frame.

        Raises
        ------
        FrameError
            if it does not fit its frame, or pixels are there already.
        """
        shape = (*rectangle.shape[:-2], *frame_shape)
        (y, x), (rows, cols) = place, rectangle.shape[-2:]
        if min(place) < 0 or y + rows > frame_shape[0] or x + cols > frame_shape[1]:
            raise FrameError(f"a rectangle of {rows} x {cols} px at {place} does not fit a frame of {frame_shape}")
        with self.changed:
            slot = self._slot
            if slot is None or slot.frame != frame:
                rectangles = Rectangles(shape, rectangle.dtype)
                slot = self._begin(rectangles.pixels, frame, pixel_size_nm)
                slot.rectangles = rectangles
            if slot.rectangles is None or (slot.pixels.shape, slot.pixels.dtype) != (shape, rectangle.dtype):
                began = "rows" if slot.rectangles is None else "rectangles"
                raise FrameError(
                    f"frame {frame} began as {slot.pixels.dtype} {slot.pixels.shape} in {began}, "
                    f"got a rectangle of {rectangle.dtype} {shape}: begin a new frame"
                )
            if not slot.rectangles.place(rectangle, y, x):
                raise FrameError(f"the rectangle at {place} covers pixels of frame {frame} that were offered before")
            slot.filled, slot.clock_ns, slot.utc_ns = slot.rectangles.valid_rows, monotonic_ns(), time.time_ns()
            return slot.seq

    def _begin(self, pixels: NDArray[Any], frame: int | None, pixel_size_nm: float | None) -> _Slot:
        self._replace()
        self._offered += 1
        self._slot = _Slot(self._offered, self._offered if frame is None else frame, pixels, pixel_size_nm)
        return self._slot

    def abort(self, frame: int) -> bool:
        """The acquisition gave up frame `frame`: what is left of it will not be sent. False if it is over already."""
        with self.changed:
            slot = self._slot
            if slot is None or slot.frame != frame or slot.over or slot.filled == slot.height:
                return False
            if slot.sent > 0:
                self._aborted = slot.seq
            self._replace()
            return True

    def take_aborted(self) -> int | None:
        """The ``seq`` of a frame of which the runtime has rows and will get no more, once."""
        with self.changed:
            if self._aborted is None or self._in_flight is not None:
                return None
            seq, self._aborted = self._aborted, None
            return seq

    def _replace(self) -> None:
        """What is left of the frame in the slot will not be sent."""
        slot, self._slot = self._slot, None
        if slot is None or slot.over or slot.sent == slot.height:
            return
        slot.replaced = True
        if slot is not self._in_flight:
            self._settle(slot, "dropped_producer")

    def take(self, max_bytes: int) -> tuple[FrameHeader, NDArray[Any]] | None:
        """The rows that wait, as one message of at most `max_bytes`; None if none wait or an answer is outstanding."""
        with self.changed:
            slot = self._slot
            if slot is None or slot.over or self._in_flight is not None or slot.filled == slot.sent:
                return None
            row_bytes = slot.pixels.nbytes // slot.height
            if row_bytes > max_bytes:
                self._settle(slot, "dropped_producer")
                return None
            first, last = slot.sent, min(slot.filled, slot.sent + max_bytes // row_bytes)
            slot.sent, self._in_flight, self._taken_seq = last, slot, slot.seq
            return self._message(slot, first, last)

    def _message(self, slot: _Slot, first: int, last: int) -> tuple[FrameHeader, NDArray[Any]]:
        rows = slot.pixels if slot.pixels.ndim == 1 else np.ascontiguousarray(slot.pixels[..., first:last, :])
        width = rows.shape[-1]
        header = FrameHeader(
            htype="array-1.0",
            type=rows.dtype.name,
            dtype=rows.dtype.name,
            shape=rows.shape,
            encoding="little",
            order="C",
            frame=slot.frame,
            series=self.source.series,
            source=self.source.stream,
            name=self.source.name,
            frame_shape=(slot.height, width),
            roi=(first, 0, last - first, width),
            valid_rows=last,
            complete=last == slot.height,
            seq=slot.seq,
            pixel_size_nm=slot.pixel_size_nm,
            clock_ns=slot.clock_ns,
            utc_ns=slot.utc_ns,
        )
        return header, rows

    def taken(self, seq: int) -> None:
        """The runtime has the rows that were on their way and wants more of frame `seq`."""
        with self.changed:
            slot = self._landed(seq)
            if slot is not None and slot.replaced:
                self._settle(slot, "dropped_producer")

    def settled(self, seq: int, outcome: Outcome) -> None:
        """The runtime gave frame `seq` its outcome; rows of it that still wait or come are ignored."""
        with self.changed:
            slot = self._landed(seq)
            if slot is not None and not slot.over:
                self._settle(slot, outcome)

    def _landed(self, seq: int) -> _Slot | None:
        slot = self._in_flight
        if slot is None or slot.seq != seq:
            return None
        self._in_flight = None
        self.changed.notify_all()
        return slot

    def reconnected(self, next_seq: int, runtime: dict[Outcome, int]) -> None:
        """A new connection: decide what was on its way on the old one.

        Parameters
        ----------
        next_seq
            First frame that the runtime has not seen; at most the frame on its way if that was lost.
        runtime
            Frames of this session by each outcome that a runtime decides, settled so far.
        """
        with self.changed:
            lost, self._in_flight = self._in_flight, None
            self._aborted = None  # the runtime has settled it with the connection
            if lost is not None and not lost.over:
                found = [outcome for outcome, count in runtime.items() if count > self._outcomes[outcome]]
                self._settle(lost, found[0] if found and lost.seq < next_seq else "dropped_producer")
            if self._slot is not None and not self._slot.over and self._slot.sent > 0:
                self._settle(self._slot, "dropped_producer")
            self.changed.notify_all()

    def give_up(self) -> None:
        """Nothing more will be sent or answered: every frame without an outcome counts as dropped by the producer."""
        self.reconnected(0, {})
        with self.changed:
            self._replace()
            self.changed.notify_all()

    def _settle(self, slot: _Slot, outcome: Outcome) -> None:
        slot.over = True
        self._outcomes[outcome] += 1
        self.changed.notify_all()

    def counters(self) -> Counters:
        """A snapshot; ``offered`` is what `put` began."""
        with self.changed:
            return Counters(offered=self._offered, **self._outcomes)

    @property
    def newest_ns(self) -> int:
        """When the newest of the rows that wait and could be sent now was offered; 0 if none wait."""
        with self.changed:
            slot = self._slot
            waits = slot is not None and not slot.over and self._in_flight is None and slot.filled > slot.sent
            return slot.clock_ns if waits and slot is not None else 0

    @property
    def first_seq(self) -> int:
        """The ``seq`` after that of the last frame of which anything was sent: a new runtime counts from here."""
        return self._taken_seq + 1

    @property
    def in_flight(self) -> bool:
        """True while the answer to a message is outstanding."""
        with self.changed:
            return self._in_flight is not None

    @property
    def idle(self) -> bool:
        """True when all rows that were offered have been sent and answered, or need not be."""
        with self.changed:
            slot = self._slot
            return (
                self._in_flight is None
                and self._aborted is None
                and (slot is None or slot.over or slot.filled == slot.sent)
            )
