"""ZeroMQ sockets with the options that the protocol relies on, set before bind and connect."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import zmq

from ...errors import ServiceError
from ..protocol.messages import MAX_CONTROL_BYTES
from ..protocol.wire import MAX_FRAME_BYTES, MAX_HEADER_BYTES, MAX_RESULT_BYTES

__all__ = [
    "CONTROL",
    "DOORS",
    "INGEST",
    "RESULTS",
    "Door",
    "Gate",
    "Socket",
    "bind",
    "check_endpoint",
    "make_socket",
    "receive",
]

Socket: TypeAlias = "zmq.Socket[bytes]"


class Gate(Protocol):
    """Decides who may connect to a socket, and for how long; see `gatekeeper`."""

    @property
    def locked(self) -> bool:
        """Whether a client needs a key."""

    def guard(self, socket: Socket, domain: str) -> None:
        """Make `socket` ask the gate about every client, before it is bound."""


#: Where the service listens unless it is told otherwise.
INGEST = "tcp://127.0.0.1:5701"
RESULTS = "tcp://127.0.0.1:5702"
CONTROL = "tcp://127.0.0.1:5703"


@dataclass(frozen=True)
class Door:
    """A socket to which others connect, and how much of each of them waits with us.

    Parameters
    ----------
    kind
        ``zmq.ROUTER``, ``zmq.XPUB`` or ``zmq.PULL``.
    max_bytes
        Largest part that is taken; a peer that sends a larger one loses its connection. The handshake's commands
        count too: the longest, with keys, has less than 300 bytes.
    incoming, outgoing
        Messages of one peer, and for one peer, that may wait.
    waiting_bytes
        What may have come from one peer without having reached us as a message; see `meter`. A producer that is
        welcome may have its credit beside.
    kernel_bytes
        Buffer of the system for what comes over one connection, which is read to its end even after the connection
        was ended; -1 leaves that to the system.
    """

    kind: int
    max_bytes: int
    incoming: int
    outgoing: int
    waiting_bytes: int
    kernel_bytes: int = -1


_MAX_FRAME = MAX_FRAME_BYTES + MAX_HEADER_BYTES
#: Answers (under 2 kB each) that may wait for one producer. libzmq learns only now and then that a peer has taken
#: messages: at 9, a producer in lockstep on a busy machine saw one of some thousand answers fail.
_ANSWERS = 1000
#: By name, which is that of the domain too.
DOORS: dict[str, Door] = {
    # an honest producer has a credit of 32 messages, and PINGs; the meter bounds the bytes of anybody
    "ingest": Door(zmq.ROUTER, _MAX_FRAME, incoming=256, outgoing=_ANSWERS, waiting_bytes=1 << 20),
    "open-ingest": Door(zmq.PULL, _MAX_FRAME, incoming=64, outgoing=1, waiting_bytes=256 << 20),
    # a request of up to twice the length that is allowed gets an answer that says so
    "control": Door(zmq.ROUTER, 2 * MAX_CONTROL_BYTES, incoming=9, outgoing=_ANSWERS, waiting_bytes=256 << 10),
    # libzmq itself takes subscriptions from a peer for as long as there are any: few may wait
    "results": Door(zmq.XPUB, 512, incoming=8, outgoing=64, waiting_bytes=16 << 10, kernel_bytes=8192),
}

_ENDPOINT = re.compile(r"tcp://(?P<host>[^:/]+):(?P<port>\d{1,5})")

_OPTIONS = {
    zmq.LINGER: 0,
    zmq.MAXMSGSIZE: MAX_RESULT_BYTES + MAX_HEADER_BYTES,  # who listens takes less, see `DOORS`
    zmq.HEARTBEAT_IVL: 500,
    zmq.HEARTBEAT_TIMEOUT: 1500,
    zmq.HEARTBEAT_TTL: 2000,
    zmq.HANDSHAKE_IVL: 2000,
    zmq.CONNECT_TIMEOUT: 500,  # the system's own tries come 1, 2, 4 s after one another
    zmq.RECONNECT_IVL: 100,
    zmq.RECONNECT_IVL_MAX: 2000,
}
#: In place of heartbeats. libzmq 4.3.5 aborts the process whose queue of incoming messages is full when their
#: connection ends, if a heartbeat is due or lies among them (zeromq/libzmq issue 3937): a service that was halted for
#: seconds would die of the frames that came meanwhile. So who listens has no heartbeats of its own (producers say PING,
#: and answer to silence, by themselves), nor has a reader, whose queue is full whenever it is slow; and the queue of
#: answers to a producer, which has heartbeats, is never full.
_KEEPALIVE: dict[zmq.SocketOption, int] = {
    zmq.HEARTBEAT_IVL: 0,
    zmq.HEARTBEAT_TTL: 0,
    zmq.TCP_KEEPALIVE: 1,
    zmq.TCP_KEEPALIVE_IDLE: 1,
    zmq.TCP_KEEPALIVE_INTVL: 1,
    zmq.TCP_KEEPALIVE_CNT: 2,
}
#: By kind of socket, in place of those.
_OPTIONS_OF: dict[int, dict[zmq.SocketOption, int]] = {
    zmq.ROUTER: _KEEPALIVE,
    zmq.XPUB: _KEEPALIVE,
    zmq.PULL: _KEEPALIVE,
    zmq.SUB: _KEEPALIVE,
    zmq.DEALER: {zmq.RCVHWM: 0},  # answers under 2 kB, as many as the credit allows
}


def bind(context: zmq.Context[Any], name: str, endpoint: str, gate: Gate) -> tuple[Socket, str]:
    """The door called `name` (see `DOORS`) on `endpoint`, and the endpoint with its real port (0 takes a free one).

    Raises
    ------
    ServiceError
        for an endpoint that is not ``tcp://ADDRESS:PORT``, that others can reach though the `gate` is not locked, or
        that means all addresses of the machine, or a port that is taken.
    """
    check_endpoint(endpoint)
    address = ipaddress.IPv4Address(endpoint.removeprefix("tcp://").partition(":")[0])
    if address.is_unspecified:
        raise ServiceError(f"refusing to listen on {endpoint}: give the one address that the clients reach")
    if not address.is_loopback and not gate.locked:
        raise ServiceError(
            f"refusing to listen on {endpoint}: without keys anyone who reaches that address could send and read; "
            "make keys with `shiftvae keys`, or listen on 127.0.0.1 and forward the port over ssh"
        )
    door = DOORS[name]
    socket = make_socket(context, door.kind, door.outgoing)
    socket.setsockopt(zmq.RCVHWM, door.incoming)
    socket.setsockopt(zmq.MAXMSGSIZE, door.max_bytes)
    socket.setsockopt(zmq.RCVBUF, door.kernel_bytes)
    gate.guard(socket, name)
    if door.kind == zmq.ROUTER:
        socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
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


def receive(socket: Socket, heard: Callable[[list[zmq.Frame]], None] | None = None) -> list[memoryview] | None:
    """The parts of the next message without copying them, or None if none waits; `heard` is shown it first."""
    try:
        parts: Any = socket.recv_multipart(zmq.NOBLOCK, copy=False)
    except zmq.Again:
        return None
    if heard is not None:
        heard(parts)
    return [memoryview(part.buffer) for part in parts]


def make_socket(context: zmq.Context[Any], kind: int, high_water_mark: int) -> Socket:
    """A socket with our options, neither bound nor connected."""
    socket: Socket = context.socket(kind)
    socket.set_hwm(high_water_mark)
    for option, value in {**_OPTIONS, **_OPTIONS_OF.get(kind, {})}.items():
        socket.setsockopt(option, value)
    return socket


def check_endpoint(endpoint: str, *, numeric: bool = True) -> None:
    """Raise `ServiceError` for an endpoint that is not ``tcp://HOST:PORT``, with `numeric` one that is no address."""
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
