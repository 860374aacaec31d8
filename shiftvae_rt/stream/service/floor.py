"""Whose turn it is, when live producers have more than the service can encode.

With a credit each, every producer's frame would wait behind those of all others: 16 producers, 300 ms. So only a
producer that is alone has credit ahead of its frames; the others say that rows wait (WANT), and one at a time is asked
for its newest (GRANT). Nothing then waits but in mailboxes, where it is replaced by newer frames.

A GRANT takes a while to become a message. So it is said that long before the expected end of the encoding in hand: the
next message is here when that ends, and holds what was newest a moment ago. How long is learnt for each producer: its
lead grows when the service had to wait, and shrinks slowly while it does not.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from .sessions import Session

__all__ = ["Floor"]

#: A producer that sent or wanted something so recently is active.
ACTIVE_NS = 1_000_000_000
#: A producer that has the floor and does not use it loses it. It keeps the credit, gets no other, and nobody waits for
#: it again before its message comes: who says WANT and never sends costs this much once.
PATIENCE_NS = 100_000_000
#: Among producers whose newest rows are younger than this, or than two turns, the one that has waited longest comes
#: first. Over two turns every new frame is fresh at one choice at least, so that nobody starves whose frames always
#: come just after somebody else's; and a frame is not much older than two turns when it is sent.
FRESH_NS = 10_000_000
#: Longest lead, and by which part of itself it shrinks at every message that did not have to be waited for.
LONGEST_LEAD_NS = 100_000_000
SHRINK = 64


@dataclass(frozen=True)
class _Holder:
    """Who has the floor."""

    session: Session
    since_ns: int
    ahead: bool  # granted while another message was encoded


class Floor:
    """Hands out the one credit."""

    def __init__(self) -> None:
        self._active: dict[bytes, tuple[Session, int]] = {}
        self._wanting: dict[bytes, tuple[Session, int]] = {}
        self._served_ns: dict[bytes, int] = {}
        self._holder: _Holder | None = None
        self._ahead: Session | None = None  # was alone, and has credit for its next message
        self._turns_ns = deque([0, 0], maxlen=2)
        self._idle_ns: int | None = None  # since when the service has had nothing to do

    def opened(self, session: Session, now_ns: int) -> None:
        """`session` said HELLO."""
        self._allow_ahead(session, now_ns)

    def idle(self, now_ns: int) -> None:
        """The service has nothing to do."""
        self._idle_ns = now_ns if self._idle_ns is None else self._idle_ns

    def sent(self, session: Session, now_ns: int) -> None:
        """A frame message of `session` is taken in."""
        self._active[session.peer] = session, now_ns
        self._served_ns[session.peer] = now_ns
        self._wanting.pop(session.peer, None)
        self._learn_lead(session, now_ns)
        self._release(session)
        session.granted = max(session.granted, session.received)

    def answered(self, session: Session, now_ns: int) -> None:
        """The message of `session` is being answered: one that is alone gets its next credit with the answer."""
        self._allow_ahead(session, now_ns)

    def want(self, session: Session, clock_ns: int, now_ns: int) -> None:
        """`session` has rows, the newest of `clock_ns` on its own clock."""
        self._active[session.peer] = session, now_ns
        self._wanting[session.peer] = session, clock_ns

    def forget(self, session: Session) -> None:
        """The session is closed."""
        for table in (self._active, self._wanting, self._served_ns):
            table.pop(session.peer, None)
        self._release(session)

    def free(self, now_ns: int) -> bool:
        """Whether somebody wants the floor and nobody has it."""
        taken = self._holder is not None and now_ns - self._holder.since_ns < PATIENCE_NS
        return not taken and any(session.granted <= session.received for session, _ in self._wanting.values())

    def next(self, now_ns: int, busy_ns: int | None = None) -> Session | None:
        """Whom to tell that it may send, if anybody; it is granted one more message.

        Parameters
        ----------
        busy_ns
            For how long the encoding in hand is expected to go on: one whose lead is shorter is not told yet. None:
            there is none.
        """
        if not self.free(now_ns):
            return None
        session = self._choose(now_ns)
        if busy_ns is not None and busy_ns > session.lead_ns:
            return None
        del self._wanting[session.peer]
        self._holder = _Holder(session, now_ns, busy_ns is not None)
        self._turns_ns.append(now_ns)
        session.granted = session.received + 1
        return session

    def _choose(self, now_ns: int) -> Session:
        """Choose among the sessions that want the floor and have no credit."""
        fresh_s = max(FRESH_NS, now_ns - self._turns_ns[0]) / 1e9
        ages = {
            peer: session.clock.age_s(clock_ns, now_ns)
            for peer, (session, clock_ns) in self._wanting.items()
            if session.granted <= session.received
        }
        fresh = [peer for peer, age_s in ages.items() if age_s < fresh_s]
        if fresh:
            peer = min(fresh, key=lambda peer: self._served_ns.get(peer, 0))
        else:
            peer = min(ages, key=lambda peer: ages[peer])
        return self._wanting[peer][0]

    def _learn_lead(self, session: Session, now_ns: int) -> None:
        waited_ns = 0 if self._idle_ns is None else now_ns - self._idle_ns
        self._idle_ns = None
        if self._holder is None or self._holder.session is not session or not self._holder.ahead:
            return
        if waited_ns:
            session.lead_ns = min(session.lead_ns + waited_ns // 4, LONGEST_LEAD_NS)
        else:
            session.lead_ns -= session.lead_ns // SHRINK

    def _release(self, session: Session) -> None:
        if self._holder is not None and self._holder.session is session:
            self._holder = None
        if self._ahead is session:
            self._ahead = None

    def _allow_ahead(self, session: Session, now_ns: int) -> None:
        """Give `session` the credit for its next message if nobody else is active or has credit."""
        self._active = {peer: entry for peer, entry in self._active.items() if now_ns - entry[1] < ACTIVE_NS}
        others = self._active.keys() - {session.peer}
        if not others and self._holder is None and self._ahead is None:
            self._ahead = session
            session.granted = session.received + 1
