"""The producer: what an acquisition program uses to send frames or rows and never waits for.

::

    with Producer("tcp://127.0.0.1:5701", stream="HAADF") as producer:
        producer.offer(frame)                                       # a whole frame
        producer.offer_rows(7, rows, first_row, (512, 512))         # or its rows as they come
        producer.offer_rectangle(8, pixels, (y, x), (512, 512))     # or rectangles of it, in any order

`offer` copies the pixels and returns; a thread of its own talks to the service. While the service is busy, absent or
restarting, the newest frame waits in a mailbox and older ones are counted as dropped. What comes too late, after
`abort`, `close` or the beginning of a newer frame, is ignored and counted (`late`): it raises nothing.
"""

from __future__ import annotations

import os
import time
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import FrameError, ServiceError
from ...frame import DTYPES, Frame, PixelSize, as_pixel_size
from ..protocol.clock import monotonic_ns
from ..protocol.messages import Welcome
from ..protocol.wire import Counters
from ..transport.keys import read_key
from ..transport.sockets import INGEST
from .driver import Driver
from .live_link import LiveLink
from .mailbox import Mailbox
from .outgoing import Source

__all__ = ["Producer", "wire_pixels"]

#: A service that is being restarted is back by then.
GONE_S = 5.0
_HIGH_WATER_MARK = 9


