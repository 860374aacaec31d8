"""Handles the messages of producers: sessions, turns, frames in live and lossless mode.

::

    one message -> HELLO, PING, WANT, ABORT, END      -> session -> answer
                -> header and buffer -> live intake     -> answer
                                     -> lossless intake -> answer when its group is committed
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...errors import WireError
from ..protocol.clock import monotonic_ns
from ..protocol.counters import Counters
from ..protocol.messages import (
    PROTOCOL,
    Abort,
    Credit,
    EndAck,
    Error,
    GoAway,
    Grant,
    Hello,
    Ping,
    Pong,
    Reply,
    Request,
    Want,
    Welcome,
    decode_request,
)
from ..protocol.wire import MAX_FRAME_BYTES, FrameHeader, decode_frame_header
from .encoding import Encoding
from .floor import Floor
from .live_intake import LiveIntake
from .lossless_intake import WINDOW_BYTES, WINDOW_FRAMES, LosslessIntake
from .sessions import Session, Sessions

__all__ = ["Producers"]


class Producers:
    """The conversations with all connected producers.

    Parameters
    ----------
    sessions, floor, encoding
        The open sessions, the turns, and the model that WELCOME describes.
    live, lossless
        Handle the frames of each mode; `lossless` is None without a journal.
    answer
        Sends an answer to a peer, without waiting for a peer that does not read.
    epoch
        Name of this start of the service.
    """

    def __init__(
        self,
        sessions: Sessions,
        floor: Floor,
        *,
        encoding: Encoding,
        live: LiveIntake,
        lossless: LosslessIntake | None,
        answer: Callable[[bytes, Reply], None],
        epoch: str,
    ) -> None:
        self._sessions, self._floor, self._encoding = sessions, floor, encoding
        self._live, self._lossless = live, lossless
        self._answer, self._epoch = answer, epoch
        self.malformed = 0

    def hear(self, peer: bytes, parts: Sequence[memoryview]) -> None:
        """Handle one message and answer it; a lossless frame is answered later."""
        try:
            if len(parts) == 1:
                reply = self._request(peer, decode_request(parts[0]))
            elif len(parts) == 2:
                reply = self._frame(peer, decode_frame_header(parts[0]), parts[1])
            else:
                raise WireError(f"expected one part (control) or two (header and buffer), got {len(parts)}")
        except WireError as error:
            self.malformed += 1
            session = self._sessions.find(peer, monotonic_ns())
            reply = Error(name="bad_message", text=str(error), credit=0 if session is None else session.granted)
        if reply is not None:
            self._answer(peer, reply)

    def hear_brief(self, peer: bytes, parts: Sequence[memoryview]) -> bool:
        """Handle a PING or WANT, which may overtake earlier messages.

        False for any other message, which `hear` must handle in its turn. A frame that waits for that counts as
        received.
        """
        if len(parts) != 1:
            session = self._sessions.find(peer, monotonic_ns())
            if session is not None and len(parts) == 2:
                session.waiting += 1
            return False
        try:
            request = decode_request(parts[0])
        except WireError:
            return False
        if not isinstance(request, Ping | Want):
            return False
        reply = self._request(peer, request)
        if reply is not None:
            self._answer(peer, reply)
        return True

    def commit(self, *, idle: bool) -> None:
        """Commit the lossless frames if a group is due or the service is `idle`, and answer their producers."""
        if self._lossless is not None and (idle or self._lossless.due):
            self._flush()
        self._live.commit()

    def expire(self) -> None:
        """Close the sessions of producers that have vanished. Call it when no message waits."""
        self._sessions.expire(monotonic_ns())

    @property
    def floor_is_free(self) -> bool:
        """True if a producer waits for its turn and could have it now."""
        return self._floor.free(monotonic_ns())

    def give_turn(self, busy_s: float | None = None) -> None:
        """Send GRANT to the producer whose turn it is, unless it is too early.

        It is too early while the current encoding runs on for `busy_s` and the producer's message needs less time to
        arrive. None: no encoding is running.
        """
        session = self._floor.next(monotonic_ns(), None if busy_s is None else round(busy_s * 1e9))
        if session is not None:
            self._answer(session.peer, Grant(credit=session.granted))

    def idle(self) -> None:
        """Note that the service has nothing to do."""
        self._floor.idle(monotonic_ns())

    def dismiss(self) -> None:
        """Commit, close every session, and send the producers GOAWAY with their final counters."""
        self._flush()
        for session in self._sessions:
            self._sessions.close(session)  # the frame in hand gets its outcome
            counters = self._counters(session)
            self._answer(session.peer, GoAway(epoch=self._epoch, text="the service was stopped", counters=counters))

    def _frame(self, peer: bytes, header: FrameHeader, buffer: memoryview) -> Reply | None:
        session = self._sessions.find(peer, monotonic_ns())
        if session is None:
            return _unknown_session()
        session.waiting = max(0, session.waiting - 1)
        if session.hello.mode == "lossless" and self._lossless is not None:
            return self._lossless.frame(session, header, buffer)
        reply = self._live.frame(session, header, buffer)
        session.answered = session.received  # nothing is heard between here and the answer
        return reply

    def _request(self, peer: bytes, request: Request) -> Reply | None:
        now_ns = monotonic_ns()
        if isinstance(request, Hello):
            return self._hello(peer, request, now_ns)
        session = self._sessions.find(peer, now_ns)
        if session is None:
            return _unknown_session()
        if isinstance(request, Ping):
            session.clock.hear(request.clock_ns, now_ns)
            return Pong(
                epoch=self._epoch,
                credit=session.granted,
                received=session.received + session.waiting,
                answered=session.answered,
                counters=self._counters(session),
                clock_ns=request.clock_ns,
            )
        if isinstance(request, Want):
            self._floor.want(session, request.clock_ns, now_ns)
            return None
        if isinstance(request, Abort):
            if session.account.open_seq == request.seq:
                session.account.abandon()
                session.scan.drop()
            return Credit(credit=session.granted, seq=request.seq)
        if session.hello.mode == "lossless" and self._lossless is not None:
            self._flush()
            reply = self._lossless.end(session, request.last_seq, self._epoch)
        else:
            session.account.end(request.last_seq)
            self._live.ended(session)
            reply = EndAck(epoch=self._epoch, counters=session.account.counters())
        if isinstance(reply, EndAck):
            self._sessions.close(session)
        return reply

    def _hello(self, peer: bytes, hello: Hello, now_ns: int) -> Reply:
        if self._sessions.find(peer, now_ns) is not None:
            text = "this connection has a session already: send HELLO once on each socket"
            return Error(name="bad_message", text=text, credit=0)
        first_seq, last_model = None, ""
        if hello.mode == "lossless":
            if self._lossless is None:
                return Error(name="no_journal", text="this service keeps no journal: start it with --journal", credit=0)
            self._flush()
            opened = self._lossless.open(hello)
            if isinstance(opened, Error):
                return opened
            state, last_model = opened
            first_seq = state.last_seq + 1
        session = self._sessions.open(peer, hello, now_ns, first_seq)
        if isinstance(session, Error):
            return session
        if first_seq is None:
            self._floor.opened(session, now_ns)
        else:
            session.granted = WINDOW_FRAMES
        mapper = self._encoding.mapper
        return Welcome(
            protocol=PROTOCOL,
            epoch=self._epoch,
            credit=session.granted,
            credit_bytes=WINDOW_BYTES if first_seq is not None else MAX_FRAME_BYTES,
            next_seq=session.account.next_seq,
            max_frame_bytes=MAX_FRAME_BYTES,
            counters=self._counters(session),
            model_sha256=mapper.model.sha256,
            last_model_sha256=last_model,
            dimensions=mapper.model.manifest.dimensions,
            channels=mapper.model.manifest.channels,
            window=mapper.model.manifest.window,
        )

    def _counters(self, session: Session) -> Counters:
        if session.hello.mode == "lossless" and self._lossless is not None:
            return self._lossless.counters(session.hello.stream)
        return session.account.counters()

    def _flush(self) -> None:
        if self._lossless is not None:
            for session, reply in self._lossless.flush():
                self._answer(session.peer, reply)


def _unknown_session() -> Error:
    return Error(name="unknown_session", text="this connection has no session: send HELLO first", credit=0)
