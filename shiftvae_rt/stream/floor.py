"""Whose turn it is, when several live producers have more than the runtime can encode. No sockets here.

With a credit each, every producer's frame would wait behind those of all others: 16 producers, 300 ms. So only a
producer that is alone has credit ahead of its frames; the others say that rows wait (WANT), and one at a time is asked
for its newest (GRANT). Nothing then waits but in mailboxes, where it is replaced by newer frames.
"""

from __future__ import annotations

from collections import deque

from .sessions import Session

__all__ = ["Floor"]

#: A producer that sent or wanted something so recently is active.
ACTIVE_NS = 1_000_000_000
#: A producer that has the floor and does not use it loses it.
PATIENCE_NS = 100_000_000
#: Among producers whose newest rows are younger than this, or than two turns, the one that has waited longest comes
#: first. Over two turns every new frame is fresh at one choice at least, so that nobody starves whose frames always
#: come just after somebody else's; and a frame is not much older than two turns when it is sent.
FRESH_NS = 10_000_000


class Floor:
    """Hands out the one credit."""

    def __init__(self) -> None:
        self._active: dict[bytes, tuple[Session, int]] = {}
        self._wanting: dict[bytes, tuple[Session, int]] = {}
        self._served_ns: dict[bytes, int] = {}
        self._holder: tuple[Session, int] | None = None  # has the floor, since when
        self._ahead: Session | None = None  # was alone, and has credit for its next message
        self._turns_ns = deque([0, 0], maxlen=2)

    def opened(self, session: Session, now_ns: int) -> None:
        """`session` said HELLO."""
        self._allow_ahead(session, now_ns)

    def sent(self, session: Session, now_ns: int) -> None:
        """A frame message of `session` arrived; it is alone, and gets the next credit at once, or it has to want it."""
        self._active[session.peer] = session, now_ns
        self._served_ns[session.peer] = now_ns
        self._wanting.pop(session.peer, None)
        self._release(session)
        session.granted = max(session.granted, session.received)
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
        return bool(self._wanting) and (self._holder is None or now_ns - self._holder[1] >= PATIENCE_NS)

    def next(self, now_ns: int) -> Session | None:
        """Whom to tell that it may send, if anybody; it is granted one more message."""
        if not self.free(now_ns):
            return None
        fresh_s = max(FRESH_NS, now_ns - self._turns_ns[0]) / 1e9
        ages = {peer: session.clock.age_s(clock_ns, now_ns) for peer, (session, clock_ns) in self._wanting.items()}
        fresh = [peer for peer, age_s in ages.items() if age_s < fresh_s]
        if fresh:
            peer = min(fresh, key=lambda peer: self._served_ns.get(peer, 0))
        else:
            peer = min(ages, key=lambda peer: ages[peer])
        session, _ = self._wanting.pop(peer)
        self._holder = session, now_ns
        self._turns_ns.append(now_ns)
        session.granted = max(session.granted, session.received + 1)
        return session

    def _release(self, session: Session) -> None:
        if self._holder is not None and self._holder[0] is session:
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
