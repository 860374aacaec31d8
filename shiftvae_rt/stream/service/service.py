"""The service: frames and rows in, latent maps out, an outcome for every frame.

One thread handles one message at a time::

    ingest ROUTER -> producers -> live: too old? -> encode -> publish on XPUB -> answer the producer
                               -> lossless: encode -> journal -> commit a group -> publish, answer
    PULL, best effort -> open intake -> encode -> publish
    control ROUTER -> request -> answer
"""

from __future__ import annotations

import threading
import time
import uuid
from typing import TYPE_CHECKING

import zmq

from ...latent_map import LatentMap
from ..journal.journal import Journal
from ..protocol.control_messages import ServiceStatus
from ..protocol.messages import Reply, Welcome, encode
from ..protocol.report import Report
from ..protocol.wire import FrameHeader
from ..transport.gatekeeper import Gatekeeper
from ..transport.incoming import Incoming
from ..transport.keys import KeyFolder
from ..transport.sockets import INGEST, RESULTS, bind
from .accounting import Ledger
from .control import RequestHandler
from .encoding import Encoding, Watchdog
from .floor import Floor
from .health import Health
from .live_intake import LiveIntake
from .lossless_intake import LosslessIntake
from .model_swap import ModelSwap
from .open_intake import OpenIntake
from .options import Options
from .producers import Producers
from .publisher import Publisher
from .recorder import Recorder
from .sessions import Sessions
from .timings import Timings

if TYPE_CHECKING:
    from ...encode.mapper import LatentMapper

__all__ = ["Service"]

_TICK_MS = 100
_STOP_LINGER_MS = 1000


