"""Who is connected to the service: one session for each producer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ..protocol.clock import SenderClock
from ..protocol.messages import PROTOCOL, Error, Hello
from .accounting import Account, Ledger
from .scan import Scan

__all__ = ["Session", "Sessions"]

#: Producers at once. Each may hold one frame on its way to us, which bounds the memory.
MAX_SESSIONS = 64
#: A producer pings every 0.5 s; after this long without a word its stream is free for another.
SILENCE_NS = 2_000_000_000


@dataclass
class Session:
    """One producer that said HELLO."""

    peer: bytes  # its address on the ROUTER socket
    hello: Hello
    account: Account
    clock: SenderClock
    heard_ns: int
    scan: Scan = field(default_factory=Scan)
    received: int = 0  # frame messages taken in since HELLO; the last of them may be in hand
    waiting: int = 0  # frame messages that are here and wait until what came before is done
    answered: int = 0  # those whose answer was sent
    granted: int = 0  # frame messages that the producer may have sent since HELLO
    lead_ns: int = 2_000_000  # from a GRANT until its message is here; see `floor`
    recording: str = ""  # name of its results in the journal, if they are kept


class Sessions:
    """The producers of the moment, each stream with one at most.

    Parameters
    ----------
    ledger
        Keeps the accounts, also of sessions that ended.

    Attributes
    ----------
    closed
        Called with every session that is closed, after it is.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.closed: Callable[[Session], None] = lambda _: None
        self._by_peer: dict[bytes, Session] = {}

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._by_peer.values()))

    def __len__(self) -> int:
        return len(self._by_peer)

    def find(self, peer: bytes, now_ns: int) -> Session | None:
        """The session of `peer`, who was just heard; None before its HELLO."""
        session = self._by_peer.get(peer)
        if session is not None:
            session.heard_ns = now_ns
        return session

    def open(self, peer: bytes, hello: Hello, now_ns: int, first_seq: int | None = None) -> Session | Error:
        """Open the session that `hello` asks for, or say why not. `first_seq`: of a lossless stream, by its journal.

        The same session on a new connection goes on with its account; what it had in hand is abandoned.
        """
        if hello.protocol != PROTOCOL:
            text = f"expected protocol {PROTOCOL}, got {hello.protocol}: update the older side"
            return Error(name="protocol_mismatch", text=text, credit=0)
        for other in self:
            if other.hello.stream != hello.stream and other.peer != peer:
                continue
            if other.hello.session != hello.session and other.peer != peer and now_ns - other.heard_ns < SILENCE_NS:
                text = f"stream {hello.stream!r} has a live producer already: choose another name or stop that one"
                return Error(name="stream_busy", text=text, credit=0)
            self.close(other)
        if len(self) >= MAX_SESSIONS:
            text = f"{MAX_SESSIONS} producers are connected already: stop one"
            return Error(name="too_many_streams", text=text, credit=0)
        if first_seq is None:
            account = self._ledger.account(hello.stream, hello.session, hello.first_seq)
        else:  # one account for all its producers: the journal decides what comes next
            account = self._ledger.account(hello.stream, "lossless", first_seq)
        account.abandon()
        session = Session(peer, hello, account, SenderClock(hello.clock, hello.clock_ns, now_ns), now_ns)
        self._by_peer[peer] = session
        return session

    def close(self, session: Session) -> None:
        """Forget the producer; the frame in hand counts as dropped by it. The account stays in the ledger."""
        session.account.abandon()
        session.account.in_use = False
        del self._by_peer[session.peer]
        self.closed(session)

    def expire(self, now_ns: int) -> None:
        """Close the sessions of producers that have vanished. Call it when all that they sent has been read."""
        for session in self:
            if now_ns - session.heard_ns > SILENCE_NS:
                self.close(session)
