"""Decides which live producer sends next, when together they offer more than the service can encode.

If every producer had credit, each frame would wait behind those of all others, which took 300 ms with 16 producers. So
only a producer that is alone has credit in advance. The others announce that rows wait (WANT), and one at a time is
granted a message for its newest rows (GRANT). Frames then wait only in mailboxes, where newer ones replace them.

The message takes a while to arrive after its GRANT. So GRANT is sent that long before the expected end of the current
encoding: the next message is there when the encoding ends, and its rows are only that much older than the newest. The
lead is learnt for each producer: it grows when the service had to wait, and shrinks slowly while it does not.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from .sessions import Session

__all__ = ["Floor"]

#: A producer is active for this long after its last frame message or WANT.
ACTIVE_NS = 1_000_000_000
#: A producer that does not use its turn for this long loses it. It keeps its credit and gets no other before it has
#: used it, so a producer that sends WANT and then no frame costs the others this much only once.
PATIENCE_NS = 100_000_000
#: Rows are fresh if they are younger than this, or than two turns. Among producers with fresh rows, the one that has
#: waited longest comes first. Within two turns every new frame is fresh at one choice at least, so a producer whose
#: frames always come just after those of another does not starve; and no frame is much older than two turns when it is
#: sent.
FRESH_NS = 10_000_000
#: Longest lead, and the divisor that gives the part by which it shrinks at every message that arrived in time.
LONGEST_LEAD_NS = 100_000_000
SHRINK = 64


@dataclass(frozen=True)
class _Holder:
    """The producer that has the floor."""

    session: Session
    since_ns: int
    ahead: bool  # granted during the encoding of another message


class Floor:
    """Gives the floor, the right to send one more message, to one live producer at a time."""

    def __init__(self) -> None:
        self._active: dict[bytes, tuple[Session, int]] = {}
        self._wanting: dict[bytes, tuple[Session, int]] = {}
        self._served_ns: dict[bytes, int] = {}
        self._holder: _Holder | None = None
        self._ahead: Session | None = None  # the producer that is alone, and has credit for its next message
        self._turns_ns = deque([0, 0], maxlen=2)  # times of the last two GRANTs
        self._idle_ns: int | None = None  # time since which the service has had nothing to do

    def opened(self, session: Session, now_ns: int) -> None:
        """Note that `session` was opened."""
        self._allow_ahead(session, now_ns)

    def idle(self, now_ns: int) -> None:
        """Note that the service has nothing to do."""
        self._idle_ns = now_ns if self._idle_ns is None else self._idle_ns

    def sent(self, session: Session, now_ns: int) -> None:
        """Note that a frame message of `session` was received."""
        self._active[session.peer] = session, now_ns
        self._served_ns[session.peer] = now_ns
        self._wanting.pop(session.peer, None)
        self._learn_lead(session, now_ns)
        self._release(session)
        session.granted = max(session.granted, session.received)

    def answered(self, session: Session, now_ns: int) -> None:
        """Note that a message of `session` is being answered; a producer that is alone gets its next credit with it."""
        self._allow_ahead(session, now_ns)

    def want(self, session: Session, clock_ns: int, now_ns: int) -> None:
        """Note that `session` has rows to send; `clock_ns` is the time of the newest on the producer's own clock."""
        self._active[session.peer] = session, now_ns
        self._wanting[session.peer] = session, clock_ns

    def forget(self, session: Session) -> None:
        """Forget a session that was closed."""
        for table in (self._active, self._wanting, self._served_ns):
            table.pop(session.peer, None)
        self._release(session)

    def free(self, now_ns: int) -> bool:
        """True if a producer wants the floor and none has it."""
        taken = self._holder is not None and now_ns - self._holder.since_ns < PATIENCE_NS
        return not taken and any(session.granted <= session.received for session, _ in self._wanting.values())

    def next(self, now_ns: int, busy_ns: int | None = None) -> Session | None:
        """Choose the producer that may send, and grant it one more message; None if it is not time for a GRANT.

        Parameters
        ----------
        busy_ns
            Time that the current encoding is expected to run on: a producer with a shorter lead must wait. None: no
            encoding is running.
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
        """Grant `session` its next message in advance if no other producer is active or has credit."""
        self._active = {peer: entry for peer, entry in self._active.items() if now_ns - entry[1] < ACTIVE_NS}
        others = self._active.keys() - {session.peer}
        if not others and self._holder is None and self._ahead is None:
            self._ahead = session
            session.granted = session.received + 1
