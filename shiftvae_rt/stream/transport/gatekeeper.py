"""Decides who may connect (ZeroMQ's authentication protocol, RFC 27): with keys the clients of the list, over CURVE.

Without keys everybody on this machine may connect, but only in ZMTP 3. libzmq takes ZMTP 1.0 from a socket that nobody
guards, and to ZMTP 1.0 an HTTP request is a message: a web page could send frames and stop the service. Peers of ZMTP 1
and 2 are sent away from every socket with a domain, before anything that they say is read.

Closed on failure: a socket that it guards refuses every client whose question is not answered with a yes. Without
``ZAP_ENFORCE_DOMAIN`` a stopped gatekeeper would let everybody in.

Who is in is watched: a peer that sends without end loses its connection (see `meter`).
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

import zmq
from zmq.utils import z85
from zmq.utils.monitor import recv_monitor_message

from ...errors import KeyFileError
from .keys import ROLES, KeyFolder, Role
from .meter import Meter
from .sockets import Socket
from .sparse_log import SparseLog

__all__ = ["Gatekeeper"]

_ENDPOINT = "inproc://zeromq.zap.01"
#: While nobody is connected, and while somebody is: 10 ms are some 20 MB of a flood.
_TICK_MS, _METER_MS = 100, 10
_EVENTS = zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED
_MAX_EVENTS = 64
#: Roles that may connect to the sockets of a domain. What a client may ask on `control` is checked for each request.
DOMAINS: dict[str, frozenset[Role]] = {
    "ingest": frozenset({"produce"}),
    "open-ingest": frozenset({"produce"}),
    "results": frozenset({"read"}),
    "control": frozenset({"read", "admin"}),
}
#: Name of a client without a key.
_ANYONE = "anyone"


class Gatekeeper:
    """Answers ZeroMQ's question whether a client may come in, on a thread of its own.

    Parameters
    ----------
    context
        Whose sockets are guarded. Close the gatekeeper before it is destroyed.
    keys
        The service's keys; the list of clients is read again for every new connection. None: there are no keys.

    Attributes
    ----------
    refused
        Clients that were not let in.
    meter
        What comes over each connection.
    """

    def __init__(self, context: zmq.Context[Any], keys: KeyFolder | None = None) -> None:
        self._keys = keys
        self._log = SparseLog(logging.getLogger(__name__))
        self._socket = context.socket(zmq.REP)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(_ENDPOINT)
        self._stopping = threading.Event()
        self._guarded: list[tuple[str, Socket, Any]] = []
        self.refused = 0
        self.meter = Meter()
        self._next_check_s = 0.0
        self._thread = threading.Thread(target=self._run, name="gatekeeper", daemon=True)
        self._thread.start()

    @property
    def locked(self) -> bool:
        """Whether a client needs a key."""
        return self._keys is not None

    def guard(self, socket: Socket, domain: str) -> None:
        """Make `socket` ask here about every client, before it is bound; `domain` is a key of `DOMAINS`."""
        socket.setsockopt_string(zmq.ZAP_DOMAIN, domain)
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
        if self._keys is not None:
            socket.curve_server = 1
            socket.curve_secretkey = self._keys.server.secret.encode()
            socket.curve_publickey = self._keys.server.public.encode()
        self._guarded.append((domain, socket, socket.get_monitor_socket(_EVENTS)))

    def roles(self, user: str) -> frozenset[Role]:
        """What the client called `user` may do; nothing if it is not in the list (any more)."""
        if self._keys is None:
            return frozenset(ROLES)
        try:
            return next(
                (frozenset(client.roles) for client in self._keys.clients() if client.name == user), frozenset()
            )
        except KeyFileError as error:
            self._log.warn("nobody is let in: %s", error)
            return frozenset()

    def close(self) -> None:
        """Answer no more."""
        # A monitor that nobody reads would hold ZeroMQ up, so the thread lives until there is none.
        for _, socket, _ in self._guarded:
            if not socket.closed:
                socket.disable_monitor()
        self._stopping.set()
        self._thread.join()
        for _, _, monitor in self._guarded:
            monitor.close()
        self._guarded = []

    def _run(self) -> None:
        with self._socket:
            while not self._stopping.is_set():
                asked = self._socket.poll(_METER_MS if self.meter else _TICK_MS)
                self._watch()  # first: so the meter knows a client before that can say anything
                if asked:
                    self._socket.send_multipart(self._answer(self._socket.recv_multipart()))

    def _watch(self) -> None:
        now_s = time.monotonic()
        for door, _, monitor in tuple(self._guarded):
            for _ in range(_MAX_EVENTS):
                if not monitor.poll(0):
                    break
                event = recv_monitor_message(monitor)
                if event["event"] == zmq.EVENT_ACCEPTED:
                    self.meter.accepted(door, event["value"], now_s)
                elif event["event"] == zmq.EVENT_DISCONNECTED:
                    self.meter.disconnected(event["value"])
        if now_s >= self._next_check_s:
            self._next_check_s = now_s + _METER_MS / 1e3
            self.meter.check(now_s)

    def _answer(self, question: list[bytes]) -> list[bytes]:
        number = question[1] if len(question) > 1 else b""
        try:
            name = self._admit(question)
        except Exception as error:  # noqa: BLE001  # must neither end the thread nor let anybody in
            self._log.warn("a client was refused: %s: %s", type(error).__name__, error)
            name = None
        if name is None:
            self.refused += 1
            return [b"1.0", number, b"400", b"this key is not allowed here", b"", b""]
        return [b"1.0", number, b"200", b"OK", name.encode(), b""]

    def _admit(self, question: list[bytes]) -> str | None:
        """The name of the client if it may come in."""
        version, _, domain_name, address, _, mechanism, *credentials = question
        domain = domain_name.decode()
        wanted = DOMAINS[domain]
        if version != b"1.0":
            return None
        if self._keys is None:
            return _ANYONE if mechanism == b"NULL" else None
        if mechanism != b"CURVE" or len(credentials) != 1:
            return None
        public = z85.encode(credentials[0]).decode()
        for client in self._keys.clients():
            if client.public == public:
                if wanted.isdisjoint(client.roles):
                    self._log.warn("%s from %s may not use %s", client.name, address.decode(), domain)
                    return None
                return client.name
        self._log.warn("an unknown key from %s was refused at %s", address.decode(), domain)
        return None
