"""The service: frames and rows in, latent maps out, every frame accounted for.

The whole flow, one message at a time on one thread::

    ingest ROUTER -> header -> session, account -> too old? -> encode -> publish on XPUB -> answer the producer
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from typing import TYPE_CHECKING, Literal

import zmq

from ..errors import FrameError, PixelSizeError, WindowError, WireError
from .accounting import Ledger
from .clock import monotonic_ns
from .messages import (
    PROTOCOL,
    Ack,
    Credit,
    EndAck,
    Error,
    ErrorName,
    GoAway,
    Hello,
    Ping,
    Pong,
    Reply,
    Request,
    Welcome,
    decode_request,
    encode,
)
from .publisher import Publisher
from .report import Report, Timings
from .sessions import Session, Sessions
from .sockets import INGEST, RESULTS, bind, receive
from .wire import MAX_FRAME_BYTES, FrameHeader, decode_frame_header

if TYPE_CHECKING:
    from ..latent_map import LatentMap
    from ..mapper import LatentMapper

__all__ = ["Service"]

_REASONS: dict[type[Exception], ErrorName] = {
    WireError: "bad_message",
    FrameError: "bad_frame",
    WindowError: "bad_window",
    PixelSizeError: "pixel_size",
}

_log = logging.getLogger(__name__)
_TICK_MS = 100
_STOP_LINGER_MS = 1000
#: Ingest: one frame message a producer, and room for control messages. Results: what a reader may lag behind
#: before it loses some; all readers share the memory of a message.
_INGEST_HIGH_WATER_MARK = 9
_RESULTS_HIGH_WATER_MARK = 16
_MAX_TEXT = 1000


class Service:
    """Encodes what producers send with one model, and publishes the latent maps.

    Listens once it is made; `run` serves until `stop`. In a ``with`` it serves on a thread of its own.

    Parameters
    ----------
    mapper
        The model, its stride and threads. Used from the serving thread only.
    ingest, results
        Loopback endpoints ``tcp://127.0.0.1:PORT``; port 0 takes a free one, see the attributes of the same names.
    max_age_s
        A live frame, or rows, older than this when it is their turn are dropped as stale.

    Raises
    ------
    ServiceError
        if a port is taken, or an endpoint is not on loopback.
    """

    def __init__(
        self, mapper: LatentMapper, *, ingest: str = INGEST, results: str = RESULTS, max_age_s: float = 0.25
    ) -> None:
        self.epoch = uuid.uuid4().hex
        self._mapper = mapper
        self._max_age_s = max_age_s
        self._context = zmq.Context()
        try:
            self._ingest, self.ingest = bind(self._context, zmq.ROUTER, ingest, high_water_mark=_INGEST_HIGH_WATER_MARK)
            self._results, self.results = bind(
                self._context, zmq.XPUB, results, high_water_mark=_RESULTS_HIGH_WATER_MARK
            )
        except BaseException:
            self._context.destroy(linger=0)
            raise
        self._publisher = Publisher(self._results, self.epoch)
        self._ledger = Ledger()
        self._sessions = Sessions(self._ledger)
        self._ages, self._encodings = Timings(), Timings()
        self._malformed = self._unanswered = 0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def run(self) -> None:
        """Serve until `stop`; then say GOAWAY to the producers and close."""
        poller = zmq.Poller()
        poller.register(self._ingest, zmq.POLLIN)
        poller.register(self._results, zmq.POLLIN)
        try:
            while not self._stopping.is_set():
                self._publisher.welcome_readers()
                message = receive(self._ingest)
                if message is None:
                    self._sessions.expire(monotonic_ns())
                    poller.poll(_TICK_MS)
                else:
                    peer = bytes(message[0])
                    self._answer(peer, self._handle(peer, message[1:]))
        finally:
            self._close()

    def _handle(self, peer: bytes, parts: list[memoryview]) -> Reply:
        """What one message means, and the answer to it."""
        try:
            if len(parts) == 1:
                return self._control(peer, decode_request(parts[0]))
            if len(parts) == 2:
                return self._frame(peer, decode_frame_header(parts[0]), parts[1])
            raise WireError(f"expected one part (control) or two (header and buffer), got {len(parts)}")
        except WireError as error:
            self._malformed += 1
            session = self._sessions.find(peer, monotonic_ns())
            return Error(name="bad_message", text=str(error), credit=0 if session is None else session.credit)

    def _control(self, peer: bytes, request: Request) -> Reply:
        now_ns = monotonic_ns()
        if isinstance(request, Hello):
            opened = self._sessions.open(peer, request, now_ns)
            return opened if isinstance(opened, Error) else self._welcome(opened)
        session = self._sessions.find(peer, now_ns)
        if session is None:
            return _unknown_session()
        if isinstance(request, Ping):
            session.clock.hear(request.clock_ns, now_ns)
            counters = session.account.counters()
            return Pong(epoch=self.epoch, credit=session.credit, counters=counters, clock_ns=request.clock_ns)
        session.account.end(request.last_seq)
        self._sessions.close(session)
        return EndAck(epoch=self.epoch, counters=session.account.counters())

    def _frame(self, peer: bytes, header: FrameHeader, buffer: memoryview) -> Reply:
        """Rows of a frame: account for them, encode them, publish what they complete."""
        now_ns = monotonic_ns()
        session = self._sessions.find(peer, now_ns)
        if session is None:
            return _unknown_session()
        session.received += 1
        session.clock.hear(header.clock_ns, now_ns)
        if not session.account.begin(header.seq):  # the rest of a frame that has its outcome
            return Credit(credit=session.credit, seq=header.seq)
        age_s = session.clock.age_s(header.clock_ns, now_ns)
        if session.hello.mode == "live" and age_s > self._max_age_s:
            return self._settle(session, header, "dropped_stale")
        try:
            latent_map = self._encode(session, header, buffer)
        except (FrameError, WindowError, PixelSizeError, WireError) as error:
            return self._refuse(session, header, error)
        except Exception as error:  # noqa: BLE001  # whatever a frame does to the model, the service lives on
            _log.exception("the model failed on frame %d of stream %r", header.frame, session.hello.stream)
            return self._refuse(session, header, error)
        if not header.complete:
            reply: Reply = Credit(credit=session.credit, seq=header.seq)
        else:
            reply = self._settle(session, header, "processed")
        if latent_map is not None:
            self._publish(session, header, latent_map)
        return reply

    def _encode(self, session: Session, header: FrameHeader, buffer: memoryview) -> LatentMap | None:
        if header.source != session.hello.stream:
            raise WireError(f"source must be the stream {session.hello.stream!r} of the HELLO, got {header.source!r}")
        started = time.perf_counter()
        latent_map = session.scan.push(self._mapper, header, buffer)
        self._encodings.add(time.perf_counter() - started)
        return latent_map

    def _publish(self, session: Session, header: FrameHeader, latent_map: LatentMap) -> None:
        age_s = session.clock.age_s(header.clock_ns, monotonic_ns())
        self._ages.add(age_s)
        self._publisher.publish(latent_map, header, age_s=age_s, counters=self._ledger.stream(session.hello.stream))

    def _settle(self, session: Session, header: FrameHeader, outcome: Literal["processed", "dropped_stale"]) -> Ack:
        session.account.settle(outcome)
        session.scan.drop()
        age_ms = session.clock.age_s(header.clock_ns, monotonic_ns()) * 1e3
        return Ack(credit=session.credit, seq=header.seq, frame=header.frame, outcome=outcome, age_ms=age_ms)

    def _refuse(self, session: Session, header: FrameHeader, error: Exception) -> Error:
        reasons = (name for kind, name in _REASONS.items() if isinstance(error, kind))
        name: ErrorName = next(reasons, "encoder_failed")
        outcome: Literal["rejected", "quarantined"] = "quarantined" if name == "encoder_failed" else "rejected"
        session.account.settle(outcome)
        session.scan.drop()
        text = str(error) or type(error).__name__
        return Error(name=name, text=text[:_MAX_TEXT], credit=session.credit, seq=header.seq, outcome=outcome)

    def _welcome(self, session: Session) -> Welcome:
        manifest = self._mapper.model.manifest
        return Welcome(
            protocol=PROTOCOL,
            epoch=self.epoch,
            credit=session.credit,
            next_seq=session.account.next_seq,
            max_frame_bytes=MAX_FRAME_BYTES,
            counters=session.account.counters(),
            model_sha256=self._mapper.model.sha256,
            dimensions=manifest.dimensions,
            channels=manifest.channels,
            window=manifest.window,
        )

    def _answer(self, peer: bytes, reply: Reply) -> None:
        try:
            self._ingest.send_multipart([peer, encode(reply)], zmq.NOBLOCK)
        except zmq.ZMQError:  # the peer is gone, or does not read; it finds out what it missed when it comes back
            self._unanswered += 1

    def report(self) -> Report:
        """The figures of this moment; from any thread."""
        return Report.of(
            self._ledger,
            self._ages,
            self._encodings,
            malformed=self._malformed,
            unanswered=self._unanswered,
            results=self._publisher.published,
        )

    def wait_for_readers(self, count: int, timeout_s: float = 5.0) -> bool:
        """Wait until `count` readers are subscribed; False if they are not in time. From any thread."""
        return self._publisher.wait_for_readers(count, timeout_s)

    def stop(self) -> None:
        """Ask `run` to finish the frame in hand and return; from any thread or a signal handler."""
        self._stopping.set()

    def __enter__(self) -> Service:
        self._thread = threading.Thread(target=self.run, name="service", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._thread is not None:
            self._thread.join()

    def _close(self) -> None:
        for session in self._sessions:
            self._sessions.close(session)
            text = "the service was stopped"
            self._answer(session.peer, GoAway(epoch=self.epoch, text=text, counters=session.account.counters()))
        self._context.destroy(linger=_STOP_LINGER_MS)


def _unknown_session() -> Error:
    return Error(name="unknown_session", text="say HELLO first: this connection has no session here", credit=0)