class Service:
    """Encodes what producers send with one model, and publishes the latent maps.

    It listens as soon as it is made; `run` serves until `stop`. In a ``with`` it serves on a thread of its own.

    Parameters
    ----------
    mapper
        The model with its stride and threads. Used from the serving thread only.
    ingest, results
        Endpoints ``tcp://ADDRESS:PORT``; port 0 takes a free one, see the attributes of the same names.
    options
        See `options.Options`.

    Raises
    ------
    ServiceError
        if a port is taken, or other machines can reach an endpoint and there are no keys.
    KeyFileError, JournalError
        if the keys or the journal cannot be used.
    """

    def __init__(
        self, mapper: LatentMapper, *, ingest: str = INGEST, results: str = RESULTS, options: Options | None = None
    ) -> None:
        options = options or Options()
        self.epoch = uuid.uuid4().hex
        self._options = options
        self._started_s = self._turned_s = time.monotonic()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._unanswered = self._out_of_domain = 0
        self._ages = Timings()
        self._ledger = Ledger()
        self._sessions = Sessions(self._ledger)
        keys = None if options.keys is None else KeyFolder(options.keys)
        self._context = zmq.Context()
        self._gatekeeper = Gatekeeper(self._context, keys)
        self._journal: Journal | None = None
        self._health: Health | None = None
        self._swap: ModelSwap | None = None
        self._watchdog: Watchdog | None = None
        try:
            self._listen(ingest, results)
            self._assemble(mapper)
        except BaseException:
            self._close_all(linger_ms=0)
            raise

    def _listen(self, ingest: str, results: str) -> None:
        gate = self._gatekeeper
        self._ingest, self.ingest = bind(self._context, "ingest", ingest, gate)
        self._incoming = Incoming(self._ingest, gate.meter)
        self._results, self.results = bind(self._context, "results", results, gate)
        self._requests: zmq.Socket[bytes] | None = None
        self.control: str | None = None
        if self._options.control is not None:
            self._requests, self.control = bind(self._context, "control", self._options.control, gate)

        self._pushed: zmq.Socket[bytes] | None = None
        self.open_ingest: str | None = None
        if self._options.open_ingest is not None:
            self._pushed, self.open_ingest = bind(self._context, "open-ingest", self._options.open_ingest, gate)

    def _assemble(self, mapper: LatentMapper) -> None:
        options = self._options
        if options.journal is not None:
            self._journal = Journal(options.journal)
        self._encoding = Encoding(mapper)
        self._encoding.between_bands = self._meanwhile
        self._publisher = Publisher(self._results, self.epoch)
        floor = Floor()
        self._live = LiveIntake(
            self._encoding,
            floor,
            self._publish,
            ledger=self._ledger,
            max_age_s=options.max_age_s,
            record=Recorder(self._journal) if options.record and self._journal is not None else None,
        )
        lossless = None
        if self._journal is not None:
            lossless = LosslessIntake(self._journal, self._encoding, self._publish, self._ledger.refusals)
        self._producers = Producers(
            self._sessions,
            floor,
            encoding=self._encoding,
            live=self._live,
            lossless=lossless,
            answer=self._answer,
            epoch=self.epoch,
        )
        self._open: OpenIntake | None = None
        if self._pushed is not None:
            self._open = OpenIntake(
                self._pushed,
                self._gatekeeper.meter,
                encoding=self._encoding,
                publish=self._publish,
                ledger=self._ledger,
            )
        self._control: RequestHandler | None = None
        self._swap = ModelSwap(self._encoding, options.models, threads=options.threads, signed_by=options.signed_by)
        if self._requests is not None:
            self._control = RequestHandler(
                self._requests,
                gatekeeper=self._gatekeeper,
                publisher=self._publisher,
                journal=None if self._journal is None else self._journal.reader,
                swap=self._swap,
                report=self.status,
                live=lambda: tuple(session.hello.stream for session in self._sessions),
                stop=self.stop,
            )
        if options.http is not None:
            self._health = Health(options.http, self.status, lambda: time.monotonic() - self._turned_s)
        self._watchdog = Watchdog(self._encoding)

    @property
    def http(self) -> str | None:
        """Address at which HTTP is answered, ``HOST:PORT``; None if it is not."""
        return None if self._health is None else self._health.address

    def run(self) -> None:
        """Serve until `stop`; then commit, send the producers GOAWAY and close."""
        poller = zmq.Poller()
        for socket in (self._ingest, self._results, self._requests, self._pushed):
            if socket is not None:
                poller.register(socket, zmq.POLLIN)
        try:
            while not self._stopping.is_set():
                if not self._turn():
                    self._producers.idle()
                    poller.poll(_TICK_MS)
        finally:
            self._close()

    def _turn(self) -> bool:
        """Handle one message of each socket; False if none waits."""
        self._turned_s = time.monotonic()
        self._publisher.welcome_readers()
        asked = self._control is not None and self._control.answer_one()
        pushed = self._open is not None and self._open.take()
        message = self._incoming.take()
        if message is not None:
            self._producers.hear(bytes(message[0]), message[1:])
        self._producers.commit(idle=message is None)
        if message is None:
            self._producers.expire()
        if self._producers.floor_is_free:
            self._hear_meanwhile()  # the newest frames may be those whose WANT has not been read yet
        self._producers.give_turn()
        return asked or pushed or message is not None or bool(self._incoming)

    def _meanwhile(self) -> None:
        """Between two parts of an encoding: read PING and WANT, and send GRANT for the next frame if it is time."""
        self._hear_meanwhile()
        left_s = self._encoding.left_s
        if left_s is not None:
            self._producers.give_turn(left_s)

    def _hear_meanwhile(self) -> None:
        """Handle PING and WANT; any other message waits its turn."""
        self._incoming.hear_meanwhile(self._producers.hear_brief)

    def _publish(self, latent_map: LatentMap, header: FrameHeader, age_s: float) -> None:
        self._ages.add(age_s)
        self._out_of_domain += latent_map.domain is not None and latent_map.domain.out_of_domain
        self._publisher.publish(latent_map, header, age_s=age_s, counters=self._ledger.stream(header.source))

    def _answer(self, peer: bytes, reply: Reply) -> None:
        if isinstance(reply, Welcome):
            self._gatekeeper.meter.allow(peer, reply.credit_bytes)
        try:
            self._ingest.send_multipart([peer, encode(reply)], zmq.NOBLOCK)
        except zmq.ZMQError:  # the peer is gone, or does not read; WELCOME or PONG will tell it what it missed
            self._unanswered += 1

    def report(self) -> Report:
        """Return the current figures; from any thread."""
        return self._ledger.report(
            self._ages,
            self._encoding.timings,
            malformed=self._producers.malformed + (0 if self._open is None else self._open.malformed),
            unanswered=self._unanswered,
            results=self._publisher.published,
            out_of_domain=self._out_of_domain,
            unrecorded=self._live.unrecorded,
            refused_clients=self._gatekeeper.refused,
        )

    def status(self) -> ServiceStatus:
        """Return what `shiftvae status` and the HTTP pages show; from any thread."""
        mapper = self._encoding.mapper
        return ServiceStatus(
            epoch=self.epoch,
            ready=not self._stopping.is_set(),
            model=mapper.model.path.name,
            model_sha256=mapper.model.sha256,
            stride=mapper.stride,
            uptime_s=round(time.monotonic() - self._started_s, 3),
            busy_s=round(self._encoding.busy_s, 3),
            producers=len(self._sessions),
            readers=self._publisher.readers,
            swaps=self._encoding.swaps,
            rollbacks=self._encoding.rollbacks,
            report=self.report(),
        )

    def wait_for_readers(self, count: int, timeout_s: float = 5.0) -> bool:
        """Wait up to `timeout_s` seconds for `count` subscribed readers; False if they are fewer. From any thread."""
        return self._publisher.wait_for_readers(count, timeout_s)

    def stop(self) -> None:
        """Let `run` finish the current frame and return; from any thread or a signal handler."""
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
        self._producers.dismiss()
        self._close_all(linger_ms=_STOP_LINGER_MS)

    def _close_all(self, *, linger_ms: int) -> None:
        for part in (self._swap, self._watchdog, self._health, self._journal, self._gatekeeper):
            if part is not None:
                part.close()
        self._context.destroy(linger=linger_ms)
