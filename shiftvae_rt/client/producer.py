"""The producer for a host program: whatever goes wrong is counted and told, and nothing is raised where frames come."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

from numpy.typing import ArrayLike

from ..frame import PixelSize
from ..stream.producer import producer as raising
from ..stream.producer.outgoing import FrameOutcome
from ..stream.protocol.counters import Counters
from ..stream.transport.sockets import INGEST

__all__ = ["Producer"]

_log = logging.getLogger(__name__)


class Producer:
    """Sends the frames of one stream to the service, and reconnects for as long as it lives. Thread-safe; close it.

    The methods that offer frames copy the pixels and return at once, also while there is no service: then the newest
    frame waits, and the older ones count as dropped. A call that cannot be carried out (no frame, earlier rows are
    missing) returns 0, counts in `errors`, and calls `on_error`.

    Parameters
    ----------
    endpoint
        Ingest endpoint of the service, ``tcp://HOST:PORT``.
    stream, name
        Name of the stream (1 to 64 printable characters), and of the detector channel, for people.
    key
        The client's key file, if the service requires one.
    on_outcome
        Called with the outcome of every frame, on the producer's own thread. It must be quick.
    on_error
        Called with the exception of a call that could not be carried out, on the thread of that call, and with one that
        `on_outcome` raised.

    Attributes
    ----------
    errors
        Number of times that `on_error` was or would have been called.

    Raises
    ------
    ServiceError
        for an invalid endpoint or name. A service that does not run yet is no error.
    KeyFileError
        for a key file that is damaged or readable by other users.
    """

    def __init__(
        self,
        endpoint: str = INGEST,
        *,
        stream: str,
        name: str = "",
        key: str | os.PathLike[str] | None = None,
        on_outcome: Callable[[FrameOutcome], None] | None = None,
        on_error: Callable[[Exception], None] | None = None,
    ) -> None:
        self.errors = 0
        self._fault = ""
        self._on_outcome, self._on_error = on_outcome, on_error
        self._lock = threading.Lock()
        self._producer = raising.Producer(endpoint, stream=stream, name=name, key=key)
        self._producer.listen(self._settled)

    def __enter__(self) -> Producer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait_ready(self, timeout_s: float = 3.0) -> bool:
        """Wait up to `timeout_s` seconds for the service; True if there is one. Not for a thread that acquires."""
        return bool(self._called(lambda: bool(self._producer.wait_ready(timeout_s))))

    def offer(
        self, frame: ArrayLike, *, number: int | None = None, pixel_size_nm: PixelSize = None, context: str = ""
    ) -> int:
        """Offer a whole frame; returns its ``seq``, or 0 if it could not be offered.

        Parameters
        ----------
        frame
            ``(height, width)`` or ``(channels, height, width)``, a signal ``(length,)`` or ``(channels, length)``; raw
            detector units.
        number
            The acquisition's number of the frame; default: its ``seq``.
        pixel_size_nm
            Edge of a square pixel, or ``(y, x)``, nm, if known.
        context
            Text of at most 1024 bytes that comes back with the results and the outcome of the frame.
        """
        return self._called(
            lambda: self._producer.offer(frame, number=number, pixel_size_nm=pixel_size_nm, context=context)
        )

    def offer_rows(
        self,
        number: int,
        rows: ArrayLike,
        first_row: int,
        frame_shape: tuple[int, int],
        *,
        pixel_size_nm: PixelSize = None,
        context: str = "",
    ) -> int:
        """Offer the next rows of frame `number`; returns its ``seq``, or 0 if they came too late or do not fit.

        Parameters
        ----------
        number, rows
            The acquisition's number of the frame, and ``(n, width)`` or ``(channels, n, width)``.
        first_row
            Index of the first of `rows` in the frame. Row 0 begins a frame, and gives up an incomplete one before it.
        frame_shape
            ``(height, width)`` of the whole frame, px.
        pixel_size_nm, context
            As in `offer`, nm and text; those that come with row 0 count.
        """
        return self._called(
            lambda: self._producer.offer_rows(
                number, rows, first_row, frame_shape, pixel_size_nm=pixel_size_nm, context=context
            )
        )

    def offer_rectangle(
        self,
        number: int,
        rectangle: ArrayLike,
        place: tuple[int, int],
        frame_shape: tuple[int, int],
        *,
        pixel_size_nm: PixelSize = None,
        context: str = "",
    ) -> int:
        """Offer a rectangle of frame `number`; returns its ``seq``, or 0 if it came too late or does not fit.

        Parameters
        ----------
        number
            The acquisition's number of the frame; a new one begins a frame.
        rectangle, place
            ``(n, m)`` or ``(channels, n, m)``, and ``(y, x)`` of its first pixel in the frame, px.
        frame_shape
            ``(height, width)`` of the whole frame, px. Its rectangles come in any order and cover it once.
        pixel_size_nm, context
            As in `offer`, nm and text; those that come with the first rectangle count.
        """
        return self._called(
            lambda: self._producer.offer_rectangle(
                number, rectangle, place, frame_shape, pixel_size_nm=pixel_size_nm, context=context
            )
        )

    def abort(self, number: int) -> bool:
        """Give up frame `number`, which was offered in part; it counts as dropped. False if it is over already."""
        return bool(self._called(lambda: self._producer.abort(number)))

    @property
    def connected(self) -> bool:
        """True while there is a session with the service."""
        return self._producer.connected

    @property
    def counters(self) -> Counters:
        """Counts of the frames by outcome; ``offered`` exceeds the sum of the others by those on their way."""
        return self._producer.counters

    @property
    def late(self) -> int:
        """Number of calls that were ignored because their frame was over; they are in no other counter."""
        return self._producer.late

    @property
    def last_error(self) -> str:
        """Reason of the last error, rejection or loss of contact; empty once a later frame was processed."""
        return self._fault or self._producer.last_error

    def close(self, timeout_s: float = 2.0) -> Counters:
        """Wait up to about `timeout_s` seconds for the outcome of the last frame, end the stream, return the counters.

        Every frame has its outcome then: one that the service did not answer in time counts as dropped.
        """
        return self._producer.close(timeout_s)

    def _called(self, call: Callable[[], int]) -> int:
        try:
            return call()
        except Exception as error:  # noqa: BLE001  # nothing may reach the thread that acquires
            self._failed(error)
            return 0

    def _settled(self, outcome: FrameOutcome) -> None:
        if outcome.outcome == "processed":
            self._fault = ""
        if self._on_outcome is not None:
            try:
                self._on_outcome(outcome)
            except Exception as error:  # noqa: BLE001  # the host's callback must not end the producer's thread
                self._failed(error)

    def _failed(self, error: Exception) -> None:
        with self._lock:
            self.errors += 1
        self._fault = str(error) or type(error).__name__
        if self._on_error is None:
            return
        try:
            self._on_error(error)
        except Exception:  # noqa: BLE001  # there is no one else to tell
            _log.exception("on_error of a producer raised")
