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
from contextlib import ExitStack
from typing import TYPE_CHECKING

import msgspec
import zmq

from ...latent_map import LatentMap
from ...view.places import Model
from ...view.showing import Showing
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
        self._started_s = self._turned_s = time.monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self.run, name="service", daemon=True)
        self._unanswered = 0
        self._ages = Timings()
        self._ledger = ledger = Ledger()
        keys = None if options.keys is None else KeyFolder(options.keys)
        with ExitStack() as closing:  # parts close in the reverse order, also if one of them cannot be made
            context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
            closing.callback(context.destroy, linger=_STOP_LINGER_MS)
            self._gatekeeper = gate = Gatekeeper(context, keys)
            closing.callback(gate.close)

            self._ingest, self.ingest = bind(context, "ingest", ingest, gate)
            self._results, self.results = bind(context, "results", results, gate)
            self._requests, self.control = _bind_optional(context, "control", options.control, gate)
            self._pushed, self.open_ingest = _bind_optional(context, "open-ingest", options.open_ingest, gate)
            self._incoming = Incoming(self._ingest, gate.meter)
            self._publisher = Publisher(self._results, self.epoch)

            self._journal = journal = None if options.journal is None else Journal(options.journal)
            if journal is not None:
                closing.callback(journal.close)
            with_page = options.page and options.http is not None and keys is None
            self._showing = showing = Showing(self._state, self._model_of) if with_page else None
            if showing is not None:
                closing.callback(showing.viewers.close)
            self._encoding = encoding = Encoding(
                mapper, self._meanwhile, see=None if showing is None else showing.lines
            )
            floor = Floor()
            self._sessions = Sessions(ledger, closed=floor.forget)
            self._live = LiveIntake(
                encoding,
                floor,
                self._publish,
                ledger=ledger,
                max_age_s=options.max_age_s,
                record=Recorder(journal) if options.record and journal is not None else None,
            )
            self._producers = Producers(
                self._sessions,
                floor,
                encoding=encoding,
                live=self._live,
                lossless=(
                    None if journal is None else LosslessIntake(journal, encoding, self._publish, ledger.refusals)
                ),
                answer=self._answer,
                epoch=self.epoch,
            )
            self._open = (
                None
                if self._pushed is None
                else OpenIntake(self._pushed, gate.meter, encoding=encoding, publish=self._publish, ledger=ledger)
            )

            swap = ModelSwap(encoding, options.models, threads=options.threads, signed_by=options.signed_by)
            self._swap = swap
            closing.callback(swap.close)
            self._control = (
                None
                if self._requests is None
                else RequestHandler(
                    self._requests,
                    gatekeeper=gate,
                    publisher=self._publisher,
                    journal=None if journal is None else journal.reader,
                    swap=swap,
                    report=self.status,
                    live=lambda: tuple(session.hello.stream for session in self._sessions),
                    stop=self.stop,
                )
            )
            closing.callback(Watchdog(encoding).close)
            self._health = health = (
                None
                if options.http is None
                else Health(
                    options.http, self.status, self._idle_s, viewers=None if showing is None else showing.viewers
                )
            )
            self.http = None if health is None else health.address
            self.page = None if health is None or showing is None else f"http://{health.address}/"
            if health is not None:
                closing.callback(health.close)
            self._closing = closing.pop_all()

    def _idle_s(self) -> float:
        """Time since the last turn of the serving loop, s."""
        return time.monotonic() - self._turned_s

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
        requested = self._control is not None and self._control.answer_one()
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
        return requested or pushed or message is not None or bool(self._incoming)

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
        self._ledger.verdicts.add(header, latent_map.domain)
        self._publisher.publish(latent_map, header, age_s=age_s, counters=self._ledger.stream(header.source))
        if self._showing is not None:
            self._showing.map(header, latent_map, age_s)

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
            models=self._swap.names(),
            stride=mapper.stride,
            uptime_s=round(time.monotonic() - self._started_s, 3),
            busy_s=round(self._encoding.busy_s, 3),
            producers=len(self._sessions),
            readers=self._publisher.readers,
            swaps=self._encoding.swaps,
            rollbacks=self._encoding.rollbacks,
            report=self.report(),
        )

    def _state(self) -> bytes:  # for the page; from its thread
        return msgspec.json.encode(self.status())

    def _model_of(self, sha256: str) -> Model | None:
        """Model as the page needs it, None if there is another now, or it has no decoder; from its thread."""
        mapper = self._encoding.mapper
        draws = mapper.model.sha256 == sha256 and mapper.model.decoder_graph is not None
        return Model(mapper.model.manifest.intensity, mapper.draw) if draws else None

    def wait_for_readers(self, count: int, timeout_s: float = 5.0) -> bool:
        """Wait up to `timeout_s` seconds for `count` subscribed readers; False if they are fewer. From any thread."""
        return self._publisher.wait_for_readers(count, timeout_s)

    def stop(self) -> None:
        """Let `run` finish the current frame and return; from any thread or a signal handler."""
        self._stopping.set()

    def __enter__(self) -> Service:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.join()

    def _close(self) -> None:
        self._producers.dismiss()
        self._closing.close()


def _bind_optional(
    context: zmq.Context[zmq.Socket[bytes]], name: str, endpoint: str | None, gate: Gatekeeper
) -> tuple[zmq.Socket[bytes] | None, str | None]:
    """Bind the door called `name`, if it has an endpoint; see `sockets.bind`."""
    return (None, None) if endpoint is None else bind(context, name, endpoint, gate)
