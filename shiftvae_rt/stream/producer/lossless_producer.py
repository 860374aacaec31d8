"""The producer of the lossless mode: every frame that was sent gets its result, once, whatever crashes.

::

    with LosslessProducer("tcp://127.0.0.1:5701", stream="run 7") as producer:
        for frame in frames[producer.wait_ready().next_seq - 1 :]:      # goes on where an earlier program was cut off
            producer.send(frame)                                        # waits while the service is behind
"""

from __future__ import annotations

import os
import uuid

from numpy.typing import ArrayLike

from ...errors import FrameError, ServiceError
from ...frame import Frame, PixelSize, as_pixel_size
from ...names import name_fault
from ..protocol.messages import Welcome
from ..protocol.wire import Counters
from ..transport.keys import read_key
from ..transport.sockets import INGEST
from .driver import Driver
from .lossless_link import LosslessLink
from .outgoing import OutgoingFrame, Source
from .producer import wire_pixels

__all__ = ["LosslessProducer"]

_HIGH_WATER_MARK = 40


class LosslessProducer:
    """Sends frames of one stream and keeps each until its outcome is on the service's disk. Thread-safe.

    Parameters
    ----------
    endpoint
        The service's ingest, ``tcp://HOST:PORT``.
    stream
        Name of the stream, 1 to 64 printable characters without blanks at its ends; it belongs to one producer, and to
        one recording in the journal.
    session
        A name that stays the same when this program is started again: it then takes over at once from its dead
        predecessor. As `stream`, without ``@``. Without it, the stream is free 2 s after that was heard last.
    series, name
        Number of the acquisition and name of the detector channel, carried along for people.
    key
        Our key file, if the service asks for one.

    Raises
    ------
    ServiceError
        for an endpoint or a name that is not one.
    KeyFileError
        for a key file that is damaged or readable by others.
    """

    def __init__(
        self,
        endpoint: str = INGEST,
        *,
        stream: str,
        session: str | None = None,
        series: int = 0,
        name: str = "",
        key: str | os.PathLike[str] | None = None,
    ) -> None:
        session = uuid.uuid4().hex if session is None else session
        fault = name_fault(session, forbidden="@")
        if fault is not None:
            raise ServiceError(f"bad name of a session: {fault}")
        self._endpoint, self._stream = endpoint, stream
        self._link = LosslessLink(Source(stream, series, name), session)
        self._driver = Driver(
            self._link, endpoint, key=read_key(key), high_water_mark=_HIGH_WATER_MARK, name=f"producer {stream}"
        )

    def __enter__(self) -> LosslessProducer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.end()
        else:
            self.leave()

    def wait_ready(self, timeout_s: float = 5.0) -> Welcome:
        """Wait up to `timeout_s` seconds until the service has welcomed us, and give its answer.

        Its ``next_seq`` is 1 + the number of frames that the service has already.

        Raises
        ------
        ServiceError
            if nobody answers in time, or the service refuses us.
        """
        link = self._link
        with link.changed:
            link.changed.wait_for(lambda: link.welcome is not None or link.failure, timeout_s)
        if link.welcome is None:
            nobody = "nobody answers there: start one with `shiftvae serve MODEL --journal FILE`"
            reason = link.failure or link.contact.last_error or nobody
            raise ServiceError(f"no lossless stream {self._stream!r} at {self._endpoint} ({reason})")
        return link.welcome

    def send(
        self,
        frame: Frame | ArrayLike,
        *,
        number: int | None = None,
        pixel_size_nm: PixelSize = None,
        timeout_s: float = 60.0,
    ) -> int:
        """Send a whole frame and return its ``seq``; waits while the service is behind. The pixels are copied.

        Parameters
        ----------
        frame
            ``(height, width)`` or ``(channels, height, width)``; a signal ``(length,)`` or ``(channels, length)``.
        number
            The acquisition's number of the frame; default: number 0.
        pixel_size_nm
            Edge of a square pixel, or ``(y, x)``, nm; default what a `Frame` says.
        timeout_s
            Longest wait for room, s.

        Raises
        ------
        ServiceError
            if there was no room in time, or the stream cannot go on.
        FrameError
            for something that is not a frame, or larger than the service takes in one message.
        """
        welcome = self.wait_ready(timeout_s)
        if isinstance(frame, Frame):
            pixel_size_nm = frame.pixel_size_nm if pixel_size_nm is None else pixel_size_nm
            frame = frame.pixels
        pixels = wire_pixels(frame)
        if pixels.nbytes > welcome.max_frame_bytes:
            raise FrameError(
                f"a lossless frame may have {welcome.max_frame_bytes} bytes, got {pixels.nbytes}: send its channels or "
                "parts as frames of their own, or send it live in bands"
            )
        outgoing = OutgoingFrame.of_rows(
            pixels, frame=0 if number is None else number, height=None, pixel_size_nm=as_pixel_size(pixel_size_nm)
        )
        seq = self._link.put(outgoing, timeout_s)
        self._driver.wake()
        return seq

    @property
    def committed(self) -> int:
        """Last ``seq`` whose outcome is on the service's disk."""
        return self._link.committed

    @property
    def counters(self) -> Counters:
        """Outcomes of the committed frames of the stream, counted; also of those that others sent before us."""
        return self._link.counters

    @property
    def last_error(self) -> str:
        """Reason why the service was lost or refused us; empty while all is well."""
        return self._link.contact.last_error

    def flush(self, timeout_s: float = 60.0) -> Counters:
        """Wait up to `timeout_s` seconds until everything that was sent is committed.

        Raises
        ------
        ServiceError
            if it is not in time.
        """
        link = self._link
        with link.changed:
            done = link.changed.wait_for(lambda: link.idle or bool(link.failure), timeout_s)
        if not done or link.failure:
            raise ServiceError(
                f"the service at {self._endpoint} committed frames up to {link.committed} only "
                f"({link.failure or link.contact.last_error or 'it is slow'}): they can be sent again, none is lost"
            )
        return link.counters

    def end(self, timeout_s: float = 60.0) -> Counters:
        """Wait up to `timeout_s` seconds until all is committed, and end the stream for good.

        Raises
        ------
        ServiceError
            if that did not happen in time: the stream is then interrupted, and can be resumed.
        """
        try:
            self.flush(timeout_s)
        finally:
            self._link.closing = self._link.idle
            self._driver.join(timeout_s if self._link.idle else 0.0)
        if self._link.contact.state != "ended":
            raise ServiceError(f"the service at {self._endpoint} did not answer END: the stream can be resumed")
        return self._link.counters

    def leave(self) -> None:
        """Go without ending the stream; frames that are not committed yet have to be sent again by a later producer."""
        self._driver.join(0.0)