class Producer:
    """Sends frames of one stream to the service. Thread-safe; close it, or use it in a ``with``.

    Parameters
    ----------
    endpoint
        The service's ingest, ``tcp://HOST:PORT``.
    stream
        Name of the stream, 1 to 64 printable characters without blanks at its ends; one live producer each.
    series, name
        Number of the acquisition and name of the detector channel, carried along for people.
    mode
        ``"live"``: latest wins. ``"replay"``: for files; you `wait` for each frame, and no frame is too old.
    key
        Our key file, if the service asks for one (``shiftvae keys add``).

    Raises
    ------
    ServiceError
        for an endpoint or a name that is not one. A service that is not there yet is no error: see `wait_ready`.
    KeyFileError
        for a key file that is damaged or readable by others.
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
        """Wait up to `timeout_s` seconds until the service has welcomed us; gives what it says of itself and its model.

        Raises
        ------
        ServiceError
            if nobody answers in time, or the service refuses us.
        """
        with self._mailbox.changed:
            self._mailbox.changed.wait_for(lambda: self._link.welcome is not None, timeout_s)
        welcome = self._link.welcome
        if welcome is None:
            reason = self._link.contact.last_error or "nobody answers there: start one with `shiftvae serve MODEL`"
            raise ServiceError(f"no service at {self._endpoint} ({reason})")
        return welcome

    def offer(self, frame: Frame | ArrayLike, *, number: int | None = None, pixel_size_nm: PixelSize = None) -> int:
        """Offer a whole frame; returns at once with its ``seq``, 0 after `close`. The pixels are copied.

        Parameters
        ----------
        frame
            ``(height, width)`` or ``(channels, height, width)``; a signal ``(length,)`` or ``(channels, length)``.
            Any dtype of `DTYPES`. What is in it is checked by the service, which may reject it.
        number
            The acquisition's number of the frame; default its ``seq``.
        pixel_size_nm
            Edge of a square pixel, or ``(y, x)``, nm; default what a `Frame` says.

        Raises
        ------
        FrameError
            for something that is not a frame at all.
        ServiceError
            if the thread of this producer has failed.
        """
        if isinstance(frame, Frame):
            pixel_size_nm = frame.pixel_size_nm if pixel_size_nm is None else pixel_size_nm
            frame = frame.pixels
        return self._put(wire_pixels(frame), number, pixel_size_nm=as_pixel_size(pixel_size_nm))

    def offer_rows(
        self,
        number: int,
        rows: ArrayLike,
        first_row: int,
        frame_shape: tuple[int, int],
        *,
        pixel_size_nm: PixelSize = None,
    ) -> int:
        """Offer the next rows of frame `number`; returns at once with its ``seq``. The pixels are copied.

        Rows of a frame that is over, or whose row 0 was never offered, are ignored: 0.

        Parameters
        ----------
        number
            The acquisition's number of the frame.
        rows
            ``(n, width)`` or ``(channels, n, width)``.
        first_row
            Row 0 of `rows` in the frame. The rows of a frame come in order; row 0 begins a new frame and gives up the
            old one if that is not complete.
        frame_shape
            ``(height, width)`` of the whole frame, px.
        pixel_size_nm
            Edge of a square pixel, or ``(y, x)``, nm, if known.

        Raises
        ------
        FrameError
            for rows that do not fit the frame, or rows before them that are missing.
        ServiceError
            if the thread of this producer has failed.
        """
        pixels = wire_pixels(rows)
        if pixels.ndim < 2 or pixels.shape[-1] != frame_shape[1]:
            raise FrameError(f"expected rows of {frame_shape[1]} px, got shape {pixels.shape}")
        return self._put(
            pixels, number, first_row=first_row, height=frame_shape[0], pixel_size_nm=as_pixel_size(pixel_size_nm)
        )

    def offer_rectangle(
        self,
        number: int,
        rectangle: ArrayLike,
        place: tuple[int, int],
        frame_shape: tuple[int, int],
        *,
        pixel_size_nm: PixelSize = None,
    ) -> int:
        """Offer a rectangle of frame `number`; returns at once with its ``seq``. The pixels are copied.

        The rectangles of a frame come in any order and cover it once. Lines go out as soon as they, and all above them,
        are complete. A rectangle of a frame that was given up is ignored: 0.

        Parameters
        ----------
        number
            The acquisition's number of the frame. Another than the last one begins a new frame, and gives up the old
            one if that is not complete.
        rectangle
            ``(n, m)`` or ``(channels, n, m)``.
        place
            ``(y, x)`` of its first pixel in the frame, px.
        frame_shape
            ``(height, width)`` of the whole frame, px.
        pixel_size_nm
            Edge of a square pixel, or ``(y, x)``, nm, if known.

        Raises
        ------
        FrameError
            for a rectangle that does not fit the frame, or covers pixels that were offered before.
        ServiceError
            if the thread of this producer has failed.
        """
        pixels = wire_pixels(rectangle)
        if pixels.ndim < 2:
            raise FrameError(f"expected a rectangle of two or three axes, got shape {pixels.shape}")
        if not self._open(number):
            return self._mailbox.too_late()
        size_nm = as_pixel_size(pixel_size_nm)
        seq = self._mailbox.put_rectangle(
            pixels, frame=number, place=place, frame_shape=frame_shape, pixel_size_nm=size_nm
        )
        self._driver.wake()
        return seq

    def _put(self, pixels: NDArray[Any], number: int | None, **place: Any) -> int:
        if not self._open(number):
            return self._mailbox.too_late()
        seq = self._mailbox.put(pixels, frame=number, **place)
        self._driver.wake()
        return seq

    def _open(self, number: int | None) -> bool:
        """False after `close`: what comes now is too late."""
        if number is not None and not 0 <= number <= 2**53:
            raise FrameError(f"expected a number of a frame from 0 to 2^53, got {number}")
        if not self._driver.alive and not self._link.closing:  # its thread failed
            raise ServiceError("the producer has ended: make a new one")
        return not self._link.closing

    def abort(self, number: int) -> bool:
        """Give up frame `number`, of which rows were offered; it counts as dropped. False if it is over already."""
        aborted = self._mailbox.abort(number)
        self._driver.wake()
        return aborted

    def wait(self, timeout_s: float = 60.0) -> Counters:
        """Wait up to `timeout_s` seconds until everything that was offered has its answer.

        Raises
        ------
        ServiceError
            if the service does not answer in time, or went away and is not back after 5 s.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            left_s = deadline - time.monotonic()
            with self._mailbox.changed:
                if self._mailbox.changed.wait_for(lambda: self._mailbox.idle, min(left_s, 0.5)):
                    return self.counters
            if left_s <= 0.5 or self.absent_s > GONE_S:
                reason = self._link.contact.last_error or "it is busy, or was never there"
                raise ServiceError(f"the service at {self._endpoint} gave no answer ({reason}): is it running?")

    @property
    def absent_s(self) -> float:
        """Seconds since the service went away; 0 while it is there, and before it was first there."""
        lost_ns = self._link.contact.lost_ns
        return 0.0 if lost_ns is None else (monotonic_ns() - lost_ns) / 1e9

    @property
    def counters(self) -> Counters:
        """Outcomes of the frames so far, counted; ``offered`` exceeds the sum of the others by what is on its way."""
        return self._mailbox.counters()

    @property
    def late(self) -> int:
        """Number of offers that were ignored because they came too late; they are in no other counter."""
        return self._mailbox.late

    @property
    def last_error(self) -> str:
        """Reason why the last frame was rejected or the service lost; empty if nothing happened on this connection."""
        return self._link.contact.last_error

    @property
    def confirmed(self) -> bool:
        """True after a `close` that the service acknowledged: its counters are the same as ours."""
        return self._link.contact.state == "ended"

    def close(self, timeout_s: float = 5.0) -> Counters:
        """Wait for the last frame's outcome, say END, and give the final counters.

        Takes at most about `timeout_s` seconds, counted from when the service went away if it did. What has no outcome
        by then counts as dropped, and `confirmed` is False.
        """
        self._link.closing = True
        self._driver.join(timeout_s - self.absent_s)
        return self.counters


def wire_pixels(array: ArrayLike) -> NDArray[Any]:
    """The array as it goes onto the wire: a dtype of `DTYPES`, little-endian, one to three axes."""
    pixels = np.asarray(array)
    if pixels.dtype.name not in DTYPES:
        raise FrameError(f"expected pixels of dtype {', '.join(DTYPES)}, got {pixels.dtype.name}: convert them first")
    if not 1 <= pixels.ndim <= 3 or pixels.size == 0:
        raise FrameError(f"expected (height, width), (channels, height, width) or a signal, got shape {pixels.shape}")
    return pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)
