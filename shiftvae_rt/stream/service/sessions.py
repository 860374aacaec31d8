"""The connected producers: one session for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ..protocol.clock import SenderClock
from ..protocol.messages import PROTOCOL, Error, Hello
from .accounting import Account, Ledger
from .scan import Scan

__all__ = ["Session", "Sessions"]

#: Most producers at once. It bounds the memory, because each may have a frame on its way.
MAX_SESSIONS = 64
#: Silence after which a session is closed and its stream is free for another producer; PING comes every 0.5 s.
SILENCE_NS = 2_000_000_000


@dataclass
class Session:
    """One producer that has sent HELLO."""

    peer: bytes  # address of the producer on the ROUTER socket
    hello: Hello
    account: Account
    clock: SenderClock
    heard_ns: int
    scan: Scan = field(default_factory=Scan)
    received: int = 0  # number of frame messages since HELLO; the last may still be encoded
    waiting: int = 0  # number of frame messages that arrived and wait behind earlier messages
    answered: int = 0  # number of frame messages that were answered
    granted: int = 0  # number of frame messages that the producer may have sent since HELLO
    lead_ns: int = 2_000_000  # time from a GRANT to the arrival of its message; see `floor`
    recording: str = ""  # name of the recording in the journal, if there is one


class Sessions:
    """The open sessions, at most one for each stream.

    Parameters
    ----------
    ledger
        Keeps the accounts, also those of closed sessions.
    closed
        Called with every session after it was closed.
    """

    def __init__(self, ledger: Ledger, closed: Callable[[Session], None]) -> None:
        self._ledger, self._closed = ledger, closed
        self._by_peer: dict[bytes, Session] = {}

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._by_peer.values()))

    def __len__(self) -> int:
        return len(self._by_peer)

    def find(self, peer: bytes, now_ns: int) -> Session | None:
        """Return the session of `peer`, of which a message just arrived; None before its HELLO."""
        session = self._by_peer.get(peer)
        if session is not None:
            session.heard_ns = now_ns
        return session

    def open(self, peer: bytes, hello: Hello, now_ns: int, first_seq: int | None = None) -> Session | Error:
        """Open the session that `hello` requests, or return the error why not.

        `first_seq` is the next frame of a lossless stream by its journal, None in live mode. A known session on a new
        connection keeps its account; the frame that it had in hand is abandoned.
        """
        if hello.protocol != PROTOCOL:
            text = f"expected protocol {PROTOCOL}, got {hello.protocol}: update the older side"
            return Error(name="protocol_mismatch", text=text, credit=0)
        for other in self:
            if other.hello.stream != hello.stream and other.peer != peer:
                continue
            if other.hello.session != hello.session and other.peer != peer and now_ns - other.heard_ns < SILENCE_NS:
                text = f"stream {hello.stream!r} has a producer already: choose another name, or stop that producer"
                return Error(name="stream_busy", text=text, credit=0)
            self.close(other)
        if len(self) >= MAX_SESSIONS:
            text = f"{MAX_SESSIONS} producers are connected already: stop one"
            return Error(name="too_many_streams", text=text, credit=0)
        if first_seq is None:
            account = self._ledger.account(hello.stream, hello.session, hello.first_seq)
        else:  # one account for all producers of the stream: the journal decides which frame is next
            account = self._ledger.account(hello.stream, "lossless", first_seq)
        account.abandon()
        session = Session(peer, hello, account, SenderClock(hello.clock, hello.clock_ns, now_ns), now_ns)
        self._by_peer[peer] = session
        return session

    def close(self, session: Session) -> None:
        """Close a session; the frame in hand counts as dropped by the producer. The account stays in the ledger."""
        session.account.abandon()
        session.account.in_use = False
        del self._by_peer[session.peer]
        self._closed(session)

    def expire(self, now_ns: int) -> None:
        """Close the sessions of producers that have vanished. Call it when no message waits."""
        for session in self:
            if now_ns - session.heard_ns > SILENCE_NS:
                self.close(session)
