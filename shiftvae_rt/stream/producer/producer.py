"""The live producer: sends frames or rows from an acquisition program without making it wait.

::

    with Producer("tcp://127.0.0.1:5701", stream="HAADF") as producer:
        producer.offer(frame)                                       # a whole frame
        producer.offer_rows(7, rows, first_row, (512, 512))         # or its rows as they come
        producer.offer_rectangle(8, pixels, (y, x), (512, 512))     # or rectangles of it, in any order

`offer` copies the pixels and returns; another thread sends them. While the service is busy, absent or restarting, the
newest frame waits in a mailbox and older ones are counted as dropped. Rows that come too late (after `abort`, `close`
or the beginning of a newer frame) are ignored and counted in `late`; they raise nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, Literal

from numpy.typing import ArrayLike, NDArray

from ...errors import FrameError, ServiceError
from ...frame import Frame, PixelSize, as_pixel_size
from ..protocol.clock import monotonic_ns
from ..protocol.counters import Counters
from ..protocol.messages import Welcome
from ..transport.keys import read_key
from ..transport.sockets import INGEST
from .driver import Driver
from .live_link import LiveLink
from .mailbox import Mailbox
from .outgoing import FrameOutcome, Source
from .wire_pixels import wire_context, wire_pixels, wire_rows

__all__ = ["Producer"]

#: Absence after which a service counts as gone, s; a service that is being restarted is back earlier.
GONE_S = 5.0
_HIGH_WATER_MARK = 9


class Producer:
    """Sends frames of one stream to the service. Thread-safe; close it, or use it in a ``with``.

    Parameters
    ----------
    endpoint
        Ingest endpoint of the service, ``tcp://HOST:PORT``.
    stream
        Name of the stream: 1 to 64 printable characters, no space at either end. One producer sends it at a time.
    series, name
        Number of the acquisition and name of the detector channel; passed on to the readers.
    mode
        ``"live"``: the newest frame wins. ``"replay"``: for files; call `wait` after each frame, and none is too old.
    key
        The client's key file, if the service requires one (``shiftvae keys add``).

    Raises
    ------
    ServiceError
        for an invalid endpoint or name. A service that does not run yet is no error: see `wait_ready`.
    KeyFileError
        for a key file that is damaged or readable by other users.
    """

    def __init__(
        self,
        endpoint: str = INGEST,
        *,
        stream: str,
        series: int = 0,
        name: str = "",
        mode: Literal["live", "replay"] = "live",
        key: str | os.PathLike[str] | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._mailbox = Mailbox(Source(stream, series, name))
        self._link = LiveLink(self._mailbox, mode)
        self._driver = Driver(
            self._link, endpoint, key=read_key(key), high_water_mark=_HIGH_WATER_MARK, name=f"producer {stream}"
        )

    def __enter__(self) -> Producer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(5.0 if kind is None else 0.5)

    def wait_ready(self, timeout_s: float = 3.0) -> Welcome:
        """Wait up to `timeout_s` seconds for the service's WELCOME, which describes its model, and return it.

        Raises
        ------
        ServiceError
            if there is no answer in time, or the service refuses the stream.
        """
        with self._mailbox.changed:
            self._mailbox.changed.wait_for(lambda: self._link.welcome is not None, timeout_s)
        welcome = self._link.welcome
        if welcome is None:
            reason = self._link.contact.last_error or "no answer: start one with `shiftvae serve MODEL`"
            raise ServiceError(f"no service at {self._endpoint} ({reason})")
        return welcome

    def offer(
        self, frame: Frame | ArrayLike, *, number: int | None = None, pixel_size_nm: PixelSize = None, context: str = ""
    ) -> int:
        """Offer a whole frame; returns at once with its ``seq``, 0 after `close`. The pixels are copied.

        Parameters
        ----------
        frame
            ``(height, width)`` or ``(channels, height, width)``; a signal ``(length,)`` or ``(channels, length)``.
            Any dtype of `DTYPES`. The service checks the values, and may reject the frame.
        number
            The acquisition's number of the frame; default: its ``seq``.
        pixel_size_nm
            Edge of a square pixel, or ``(y, x)``, nm; default: that of a `Frame`.
        context
            Text of at most 1024 bytes that comes back with the results of the frame.

        Raises
        ------
        FrameError
            for an array that is no frame.
        ServiceError
            if the thread of this producer has failed.
        """
        if isinstance(frame, Frame):
            pixel_size_nm = frame.pixel_size_nm if pixel_size_nm is None else pixel_size_nm
            frame = frame.pixels
        return self._put(wire_pixels(frame), number, pixel_size_nm=as_pixel_size(pixel_size_nm), context=context)

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
        """Offer the next rows of frame `number`; returns at once with its ``seq``. The pixels are copied.

        Rows of a frame that is over, or whose row 0 was never offered, are ignored; the result is then 0.

        Parameters
        ----------
        number, rows
            The acquisition's number of the frame, and ``(n, width)`` or ``(channels, n, width)``.
        first_row
            Index of the first of `rows` in the frame. The rows of a frame must be offered in order; row 0 begins a new
            frame, and gives up the old one if it is incomplete.
        frame_shape
            ``(height, width)`` of the whole frame, px.
        pixel_size_nm, context
            As in `offer`, nm and text; those that come with row 0 count.

        Raises
        ------
        FrameError
            for rows that do not fit the frame, or if earlier rows of it are missing.
        ServiceError
            if the thread of this producer has failed.
        """
        pixels = wire_rows(rows, frame_shape[1])
        size_nm, height = as_pixel_size(pixel_size_nm), frame_shape[0]
        return self._put(pixels, number, first_row=first_row, height=height, pixel_size_nm=size_nm, context=context)

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
        """Offer a rectangle of frame `number`; returns at once with its ``seq``. The pixels are copied.

        The rectangles of a frame may come in any order and must cover it once. A line is sent as soon as it and all
        lines above it are complete. A rectangle of a frame that was given up is ignored; the result is then 0.

        Parameters
        ----------
        number
            The acquisition's number of the frame. A new number begins a new frame, and gives up the old one if it is
            incomplete.
        rectangle, place
            ``(n, m)`` or ``(channels, n, m)``, and ``(y, x)`` of its first pixel in the frame, px.
        frame_shape
            ``(height, width)`` of the whole frame, px.
        pixel_size_nm, context
            As in `offer`, nm and text; those that come with the first rectangle count.

        Raises
        ------
        FrameError
            for a rectangle that does not fit the frame, or covers pixels that were offered before.
        ServiceError
            if the thread of this producer has failed.
        """
        pixels = wire_rows(rectangle)
        if not self._open(number):
            return self._mailbox.too_late()
        size_nm, text = as_pixel_size(pixel_size_nm), wire_context(context)
        seq = self._mailbox.put_rectangle(
            pixels, frame=number, place=place, frame_shape=frame_shape, pixel_size_nm=size_nm, context=text
        )
        self._driver.wake()
        return seq

    def _put(self, pixels: NDArray[Any], number: int | None, *, context: str, **place: Any) -> int:
        if not self._open(number):
            return self._mailbox.too_late()
        seq = self._mailbox.put(pixels, frame=number, context=wire_context(context), **place)
        self._driver.wake()
        return seq

    def _open(self, number: int | None) -> bool:
        """True if frames are accepted; False after `close`."""
        if number is not None and not 0 <= number <= 2**53:
            raise FrameError(f"expected a frame number from 0 to 2^53, got {number}")
        if not self._driver.alive and not self._link.closing:
            raise ServiceError("the thread of this producer has ended: make a new producer")
        return not self._link.closing

    def abort(self, number: int) -> bool:
        """Give up frame `number`, which was offered in part; it counts as dropped. False if it is over already."""
        aborted = self._mailbox.abort(number)
        self._driver.wake()
        return aborted

    def wait(self, timeout_s: float = 60.0) -> Counters:
        """Wait up to `timeout_s` seconds until every frame that was offered has its outcome.

        Raises
        ------
        ServiceError
            if the service does not answer in time, or has been gone for 5 s.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            left_s = deadline - time.monotonic()
            with self._mailbox.changed:
                if self._mailbox.changed.wait_for(lambda: self._mailbox.idle, min(left_s, 0.5)):
                    return self.counters
            if left_s <= 0.5 or self.absent_s > GONE_S:
                reason = self._link.contact.last_error or "it is busy, or never ran"
                raise ServiceError(f"the service at {self._endpoint} gave no answer ({reason}): is it running?")

    def listen(self, listener: Callable[[FrameOutcome], None]) -> None:
        """Call `listener` with the outcome of every frame, on the producer's thread. It must be quick and not raise."""
        self._mailbox.listener = listener

    @property
    def connected(self) -> bool:
        """True while there is a session with the service."""
        return self._link.contact.state == "open"

    @property
    def absent_s(self) -> float:
        """Seconds since contact with the service was lost; 0 during contact, and before the first."""
        lost_ns = self._link.contact.lost_ns
        return 0.0 if lost_ns is None else (monotonic_ns() - lost_ns) / 1e9

    @property
    def counters(self) -> Counters:
        """Counts of the frames so far by outcome; ``offered`` exceeds the sum of the others by those on their way."""
        return self._mailbox.counters()

    @property
    def late(self) -> int:
        """Number of calls that were ignored because they came too late; they are in no other counter."""
        return self._mailbox.late

    @property
    def last_error(self) -> str:
        """Reason of the last rejection or loss of contact; empty if there was none, or a frame was processed since."""
        return self._link.contact.last_error

    @property
    def confirmed(self) -> bool:
        """True after a `close` that the service acknowledged: producer and service have the same counters."""
        return self._link.contact.state == "ended"

    def close(self, timeout_s: float = 5.0) -> Counters:
        """Wait for the outcome of the last frame, send END, and return the final counters.

        Takes at most about `timeout_s` seconds, counted from the loss of contact if the service is gone. A frame
        without an outcome by then counts as dropped, and `confirmed` is False.
        """
        self._link.closing = True
        self._driver.join(timeout_s - self.absent_s)
        return self.counters
