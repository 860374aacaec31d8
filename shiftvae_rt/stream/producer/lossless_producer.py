"""The lossless producer: every frame that is sent gets exactly one outcome, whichever process crashes.

::

    with LosslessProducer("tcp://127.0.0.1:5701", stream="run 7") as producer:
        for frame in frames[producer.wait_ready().next_seq - 1 :]:      # resumes where an earlier program stopped
            producer.send(frame)                                        # waits while the service is behind
"""

from __future__ import annotations

import os
import uuid

from numpy.typing import ArrayLike

from ...errors import FrameError, ServiceError
from ...frame import Frame, PixelSize, as_pixel_size
from ...names import name_fault
from ..protocol.counters import Counters
from ..protocol.messages import Welcome
from ..transport.keys import read_key
from ..transport.sockets import INGEST
from .driver import Driver
from .lossless_link import LosslessLink
from .outgoing import OutgoingFrame, Source
from .wire_pixels import wire_context, wire_pixels

__all__ = ["LosslessProducer"]

_HIGH_WATER_MARK = 40


class LosslessProducer:
    """Sends frames of one stream and keeps each until its outcome is on the service's disk. Thread-safe.

    Parameters
    ----------
    endpoint
        Ingest endpoint of the service, ``tcp://HOST:PORT``.
    stream
        Name of the stream: 1 to 64 printable characters, without a space at either end. One producer sends it at a
        time, and the journal holds one recording of it.
    session
        Name of this program's session, formed like `stream` and without ``@``. A program that is started again with the
        same name takes over from its dead predecessor at once; default: a random name, which takes over after 2 s.
    series, name
        Number of the acquisition and name of the detector channel; passed on to the readers.
    key
        The client's key file, if the service requires one.

    Raises
    ------
    ServiceError
        for an invalid endpoint or name.
    KeyFileError
        for a key file that is damaged or readable by other users.
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
        """Wait up to `timeout_s` seconds for the service's WELCOME, and return it.

        Its ``next_seq`` is 1 + the number of frames that are committed already.

        Raises
        ------
        ServiceError
            if there is no answer in time, or the service refuses the stream.
        """
        link = self._link
        with link.changed:
            link.changed.wait_for(lambda: link.welcome is not None or link.failure, timeout_s)
        if link.welcome is None:
            silent = "no answer: start one with `shiftvae serve MODEL --journal FILE`"
            reason = link.failure or link.contact.last_error or silent
            raise ServiceError(f"no lossless stream {self._stream!r} at {self._endpoint} ({reason})")
        return link.welcome

    def send(
        self,
        frame: Frame | ArrayLike,
        *,
        number: int | None = None,
        pixel_size_nm: PixelSize = None,
        context: str = "",
        timeout_s: float = 60.0,
    ) -> int:
        """Send a whole frame and return its ``seq``; waits while the service is behind. The pixels are copied.

        Parameters
        ----------
        frame
            ``(height, width)`` or ``(channels, height, width)``; a signal ``(length,)`` or ``(channels, length)``.
        number
            The acquisition's number of the frame; default 0.
        pixel_size_nm
            Edge of a square pixel, or ``(y, x)``, nm; default: that of a `Frame`.
        context
            Text of at most 1024 bytes that comes back with the result.
        timeout_s
            Longest wait for room, s.

        Raises
        ------
        ServiceError
            if there was no room in time, or the stream cannot go on.
        FrameError
            for an array that is no frame, or is larger than the service takes in one message.
        """
        welcome = self.wait_ready(timeout_s)
        if isinstance(frame, Frame):
            pixel_size_nm = frame.pixel_size_nm if pixel_size_nm is None else pixel_size_nm
            frame = frame.pixels
        pixels = wire_pixels(frame)
        if pixels.nbytes > welcome.max_frame_bytes:
            raise FrameError(
                f"a lossless frame may have at most {welcome.max_frame_bytes} bytes, got {pixels.nbytes}: send its "
                "channels or parts as frames of their own, or send it in bands in live mode"
            )
        outgoing = OutgoingFrame.of_rows(
            pixels,
            frame=0 if number is None else number,
            height=None,
            pixel_size_nm=as_pixel_size(pixel_size_nm),
            context=wire_context(context),
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
        """Counts of the committed frames of the stream by outcome, those of earlier producers included."""
        return self._link.counters

    @property
    def last_error(self) -> str:
        """Reason for the last loss of the service or its last refusal; empty while the session is open."""
        return self._link.contact.last_error

    def flush(self, timeout_s: float = 60.0) -> Counters:
        """Wait up to `timeout_s` seconds until everything that was sent is committed.

        Raises
        ------
        ServiceError
            if that does not happen in time.
        """
        link = self._link
        with link.changed:
            done = link.changed.wait_for(lambda: link.idle or bool(link.failure), timeout_s)
        if not done or link.failure:
            raise ServiceError(
                f"the service at {self._endpoint} committed frames only up to {link.committed} "
                f"({link.failure or link.contact.last_error or 'it is slow'}): send the later ones again, none is lost"
            )
        return link.counters

    def end(self, timeout_s: float = 60.0) -> Counters:
        """Wait up to `timeout_s` seconds until every frame is committed, and end the stream for good.

        Raises
        ------
        ServiceError
            if that does not happen in time: the stream is then interrupted, and can be resumed.
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
        """Disconnect without ending the stream. A later producer must send the uncommitted frames again."""
        self._driver.join(0.0)
