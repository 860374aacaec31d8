"""The live producer's half of the protocol: which message is next, and what an answer means.

The states are those of `contact`. Contact is also lost on GOAWAY, on an ERROR without a frame, and when a frame gets no
answer.
"""

from __future__ import annotations

import uuid

from ..protocol.clock import clock_name
from ..protocol.counters import Counters
from ..protocol.messages import (
    PROTOCOL,
    Abort,
    Ack,
    Credit,
    End,
    EndAck,
    Error,
    GoAway,
    Grant,
    Hello,
    Mode,
    Outcome,
    Pong,
    Want,
    Welcome,
    encode,
)
from ..protocol.wire import encode_array
from .contact import IN_HAND_S, SILENCE_S, Contact, Parts
from .mailbox import Mailbox

__all__ = ["LiveLink"]

#: Time after which a frame that the service has not received was lost on its way, although the service answers PING.
UNTAKEN_S = 10.0
#: Shortest time between two WANT messages.
WANT_NS = 4_000_000
_OUTCOMES: tuple[Outcome, ...] = ("processed", "dropped_stale", "rejected", "quarantined")


class LiveLink:
    """One producer's conversation with the service.

    Parameters
    ----------
    mailbox
        Where frames come from and where their outcomes go.
    mode
        See `messages.Hello`.
    silence_s
        A service that has sent nothing for this long is lost.
    """

    def __init__(self, mailbox: Mailbox, mode: Mode, *, silence_s: float = SILENCE_S) -> None:
        self._mailbox = mailbox
        self._mode: Mode = mode
        self.contact = Contact(silence_s)
        self._session = uuid.uuid4().hex
        self._earlier = Counters()  # outcomes that earlier starts of the service decided
        self._epoch = ""
        self.welcome: Welcome | None = None
        self.closing = False
        self._credit = self._sent = self._received = 0
        self._sent_ns = self._wanted_ns = self._newest_ns = 0

    def next_message(self, now_ns: int) -> Parts | None:
        """Return the message to send now, or None. Call it only when the socket can take a message."""
        if self.contact.state == "connecting":
            self.welcome = None
            return self.contact.greet(self._hello(now_ns), now_ns)
        if self.contact.state != "open":
            return None
        aborted = self._mailbox.take_aborted()
        if aborted is not None:
            return [encode(Abort(seq=aborted))]
        if self._sent < self._credit and self.welcome is not None:
            message = self._mailbox.take(self.welcome.max_frame_bytes)
            if message is not None:
                self._sent, self._sent_ns, self._wanted_ns = self._sent + 1, now_ns, 0
                return encode_array(*message)
        if self.closing and self._mailbox.idle:
            self.contact.state = "ending"
            self._mailbox.give_up()  # counts a frame that was never finished as dropped
            return [encode(End(last_seq=self._mailbox.counters().offered))]
        newest_ns = self._mailbox.newest_ns
        if self._sent >= self._credit and newest_ns > self._newest_ns and now_ns - self._wanted_ns > WANT_NS:
            self._wanted_ns, self._newest_ns = now_ns, newest_ns
            return [encode(Want(clock_ns=newest_ns))]
        return self.contact.ping(now_ns)

    def give_up(self) -> None:
        """Count every frame without an outcome as dropped: nothing more will be sent."""
        self._mailbox.give_up()
        self._mailbox.tell()

    def _hello(self, now_ns: int) -> Hello:
        return Hello(
            protocol=PROTOCOL,
            mode=self._mode,
            stream=self._mailbox.source.stream,
            session=self._session,
            first_seq=self._mailbox.first_seq,
            clock=clock_name(),
            clock_ns=now_ns,
        )

    def hear(self, parts: Parts, now_ns: int) -> None:
        """Handle one message from the service."""
        reply = self.contact.read(parts, now_ns)
        if isinstance(reply, Welcome):
            self._welcomed(reply, now_ns)
        elif isinstance(reply, Pong):
            self._credit = max(self._credit, reply.credit)
            self._received = reply.received
            if reply.answered >= self._sent and self._mailbox.in_flight:  # answers keep their order
                self.contact.lose(now_ns, "an answer from the service was lost")
        elif isinstance(reply, Grant):
            self._credit = max(self._credit, reply.credit)
        elif isinstance(reply, Credit):
            self._credit = max(self._credit, reply.credit)
            self._mailbox.taken(reply.seq)
        elif isinstance(reply, Ack):
            self._credit = max(self._credit, reply.credit)
            self._mailbox.settled(reply.seq, reply.outcome)
            if reply.outcome == "processed":
                self.contact.last_error = ""
        elif isinstance(reply, Error):
            self._refused(reply, now_ns)
        elif isinstance(reply, EndAck):
            self.contact.state = "ended"
        elif isinstance(reply, GoAway):
            self.contact.lose(now_ns, reply.text)

    def _welcomed(self, welcome: Welcome, now_ns: int) -> None:
        if self.contact.state != "greeting":
            return
        if welcome.epoch != self._epoch:
            self._epoch, self._earlier = welcome.epoch, self._mailbox.counters()
        settled = {name: getattr(self._earlier, name) + getattr(welcome.counters, name) for name in _OUTCOMES}
        self._mailbox.reconnected(welcome.next_seq, settled)
        self._credit, self._sent, self._received, self._newest_ns = welcome.credit, 0, 0, 0
        self.welcome = welcome
        self.contact.opened(now_ns)
        with self._mailbox.changed:
            self._mailbox.changed.notify_all()

    def _refused(self, error: Error, now_ns: int) -> None:
        self.contact.last_error = f"{error.name}: {error.text}"
        if error.seq is not None and error.outcome is not None:
            self._credit = max(self._credit, error.credit)
            self._mailbox.settled(error.seq, error.outcome, self.contact.last_error)
        else:
            self.contact.lose(now_ns, self.contact.last_error)

    def check(self, now_ns: int) -> None:
        """Tell of outcomes; declare contact lost if the service has fallen silent, or answers PING but not a frame."""
        self._mailbox.tell()
        self.contact.check(now_ns)
        if self.contact.state not in ("open", "ending") or not self._mailbox.in_flight:
            return
        taken = self._received >= self._sent
        limit_s = IN_HAND_S if taken else UNTAKEN_S
        if now_ns - self._sent_ns > limit_s * 1e9:
            what = "answered no frame" if taken else "taken no frame"
            self.contact.lose(now_ns, f"the service has {what} for {limit_s:.3g} s")
