"""The lossless producer's half of the protocol: send ahead, keep what is not committed, go back after a loss.

The states are those of `contact`. Every frame stays here until the service reports that its outcome is on disk. WELCOME
names the next frame, and every frame from there on is sent again; the service drops those that it has already.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections import deque
from typing import Any

from numpy.typing import NDArray

from ...errors import ServiceError
from ..protocol.counters import Counters
from ..protocol.messages import (
    PROTOCOL,
    Committed,
    End,
    EndAck,
    Error,
    ErrorName,
    GoAway,
    Hello,
    Pong,
    Welcome,
    encode,
    other_model_text,
)
from ..protocol.wire import FrameHeader, encode_array
from .contact import IN_HAND_S, Contact, Parts
from .outgoing import OutgoingFrame, Source

__all__ = ["LosslessLink"]

#: Time after which frames that the service has not received were lost on their way, although it answers PING.
PROGRESS_S = 5.0
_log = logging.getLogger(__name__)
_FATAL: tuple[ErrorName, ...] = ("protocol_mismatch", "no_journal", "stream_ended")


class LosslessLink:
    """One lossless stream's conversation with the service; `put` and the properties are for other threads.

    Parameters
    ----------
    source, session
        Stream and channel of the frames, and the name of this producer's session. A later producer with the same
        session takes over at once.
    """

    def __init__(self, source: Source, session: str) -> None:
        self._source, self._session = source, session
        self.changed = threading.Condition()
        self.contact = Contact()
        self.welcome: Welcome | None = None
        self.next_seq: int | None = None  # ``seq`` of the next frame that is put; None before the first WELCOME
        self.committed = 0
        self.counters = Counters()
        self.closing = self._said_end = False
        self.failure = ""
        self._unacknowledged: deque[tuple[FrameHeader, NDArray[Any]]] = deque()
        self._ahead = 0  # number of unacknowledged frames that were sent on this connection
        self._ahead_bytes = 0
        self._credit = self._sent = self._received = self._answered = 0
        self._progress_ns = 0

    def put(self, frame: OutgoingFrame, timeout_s: float) -> int:
        """Queue a whole frame and return the ``seq`` that it gets; waits for room.

        Raises
        ------
        ServiceError
            if there is no room in time, or the stream cannot go on.
        """
        with self.changed:
            if not self.changed.wait_for(lambda: self.failure or self._room(frame.pixels.nbytes), timeout_s):
                reason = self.contact.last_error or "it is slower than the producer"
                raise ServiceError(
                    f"the service took no frame of stream {self._source.stream!r} in {timeout_s:.3g} s ({reason})"
                )
            if self.failure or self.next_seq is None:
                raise ServiceError(self.failure)
            frame.seq, self.next_seq = self.next_seq, self.next_seq + 1
            self._unacknowledged.append(frame.message(self._source, 0, frame.height))
            return frame.seq

    def _room(self, nbytes: int) -> bool:
        if self.next_seq is None or self.welcome is None:
            return False
        waiting = sum(pixels.nbytes for _, pixels in self._unacknowledged)
        window = self.welcome.credit
        return not self._unacknowledged or (
            len(self._unacknowledged) < window and waiting + nbytes <= self.welcome.credit_bytes
        )

    @property
    def idle(self) -> bool:
        """True when every frame is committed."""
        with self.changed:
            return not self._unacknowledged

    def next_message(self, now_ns: int) -> Parts | None:
        """Return the message to send now, or None. Call it only when the socket can take a message."""
        if self.contact.state == "connecting":
            return self.contact.greet(self._hello(now_ns), now_ns)
        if self.contact.state != "open":
            return None
        with self.changed:
            message = self._next_frame()
        if message is not None:
            if self._ahead == 1:
                self._progress_ns = now_ns
            self._sent += 1
            return encode_array(*message)
        if self.closing and self.idle:
            self.contact.state, self._said_end = "ending", True
            return [encode(End(last_seq=(self.next_seq or 1) - 1))]
        return self.contact.ping(now_ns)

    def _next_frame(self) -> tuple[FrameHeader, NDArray[Any]] | None:
        if self._ahead >= len(self._unacknowledged) or self._sent >= self._credit or self.welcome is None:
            return None
        message = next(itertools.islice(self._unacknowledged, self._ahead, None))
        nbytes = message[1].nbytes
        if self._ahead and self._ahead_bytes + nbytes > self.welcome.credit_bytes:
            return None
        self._ahead, self._ahead_bytes = self._ahead + 1, self._ahead_bytes + nbytes
        return message

    def _hello(self, now_ns: int) -> Hello:
        return Hello(
            protocol=PROTOCOL,
            mode="lossless",
            stream=self._source.stream,
            session=self._session,
            first_seq=1,
            clock="",
            clock_ns=now_ns,
        )

    def hear(self, parts: Parts, now_ns: int) -> None:
        """Handle one message from the service."""
        if self.contact.state == "lost":  # it was on its way when the connection was given up
            return
        reply = self.contact.read(parts, now_ns)
        if isinstance(reply, Welcome):
            self._welcomed(reply, now_ns)
        elif isinstance(reply, Committed):
            self._credit, self.counters = max(self._credit, reply.credit), reply.counters
            self._forget(reply.committed, now_ns)
        elif isinstance(reply, Pong):
            self._heard_pong(reply, now_ns)
        elif isinstance(reply, Error):
            text = f"{reply.name}: {reply.text}"
            if reply.name == "stream_ended" and self._said_end:  # only the answer to our END was lost
                self.contact.state = "ended"
                self._wake()
            elif reply.name in _FATAL:
                self._fail(now_ns, text)
            else:
                self.contact.lose(now_ns, text)
        elif isinstance(reply, EndAck):
            self.counters, self.contact.state = reply.counters, "ended"
            self._wake()
        elif isinstance(reply, GoAway):
            self.contact.lose(now_ns, reply.text)

    def _heard_pong(self, pong: Pong, now_ns: int) -> None:
        self._answered = pong.answered
        if pong.received > self._received:
            self._received, self._progress_ns = pong.received, now_ns
        if pong.answered >= self._sent and self._ahead:  # answers keep their order
            self.contact.lose(now_ns, "an answer from the service was lost")

    def _welcomed(self, welcome: Welcome, now_ns: int) -> None:
        if self.contact.state != "greeting":
            return
        with self.changed:
            expected = None if self.next_seq is None else range(self.committed + 1, self.next_seq + 1)
            self.next_seq = welcome.next_seq if self.next_seq is None else self.next_seq
            self._ahead = self._ahead_bytes = self._sent = self._received = self._answered = 0
            self._credit, self.counters = welcome.credit, welcome.counters
            self.welcome, self._progress_ns = welcome, now_ns
        if welcome.last_model_sha256 not in ("", welcome.model_sha256):
            stream, last_seq = self._source.stream, welcome.next_seq - 1
            _log.warning("%s", other_model_text(stream, last_seq, welcome.last_model_sha256, welcome.model_sha256))
        self.contact.opened(now_ns)
        if expected is not None and welcome.next_seq not in expected:
            text = (
                f"stream {self._source.stream!r} goes on at frame {welcome.next_seq}, expected {expected[0]} to "
                f"{expected[-1]}: another producer sent to it, or the service has another journal"
            )
            self._fail(now_ns, text)
        else:
            self._forget(welcome.next_seq - 1, now_ns)

    def _forget(self, committed: int, now_ns: int) -> None:
        """Drop the frames up to `committed`: they are on the service's disk."""
        with self.changed:
            while self._unacknowledged and self._unacknowledged[0][0].seq <= committed:
                _, pixels = self._unacknowledged.popleft()
                if self._ahead:
                    self._ahead, self._ahead_bytes = self._ahead - 1, self._ahead_bytes - pixels.nbytes
                    self._received = max(self._received, self._sent - self._ahead)
            if committed > self.committed:
                self.committed, self._progress_ns = committed, now_ns
            self.changed.notify_all()

    def check(self, now_ns: int) -> None:
        """Declare contact lost if the service has fallen silent, or answers PING but takes no frames."""
        self.contact.check(now_ns)
        if self.contact.state not in ("open", "ending"):  # progress counts from WELCOME on
            return
        without_s = (now_ns - self._progress_ns) / 1e9
        working = self._received > self._answered  # the service encodes a frame of this stream, which may be large
        if self._sent > self._received and not working and without_s > PROGRESS_S:
            self.contact.lose(now_ns, f"the service has taken no frame for {PROGRESS_S:.3g} s")
        elif self._ahead and without_s > IN_HAND_S:
            self.contact.lose(now_ns, f"the service has committed nothing for {IN_HAND_S:.3g} s")

    def give_up(self) -> None:
        """Wake the threads that wait: nothing more will be sent."""
        if self.contact.state != "ended":
            self.failure = self.failure or "the producer is closed: make a new one"
        self._wake()

    def _fail(self, now_ns: int, reason: str) -> None:
        """Declare contact lost for good, because the stream cannot go on, and wake the threads that wait."""
        self.failure = reason
        self.contact.lose(now_ns, reason, for_good=True)
        self._wake()

    def _wake(self) -> None:
        with self.changed:
            self.changed.notify_all()
