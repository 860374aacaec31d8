"""Decides which clients may connect, by ZeroMQ's authentication protocol (RFC 27).

With keys these are the clients in the key list, over CURVE. Without keys every program on this machine may connect, but
only by ZMTP 3. An unguarded libzmq socket accepts ZMTP 1.0 too, in which an HTTP request is a message: a web page could
send frames and stop the service. A socket with a domain drops peers of ZMTP 1 and 2 before it reads what they send.

It fails closed: a guarded socket refuses every client for which it gets no positive answer. Without
``ZAP_ENFORCE_DOMAIN`` a stopped gatekeeper would let every client in.

Connections are also watched after they are accepted: a peer that sends without end is disconnected (see `meter`).
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
#: Period of the loop without and with connected clients, ms. In 10 ms a flood brings some 20 MB.
_TICK_MS, _METER_MS = 100, 10
_EVENTS = zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED
_MAX_EVENTS = 64
#: Roles that may connect to each socket. On `control` every single request is checked too.
DOMAINS: dict[str, frozenset[Role]] = {
    "ingest": frozenset({"produce"}),
    "open-ingest": frozenset({"produce"}),
    "results": frozenset({"read"}),
    "control": frozenset({"read", "admin"}),
}
#: Name of every client of a service without keys.
_ANYONE = "anyone"


class Gatekeeper:
    """Answers ZeroMQ's authentication requests on a thread of its own.

    Parameters
    ----------
    context
        The context of the sockets to guard. Close the gatekeeper before the context is destroyed.
    keys
        The service's keys; the list of clients is read again for every new connection. None: no keys are required.

    Attributes
    ----------
    refused
        Number of connections that were refused.
    meter
        Counts the bytes that arrive over each connection.
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
        """True if a client needs a key."""
        return self._keys is not None

    def guard(self, socket: Socket, domain: str) -> None:
        """Let the gatekeeper decide about every client of `socket`; call it before the socket is bound.

        `domain` is a key of `DOMAINS`.
        """
        socket.setsockopt_string(zmq.ZAP_DOMAIN, domain)
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
        if self._keys is not None:
            socket.curve_server = 1
            socket.curve_secretkey = self._keys.server.secret.encode()
            socket.curve_publickey = self._keys.server.public.encode()
        self._guarded.append((domain, socket, socket.get_monitor_socket(_EVENTS)))

    def roles(self, user: str) -> frozenset[Role]:
        """Roles of the client called `user`; empty if the list does not contain it (any more)."""
        if self._keys is None:
            return frozenset(ROLES)
        try:
            return next(
                (frozenset(client.roles) for client in self._keys.clients() if client.name == user), frozenset()
            )
        except KeyFileError as error:
            self._log.warn("no client is let in: %s", error)
            return frozenset()

    def close(self) -> None:
        """Stop the thread; from then on the guarded sockets refuse every new client."""
        # A monitor that is not read would block ZeroMQ, so the thread ends after the monitors.
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
                self._watch()  # before the answer: the meter must know a client before its first message
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
        except Exception as error:  # noqa: BLE001  # a fault must neither end the thread nor let a client in
            self._log.warn("a client was refused: %s: %s", type(error).__name__, error)
            name = None
        if name is None:
            self.refused += 1
            return [b"1.0", number, b"400", b"this key may not connect here", b"", b""]
        return [b"1.0", number, b"200", b"OK", name.encode(), b""]

    def _admit(self, question: list[bytes]) -> str | None:
        """Name of the client if it may connect, else None."""
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
