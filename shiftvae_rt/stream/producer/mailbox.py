"""The producer's one-slot mailbox: the newest frame waits, everything older is counted.

The acquisition puts rows in (`put`, any thread, never waits for the network); the link takes out all rows that have not
been sent yet (`take`), one message at a time. Rows of one frame gather in the mailbox and lose nothing; a new frame
replaces what is left of the old one, and the old frame is then counted as dropped, once.

A frame whose rows are on their way when it is replaced is decided by the service's answer, so that both
sides count alike.

An acquisition delivers its last rows after it was stopped, and its first before we were there. What belongs to no frame
in the mailbox is ignored and counted (`late`): it never is an error in the acquisition's thread.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from numpy.typing import NDArray

from ...errors import FrameError
from ..protocol.messages import Outcome
from ..protocol.wire import Counters, FrameHeader
from .outgoing import OutgoingFrame, Source

__all__ = ["Mailbox"]


class Mailbox:
    """Frames on their way from an acquisition to a link, each with exactly one outcome.

    Parameters
    ----------
    source
        Copied into every header.

    Attributes
    ----------
    late
        Calls of `put` and `put_rectangle` that were ignored: their frame was over, or had begun without us.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.changed = threading.Condition()
        self._slot: OutgoingFrame | None = None
        self._in_flight: deque[OutgoingFrame] = deque()  # of each message without an answer, in order
        self._aborted: int | None = None
        self._given_up: int | None = None  # number of the last frame of rectangles that was never complete
        self._offered = self._taken_seq = self.late = 0
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
        pixel_size_nm: tuple[float, float] | None = None,
    ) -> int:
        """Copy `rows` in and return the ``seq`` of their frame, 0 if they are too late for it.

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
            if rows of their frame are missing before them, or they do not fit it.
        """
        with self.changed:
            slot = self._slot
            if first_row != 0:
                last_row = first_row + (rows.shape[-2] if rows.ndim > 1 else 1)
                if slot is None or slot.frame != frame or last_row <= slot.filled:
                    return self.too_late()
                slot.add_rows(rows, first_row)
                return slot.seq
            number = self._offered + 1 if frame is None else frame
            outgoing = OutgoingFrame.of_rows(rows, frame=number, height=height, pixel_size_nm=pixel_size_nm)
            return self._begin(outgoing).seq

    def put_rectangle(
        self,
        rectangle: NDArray[Any],
        *,
        frame: int,
        place: tuple[int, int],
        frame_shape: tuple[int, int],
        pixel_size_nm: tuple[float, float] | None = None,
    ) -> int:
        """Copy a rectangle in and return the ``seq`` of its frame, 0 if it is too late for that.

        Its lines are sent when they are there completely.

        Parameters
        ----------
        rectangle
            ``(n, m)`` or ``(channels, n, m)``, little-endian; copied.
        frame
            The acquisition's number of the frame; another than the last one begins a new frame, but for that of a
            frame that was given up just before.
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
            if frame == self._given_up and (slot is None or (slot.frame != frame and slot.filled < slot.height)):
                return self.too_late()
            if slot is None or slot.frame != frame:
                slot = self._begin(
                    OutgoingFrame.of_rectangles(shape, rectangle.dtype, frame=frame, pixel_size_nm=pixel_size_nm)
                )
            slot.add_rectangle(rectangle, place, shape)
            return slot.seq

    def too_late(self) -> int:
        """Count something that is ignored; 0."""
        with self.changed:
            self.late += 1
            return 0

    def _begin(self, slot: OutgoingFrame) -> OutgoingFrame:
        self._replace()
        self._offered += 1
        self._slot, slot.seq = slot, self._offered
        return slot

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
        """The ``seq`` of a frame of which the service has rows and will get no more, once."""
        with self.changed:
            if self._aborted is None or any(slot.seq == self._aborted for slot in self._in_flight):
                return None
            seq, self._aborted = self._aborted, None
            return seq

    def _replace(self) -> None:
        """What is left of the frame in the slot will not be sent."""
        slot, self._slot = self._slot, None
        if slot is not None:
            self._given_up = slot.frame if slot.rectangles is not None and slot.filled < slot.height else None
        if slot is None or slot.over or slot.sent == slot.height:
            return
        slot.replaced = True
        if slot not in self._in_flight:
            self._settle(slot, "dropped_producer")

    def take(self, max_bytes: int) -> tuple[FrameHeader, NDArray[Any]] | None:
        """The rows that wait, as one message of at most `max_bytes`; None if none wait."""
        with self.changed:
            slot = self._slot
            if slot is None or slot.over or slot.filled == slot.sent:
                return None
            row_bytes = slot.pixels.nbytes // slot.height
            if row_bytes > max_bytes:
                self._settle(slot, "dropped_producer")
                return None
            first, last = slot.sent, min(slot.filled, slot.sent + max_bytes // row_bytes)
            slot.sent, self._taken_seq = last, slot.seq
            self._in_flight.append(slot)
            return slot.message(self.source, first, last)

    def taken(self, seq: int) -> None:
        """The service has the rows that were on their way and wants more of frame `seq`."""
        with self.changed:
            slot = self._landed(seq)
            if slot is not None and slot.replaced and not slot.over and slot not in self._in_flight:
                self._settle(slot, "dropped_producer")

    def settled(self, seq: int, outcome: Outcome) -> None:
        """The service gave frame `seq` its outcome; rows of it that still wait or come are ignored."""
        with self.changed:
            slot = self._landed(seq)
            if slot is not None and not slot.over:
                self._settle(slot, outcome)

    def _landed(self, seq: int) -> OutgoingFrame | None:
        if not self._in_flight or self._in_flight[0].seq != seq:  # answers keep their order
            return None
        self.changed.notify_all()
        return self._in_flight.popleft()

    def reconnected(self, next_seq: int, settled: dict[Outcome, int]) -> None:
        """A new connection: decide what was on its way on the old one.

        Parameters
        ----------
        next_seq
            First frame that the service has not seen; it may be one that was on its way and lost.
        settled
            Frames of this session settled so far, by each outcome that the service decides.
        """
        with self.changed:
            lost, self._in_flight = self._in_flight, deque()
            self._aborted = None  # the service has settled it with the connection
            for slot in lost:
                if not slot.over:
                    found = [outcome for outcome, count in settled.items() if count > self._outcomes[outcome]]
                    self._settle(slot, found[0] if found and slot.seq < next_seq else "dropped_producer")
            if self._slot is not None and not self._slot.over and self._slot.sent > 0:
                self._settle(self._slot, "dropped_producer")
            self.changed.notify_all()

    def give_up(self) -> None:
        """Nothing more will be sent or answered: every frame without an outcome counts as dropped by the producer."""
        self.reconnected(0, {})
        with self.changed:
            self._replace()
            self.changed.notify_all()

    def _settle(self, slot: OutgoingFrame, outcome: Outcome) -> None:
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
            waits = slot is not None and not slot.over and slot.filled > slot.sent
            return slot.clock_ns if waits and slot is not None else 0

    @property
    def first_seq(self) -> int:
        """The ``seq`` after that of the last frame of which anything was sent: a new service counts from here."""
        return self._taken_seq + 1

    @property
    def in_flight(self) -> bool:
        """True while the answer to a message is outstanding."""
        with self.changed:
            return bool(self._in_flight)

    @property
    def idle(self) -> bool:
        """True when all rows that were offered have been sent and answered, or need not be."""
        with self.changed:
            slot = self._slot
            return (
                not self._in_flight
                and self._aborted is None
                and (slot is None or slot.over or slot.filled == slot.sent)
            )
