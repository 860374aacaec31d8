"""The producer's half of the protocol: what to say next, and what an answer means. No sockets here.

::

    connecting --HELLO--> greeting --WELCOME--> open --END--> ending --END_ACK--> ended
         ^                    |                  |              |
         +--------------------+---- lost --------+--------------+

A link is lost when its connection ends, or the runtime falls silent, says GOAWAY or ERROR unknown_session, or refuses
the HELLO. A lost link begins again on a NEW socket, so that no answer to the old one can be taken for one to the new.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from ..errors import WireError
from .clock import clock_name
from .keys import REFUSED
from .mailbox import Mailbox
from .messages import (
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
    Ping,
    Pong,
    Want,
    Welcome,
    decode_reply,
    encode,
)
from .wire import Counters, encode_array

__all__ = ["PING_NS", "RETRY_NS", "SILENCE_S", "Link", "Parts"]

Parts: TypeAlias = Sequence[bytes | memoryview]

PING_NS = 500_000_000
RETRY_NS = 500_000_000
#: The runtime answers PING also between the bands of a long encoding; a healthy one is never silent for so long.
SILENCE_S = 2.2
#: An encoding that takes longer is ended by the runtime's watchdog.
UNANSWERED_S = 10.0
#: A waiting producer says at most so often that it has something newer.
WANT_NS = 4_000_000
_OUTCOMES: tuple[Outcome, ...] = ("processed", "dropped_stale", "rejected", "quarantined")


class Link:
    """One producer's conversation with the runtime.

    Parameters
    ----------
    mailbox
        Where frames come from and where their outcomes go.
    mode
        See `messages.Hello`.
    silence_s
        A runtime that has said nothing for so long is lost.
    """

    def __init__(self, mailbox: Mailbox, mode: Mode, *, silence_s: float = SILENCE_S) -> None:
        self._mailbox = mailbox
        self._mode: Mode = mode
        self._silence_ns = int(silence_s * 1e9)
        self._session = uuid.uuid4().hex
        self._earlier = Counters()  # settled by runtimes of earlier epochs
        self._epoch = ""
        self.welcome: Welcome | None = None
        self.last_error = ""
        self.closing = False
        self.state: Literal["connecting", "greeting", "open", "lost", "ending", "ended"] = "connecting"
        self._credit = self._sent = 0
        self.lost_ns: int | None = None  # since when there has been no session; None while there is one
        self._heard_ns = self._said_ns = self._sent_ns = self._retry_ns = self._wanted_ns = self._newest_ns = 0

    def reopen(self, now_ns: int) -> bool:
        """Begin again on a new socket, if it is time to. False: not yet."""
        if now_ns < self._retry_ns:
            return False
        self.state, self.welcome = "connecting", None
        return True

    def next_message(self, now_ns: int) -> Parts | None:
        """What to send now, or None. The caller has made sure that the socket takes it."""
        if self.state == "connecting":
            self.state, self._heard_ns = "greeting", now_ns
            return [encode(self._hello(now_ns))]
        if self.state != "open":
            return None
        aborted = self._mailbox.take_aborted()
        if aborted is not None:
            return [encode(Abort(seq=aborted))]
        if self._sent < self._credit and self.welcome is not None:
            message = self._mailbox.take(self.welcome.max_frame_bytes)
            if message is not None:
                self._sent, self._sent_ns = self._sent + 1, now_ns
                return encode_array(*message)
        if self.closing and self._mailbox.idle:
            self.state = "ending"
            self._mailbox.give_up()  # a frame that was never finished
            return [encode(End(last_seq=self._mailbox.counters().offered))]
        newest_ns = self._mailbox.newest_ns
        if self._sent >= self._credit and newest_ns > self._newest_ns and now_ns - self._wanted_ns > WANT_NS:
            self._wanted_ns, self._newest_ns = now_ns, newest_ns
            return [encode(Want(clock_ns=newest_ns))]
        if now_ns - self._said_ns >= PING_NS:
            self._said_ns = now_ns
            return [encode(Ping(clock_ns=now_ns))]
        return None

    def refused(self) -> None:
        """The runtime does not accept our key, or asks for one that we do not have. ZeroMQ goes on trying."""
        self.last_error = REFUSED

    def give_up(self) -> None:
        """Nothing more will be said; what has no outcome counts as dropped."""
        self._mailbox.give_up()

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

    def hear(self, parts: Sequence[bytes | memoryview], now_ns: int) -> None:
        """Take in one message of the runtime."""
        self._heard_ns = now_ns
        try:
            if len(parts) != 1:
                raise WireError(f"an answer has one part, got {len(parts)}")
            reply: Any = decode_reply(parts[0])
        except WireError as error:
            self._lose(now_ns, f"the runtime sent something that is not protocol {PROTOCOL}: {error}")
            return
        if isinstance(reply, Welcome):
            self._welcomed(reply, now_ns)
        elif isinstance(reply, Pong):
            self._credit = max(self._credit, reply.credit)
            if reply.received >= self._sent and self._mailbox.in_flight:  # answers keep their order
                self._lose(now_ns, "an answer of the runtime was lost")
        elif isinstance(reply, Grant):
            self._credit = max(self._credit, reply.credit)
        elif isinstance(reply, Credit):
            self._credit = max(self._credit, reply.credit)
            self._mailbox.taken(reply.seq)
        elif isinstance(reply, Ack):
            self._credit = max(self._credit, reply.credit)
            self._mailbox.settled(reply.seq, reply.outcome)
        elif isinstance(reply, Error):
            self._refused(reply, now_ns)
        elif isinstance(reply, EndAck):
            self.state = "ended"
        elif isinstance(reply, GoAway):
            self._lose(now_ns, reply.text)

    def _welcomed(self, welcome: Welcome, now_ns: int) -> None:
        if self.state != "greeting":
            return
        if welcome.epoch != self._epoch:
            self._epoch, self._earlier = welcome.epoch, self._mailbox.counters()
        settled = {name: getattr(self._earlier, name) + getattr(welcome.counters, name) for name in _OUTCOMES}
        self._mailbox.reconnected(welcome.next_seq, settled)
        self._credit, self._sent, self._said_ns, self._newest_ns = welcome.credit, 0, now_ns, 0
        self.welcome, self.last_error, self.state, self.lost_ns = welcome, "", "open", None
        with self._mailbox.changed:
            self._mailbox.changed.notify_all()

    def _refused(self, error: Error, now_ns: int) -> None:
        self.last_error = f"{error.name}: {error.text}"
        if error.seq is not None and error.outcome is not None:
            self._credit = max(self._credit, error.credit)
            self._mailbox.settled(error.seq, error.outcome)
        else:
            self._lose(now_ns, self.last_error)

    def check(self, now_ns: int) -> None:
        """Lose a link whose runtime has fallen silent, or talks but does not answer a frame."""
        if self.state not in ("greeting", "open", "ending"):
            return
        if now_ns - self._heard_ns > self._silence_ns:
            self._lose(now_ns, f"the runtime has been silent for {self._silence_ns / 1e9:.3g} s")
        elif self.state != "greeting" and self._mailbox.in_flight and now_ns - self._sent_ns > UNANSWERED_S * 1e9:
            self._lose(now_ns, f"the runtime has not answered a frame for {UNANSWERED_S:.3g} s")

    def disconnected(self, now_ns: int) -> None:
        """The connection ended: lose a link that used it. ZeroMQ would connect again, but our session is gone."""
        if self.state in ("greeting", "open", "ending"):
            self._lose(now_ns, "the connection to the runtime ended")

    def _lose(self, now_ns: int, reason: str) -> None:
        self.last_error = reason
        self.state = "lost"
        self.lost_ns = now_ns if self.lost_ns is None else self.lost_ns
        self._retry_ns = now_ns + RETRY_NS
