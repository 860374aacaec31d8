"""The producer's one-slot mailbox: the newest frame waits, and an older one is counted as dropped.

The acquisition puts rows in (`put`, from any thread, without waiting for the network); the link takes out all rows that
have not been sent yet (`take`), one message at a time. The rows of one frame collect in the mailbox and none is lost. A
new frame replaces the rest of the old one, which is then counted as dropped, once.

If rows of a frame are on their way when it is replaced, the service's answer decides its outcome, so that producer and
service count alike.

An acquisition may deliver its last rows after it was stopped, and its first before the mailbox exists. Rows that belong
to no frame in the mailbox are ignored and counted (`late`); they never raise in the acquisition's thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from ...errors import FrameError
from ..protocol.counters import Counters
from ..protocol.messages import Outcome
from ..protocol.wire import FrameHeader
from .outgoing import FrameOutcome, OutgoingFrame, Source

__all__ = ["Mailbox"]


class Mailbox:
    """Frames on their way from an acquisition to a link, each with exactly one outcome.

    Parameters
    ----------
    source
        Stream and channel, copied into every header.

    Attributes
    ----------
    late
        Number of calls of `put` and `put_rectangle` that were ignored, because their frame was over or its first rows
        were never put.
    listener
        Called by `tell` with the outcome of each frame; None: outcomes are only counted.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.changed = threading.Condition()
        self.listener: Callable[[FrameOutcome], None] | None = None
        self._untold: deque[FrameOutcome] = deque()
        self._slot: OutgoingFrame | None = None
        self._in_flight: deque[OutgoingFrame] = deque()  # the frame of each unanswered message, in the order of sending
        self._aborted: int | None = None
        self._given_up: int | None = None  # number of the last frame of rectangles, if it was given up incomplete
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
        context: str = "",
    ) -> int:
        """Copy in `rows` and return the ``seq`` of their frame; 0 if they are too late for it.

        Parameters
        ----------
        rows
            ``(length,)``, ``(n, width)`` or ``(channels, n, width)``, little-endian; copied.
        frame
            The acquisition's number of the frame; None: its ``seq``.
        first_row, height
            Index of the first of `rows` in the frame, and the height of the frame; None: `rows` are the whole frame.
            `first_row` 0 begins a new frame, whatever its number.

        Raises
        ------
        FrameError
            if earlier rows of the frame are missing, or the rows do not fit it.
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
            outgoing = OutgoingFrame.of_rows(
                rows, frame=number, height=height, pixel_size_nm=pixel_size_nm, context=context
            )
            return self._begin(outgoing).seq

    def put_rectangle(
        self,
        rectangle: NDArray[Any],
        *,
        frame: int,
        place: tuple[int, int],
        frame_shape: tuple[int, int],
        pixel_size_nm: tuple[float, float] | None = None,
        context: str = "",
    ) -> int:
        """Copy in a rectangle and return the ``seq`` of its frame; 0 if it is too late for it.

        Lines are sent once they are complete.

        Parameters
        ----------
        rectangle
            ``(n, m)`` or ``(channels, n, m)``, little-endian; copied.
        frame
            The acquisition's number of the frame. A number other than that of the current frame begins a new one,
            except the number of the frame that was given up last.
        place, frame_shape
            ``(y, x)`` of the rectangle's first pixel in the frame, and ``(height, width)`` of the frame; px.

        Raises
        ------
        FrameError
            if it does not fit its frame, or covers pixels that were put before.
        """
        shape = (*rectangle.shape[:-2], *frame_shape)
        (y, x), (rows, cols) = place, rectangle.shape[-2:]
        if min(place) < 0 or y + rows > frame_shape[0] or x + cols > frame_shape[1]:
            raise FrameError(f"a rectangle of {rows} x {cols} px at {place} does not fit in a frame of {frame_shape}")
        with self.changed:
            slot = self._slot
            if frame == self._given_up and (slot is None or (slot.frame != frame and slot.filled < slot.height)):
                return self.too_late()
            if slot is None or slot.frame != frame:
                outgoing = OutgoingFrame.of_rectangles(
                    shape, rectangle.dtype, frame=frame, pixel_size_nm=pixel_size_nm, context=context
                )
                slot = self._begin(outgoing)
            slot.add_rectangle(rectangle, place, shape)
            return slot.seq

    def too_late(self) -> int:
        """Count an ignored call; returns 0."""
        with self.changed:
            self.late += 1
            return 0

    def _begin(self, slot: OutgoingFrame) -> OutgoingFrame:
        self._replace()
        self._offered += 1
        self._slot, slot.seq = slot, self._offered
        return slot

    def abort(self, frame: int) -> bool:
        """Give up frame number `frame`: the rest of it will not be sent. False if it is over or complete already."""
        with self.changed:
            slot = self._slot
            if slot is None or slot.frame != frame or slot.over or slot.filled == slot.height:
                return False
            if slot.sent > 0:
                self._aborted = slot.seq
            self._replace()
            return True

    def take_aborted(self) -> int | None:
        """Take the ``seq`` of an aborted frame that was sent in part; None if there is none or an answer is missing."""
        with self.changed:
            if self._aborted is None or any(slot.seq == self._aborted for slot in self._in_flight):
                return None
            seq, self._aborted = self._aborted, None
            return seq

    def _replace(self) -> None:
        """Empty the slot: the rest of its frame will not be sent."""
        slot, self._slot = self._slot, None
        if slot is not None:
            self._given_up = slot.frame if slot.rectangles is not None and slot.filled < slot.height else None
        if slot is None or slot.over or slot.sent == slot.height:
            return
        slot.replaced = True
        if slot not in self._in_flight:
            self._settle(slot, "dropped_producer")

    def take(self, max_bytes: int) -> tuple[FrameHeader, NDArray[Any]] | None:
        """Take the rows that wait, as one message of at most `max_bytes`; None if none wait."""
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
        """Note that the service took rows of frame `seq` and waits for more of it."""
        with self.changed:
            slot = self._landed(seq)
            if slot is not None and slot.replaced and not slot.over and slot not in self._in_flight:
                self._settle(slot, "dropped_producer")

    def settled(self, seq: int, outcome: Outcome, reason: str = "") -> None:
        """Note the outcome of frame `seq`; rows of it that still wait or come are ignored."""
        with self.changed:
            slot = self._landed(seq)
            if slot is not None and not slot.over:
                self._settle(slot, outcome, reason)

    def _landed(self, seq: int) -> OutgoingFrame | None:
        if not self._in_flight or self._in_flight[0].seq != seq:  # answers keep their order
            return None
        self.changed.notify_all()
        return self._in_flight.popleft()

    def reconnected(self, next_seq: int, settled: dict[Outcome, int]) -> None:
        """Decide the outcome of the frames that were on their way when the old connection was lost.

        Parameters
        ----------
        next_seq
            First frame that the service has not seen; it may be one that was lost on its way.
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
        """Count every frame without an outcome as dropped by the producer: nothing more will be sent or answered."""
        self.reconnected(0, {})
        with self.changed:
            self._replace()
            self.changed.notify_all()

    def _settle(self, slot: OutgoingFrame, outcome: Outcome, reason: str = "") -> None:
        slot.over = True
        self._outcomes[outcome] += 1
        if self.listener is not None:
            self._untold.append(FrameOutcome(slot.frame, slot.context, slot.seq, outcome, reason))
        self.changed.notify_all()

    def tell(self) -> None:
        """Call the `listener`, which must not raise, with the outcomes since the last call. Called by one thread."""
        while self.listener is not None and self._untold:
            self.listener(self._untold.popleft())

    def counters(self) -> Counters:
        """Snapshot of the counts; ``offered`` is the number of frames that were begun."""
        with self.changed:
            return Counters(offered=self._offered, **self._outcomes)

    @property
    def newest_ns(self) -> int:
        """Time at which the newest of the rows that wait was offered, ns; 0 if none wait."""
        with self.changed:
            slot = self._slot
            waits = slot is not None and not slot.over and slot.filled > slot.sent
            return slot.clock_ns if waits and slot is not None else 0

    @property
    def first_seq(self) -> int:
        """The ``seq`` after that of the last frame that was sent, wholly or in part; a new service counts from it."""
        return self._taken_seq + 1

    @property
    def in_flight(self) -> bool:
        """True while the answer to a message is outstanding."""
        with self.changed:
            return bool(self._in_flight)

    @property
    def idle(self) -> bool:
        """True when no row waits to be sent and no answer is outstanding."""
        with self.changed:
            slot = self._slot
            return (
                not self._in_flight
                and self._aborted is None
                and (slot is None or slot.over or slot.filled == slot.sent)
            )
