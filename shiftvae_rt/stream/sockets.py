"""ZeroMQ sockets with the options that the protocol relies on, set before bind and connect."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Literal, Protocol, TypeAlias

import zmq
from zmq.utils.monitor import recv_monitor_message

from ..errors import ServiceError
from .keys import ClientKey
from .wire import MAX_FRAME_BYTES, MAX_HEADER_BYTES

__all__ = ["CONTROL", "INGEST", "RESULTS", "Gate", "Socket", "bind", "connect", "connected", "disconnect", "receive"]

Socket: TypeAlias = "zmq.Socket[bytes]"


class Gate(Protocol):
    """Makes a socket ask every client for its key; see `gatekeeper`."""

    def guard(self, socket: Socket) -> None:
        """Set the options of `socket`, before it is bound."""


#: Where the runtime listens unless it is told otherwise.
INGEST = "tcp://127.0.0.1:5701"
RESULTS = "tcp://127.0.0.1:5702"
CONTROL = "tcp://127.0.0.1:5703"

#: Answers (under 2 kB each) that may wait for one producer. libzmq learns only now and then that a peer has taken
#: messages: at 9, a producer in lockstep on a busy machine saw one of some thousand answers fail.
_ANSWERS = 1000

_ENDPOINT = re.compile(r"tcp://(?P<host>[^:/]+):(?P<port>\d{1,5})")

_EVENTS = zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
_REFUSALS = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL

_OPTIONS = {
    zmq.LINGER: 0,
    zmq.MAXMSGSIZE: MAX_FRAME_BYTES + MAX_HEADER_BYTES,
    zmq.HEARTBEAT_IVL: 500,
    zmq.HEARTBEAT_TIMEOUT: 1500,
    zmq.HEARTBEAT_TTL: 2000,
    zmq.HANDSHAKE_IVL: 2000,
    zmq.CONNECT_TIMEOUT: 500,  # the system's own tries come 1, 2, 4 s after one another
    zmq.RECONNECT_IVL: 100,
    zmq.RECONNECT_IVL_MAX: 2000,
}


def bind(
    context: zmq.Context[Any], kind: int, endpoint: str, *, high_water_mark: int, gate: Gate | None = None
) -> tuple[Socket, str]:
    """A socket of `kind` that listens on `endpoint`, and the endpoint with its real port (0 takes a free one).

    Parameters
    ----------
    gate
        Asks every client for its key; needed on an address that others can reach.

    Raises
    ------
    ServiceError
        for an endpoint that is not ``tcp://ADDRESS:PORT``, that others can reach without a `gate`, or that means all
        addresses of the machine, or a port that is taken.
    """
    _check(endpoint)
    address = ipaddress.IPv4Address(endpoint.removeprefix("tcp://").partition(":")[0])
    if address.is_unspecified:
        raise ServiceError(f"refusing to listen on {endpoint}: give the one address that the clients reach")
    if not address.is_loopback and gate is None:
        raise ServiceError(
            f"refusing to listen on {endpoint}: without keys anyone who reaches that address could send and read; "
            "make keys with `shiftvae keys`, or listen on 127.0.0.1 and forward the port over ssh"
        )
    socket = _socket(context, kind, high_water_mark)
    if gate is not None:
        gate.guard(socket)
    if kind == zmq.ROUTER:
        socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        socket.setsockopt(zmq.SNDHWM, _ANSWERS)
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        socket.close()
        if error.errno == zmq.EADDRINUSE:
            raise ServiceError(
                f"{endpoint} is taken, probably by another service: stop that one, or choose another port (0 finds one)"
            ) from None
        raise ServiceError(f"cannot listen on {endpoint}: {error}") from None
    return socket, socket.getsockopt_string(zmq.LAST_ENDPOINT)


def connect(
    context: zmq.Context[Any], kind: int, endpoint: str, *, high_water_mark: int, key: ClientKey | None = None
) -> tuple[Socket, Socket]:
    """A socket of `kind` that connects to `endpoint`, now or as soon as somebody listens there, and its monitor.

    The monitor tells of every handshake that succeeds and every connection that ends; see `connected`.

    Raises
    ------
    ServiceError
        for an endpoint that is not ``tcp://HOST:PORT``.
    """
    _check(endpoint, numeric=False)
    socket = _socket(context, kind, high_water_mark)
    if key is not None:
        socket.curve_publickey, socket.curve_secretkey = key.public.encode(), key.secret.encode()
        socket.curve_serverkey = key.server.encode()
    if kind == zmq.SUB:
        socket.setsockopt(zmq.SUBSCRIBE, b"")
    else:
        socket.setsockopt(zmq.IMMEDIATE, 1)  # a message waits with us, not in a queue for a peer that may never come
    # Before connect: a monitor that comes later misses the handshake of a fast peer.
    monitor = socket.get_monitor_socket(_EVENTS | _REFUSALS)
    try:
        socket.connect(endpoint)
    except zmq.ZMQError as error:
        disconnect(socket, monitor)
        raise ServiceError(f"cannot connect to {endpoint}: {error}") from None
    return socket, monitor


def disconnect(socket: Socket, monitor: Socket) -> None:
    """Close a socket and its monitor."""
    socket.disable_monitor()
    monitor.close()
    socket.close()


def connected(monitor: Socket) -> bool | Literal["refused"] | None:
    """What the next event of a monitor says: connected, no longer, or refused for our key. None: there is no event."""
    if not monitor.poll(0):
        return None
    event = recv_monitor_message(monitor)["event"]
    return "refused" if event & _REFUSALS else event == zmq.EVENT_HANDSHAKE_SUCCEEDED


def receive(socket: Socket) -> list[memoryview] | None:
    """The parts of the next message without copying them, or None if none waits."""
    try:
        return [memoryview(part.buffer) for part in socket.recv_multipart(zmq.NOBLOCK, copy=False)]
    except zmq.Again:
        return None


def _socket(context: zmq.Context[Any], kind: int, high_water_mark: int) -> Socket:
    socket: Socket = context.socket(kind)
    for option, value in _OPTIONS.items():
        socket.setsockopt(option, value)
    socket.set_hwm(high_water_mark)
    return socket


def _check(endpoint: str, *, numeric: bool = True) -> None:
    match = _ENDPOINT.fullmatch(endpoint)
    valid = match is not None and int(match["port"]) < 65536
    if valid and numeric:
        try:
            ipaddress.IPv4Address(match["host"])  # type: ignore[index]  # valid says that there is a match
        except ValueError:
            valid = False
    if not valid:
        kind = "an IPv4 address" if numeric else "a host"
        raise ServiceError(f"expected an endpoint tcp://HOST:PORT with {kind} and a port up to 65535, got {endpoint!r}")
