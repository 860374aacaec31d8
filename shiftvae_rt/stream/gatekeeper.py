"""Lets in the clients of the list, over CURVE, and nobody else (ZeroMQ's authentication protocol, RFC 27).

Closed on failure: a socket that it guards refuses every client whose question is not answered with a yes. Without
``ZAP_ENFORCE_DOMAIN`` a stopped authenticator would let everybody in.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

import zmq
from zmq.utils import z85

from ..errors import KeyFileError
from .keys import KeyFolder, Role
from .sockets import Socket

__all__ = ["Gatekeeper"]

_ENDPOINT = "inproc://zeromq.zap.01"
_TICK_MS = 100
#: Roles that may connect to the sockets of a domain. What a client may ask on `control` is checked for each request.
DOMAINS: dict[str, frozenset[Role]] = {
    "ingest": frozenset({"produce"}),
    "results": frozenset({"read"}),
    "control": frozenset({"read", "admin"}),
}
_log = logging.getLogger(__name__)


class Gatekeeper:
    """Answers ZeroMQ's question whether a client may come in, on a thread of its own.

    Parameters
    ----------
    context
        Whose sockets are guarded. Close the gatekeeper before it is destroyed.
    keys
        The runtime's keys; the list of clients is read again for every new connection.
    """

    def __init__(self, context: zmq.Context[Any], keys: KeyFolder) -> None:
        self._keys = keys
        self._socket = context.socket(zmq.REP)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(_ENDPOINT)
        self._stopping = threading.Event()
        self.refused = 0
        self._thread = threading.Thread(target=self._run, name="gatekeeper", daemon=True)
        self._thread.start()

    def domain(self, name: str) -> Domain:
        """The gate of one of the sockets; `name` is a key of `DOMAINS`."""
        return Domain(name, self._keys)

    def roles(self, user: str) -> frozenset[Role]:
        """What the client called `user` may do; nothing if it is not in the list (any more)."""
        try:
            return next(
                (frozenset(client.roles) for client in self._keys.clients() if client.name == user), frozenset()
            )
        except KeyFileError as error:
            _log.error("nobody is let in: %s", error)
            return frozenset()

    def close(self) -> None:
        """Answer no more."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        with self._socket:
            while not self._stopping.is_set():
                if self._socket.poll(_TICK_MS):
                    self._socket.send_multipart(self._answer(self._socket.recv_multipart()))

    def _answer(self, question: list[bytes]) -> list[bytes]:
        number = question[1] if len(question) > 1 else b""
        try:
            name = self._admit(question)
        except Exception:  # noqa: BLE001  # whatever goes wrong here must not end the thread, and must not let anybody in
            _log.exception("a client was refused")
            name = None
        if name is None:
            self.refused += 1
            return [b"1.0", number, b"400", b"this key is not allowed here", b"", b""]
        return [b"1.0", number, b"200", b"OK", name.encode(), b""]

    def _admit(self, question: list[bytes]) -> str | None:
        """The name of the client if it may come in."""
        version, _, domain, address, _, mechanism, *credentials = question
        if version != b"1.0" or mechanism != b"CURVE" or len(credentials) != 1:
            return None
        public = z85.encode(credentials[0]).decode()
        for client in self._keys.clients():
            if client.public == public:
                if DOMAINS[domain.decode()].isdisjoint(client.roles):
                    _log.warning("%s from %s may not use %s", client.name, address.decode(), domain.decode())
                    return None
                return client.name
        _log.warning("an unknown key from %s was refused at %s", address.decode(), domain.decode())
        return None


class Domain:
    """The gate of one socket."""

    def __init__(self, name: str, keys: KeyFolder) -> None:
        self._name, self._keys = name, keys

    def guard(self, socket: Socket) -> None:
        """Make `socket` ask for keys; before it is bound."""
        socket.setsockopt_string(zmq.ZAP_DOMAIN, self._name)
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
        socket.curve_server = 1
        socket.curve_secretkey = self._keys.server.secret.encode()
        socket.curve_publickey = self._keys.server.public.encode()
