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
    """Decides which clients may connect to a socket; see `gatekeeper`."""

    @property
    def locked(self) -> bool:
        """True if a client needs a key."""

    def guard(self, socket: Socket, domain: str) -> None:
        """Let the gate decide about every client of `socket`; called before the socket is bound."""


#: Endpoints at which the service listens by default.
INGEST = "tcp://127.0.0.1:5701"
RESULTS = "tcp://127.0.0.1:5702"
CONTROL = "tcp://127.0.0.1:5703"


@dataclass(frozen=True)
class Door:
    """A socket that the service binds, and how much of each peer may wait there.

    Parameters
    ----------
    kind
        ``zmq.ROUTER``, ``zmq.XPUB`` or ``zmq.PULL``.
    max_bytes
        Largest part that is accepted; a peer that sends a larger one loses its connection. The commands of the
        handshake count too: with keys, the longest has less than 300 bytes.
    incoming, outgoing
        Most messages that may wait from one peer, and for one peer.
    waiting_bytes
        Most bytes from one peer that may have arrived and not been received as a message; see `meter`. WELCOME allows a
        producer its `credit_bytes` in addition.
    kernel_bytes
        Size of the system's receive buffer of one connection, which is read to its end even after the connection has
        been ended; -1: the system's default.
    """

    kind: int
    max_bytes: int
    incoming: int
    outgoing: int
    waiting_bytes: int
    kernel_bytes: int = -1


_MAX_FRAME = MAX_FRAME_BYTES + MAX_HEADER_BYTES
#: Most answers (under 2 kB each) that may wait for one producer. libzmq learns only now and then that a peer has taken
#: messages: with 9, one answer in some thousands failed for a producer that waits for each, on a busy machine.
_ANSWERS = 1000
#: The service's sockets by name; `gatekeeper.DOMAINS` has the same names.
DOORS: dict[str, Door] = {
    # an honest producer has a credit of 32 messages, and PINGs; the meter limits the bytes of every peer
    "ingest": Door(zmq.ROUTER, _MAX_FRAME, incoming=256, outgoing=_ANSWERS, waiting_bytes=1 << 20),
    "open-ingest": Door(zmq.PULL, _MAX_FRAME, incoming=64, outgoing=1, waiting_bytes=256 << 20),
    # a request of up to twice the allowed length is read, so that the answer can say that it is too long
    "control": Door(zmq.ROUTER, 2 * MAX_CONTROL_BYTES, incoming=9, outgoing=_ANSWERS, waiting_bytes=256 << 10),
    # libzmq reads subscriptions as long as there are any, and reports each: only few may wait. A normal reader
    # subscribes once; with the smallest buffer of the system, the system itself slows down a peer that never stops.
    "results": Door(zmq.XPUB, 512, incoming=8, outgoing=64, waiting_bytes=2 << 10, kernel_bytes=1024),
}

_ENDPOINT = re.compile(r"tcp://(?P<host>[^:/]+):(?P<port>\d{1,5})")

_OPTIONS = {
    zmq.LINGER: 0,
    zmq.MAXMSGSIZE: MAX_RESULT_BYTES + MAX_HEADER_BYTES,  # for clients; the service accepts less, see `DOORS`
    zmq.HEARTBEAT_IVL: 500,
    zmq.HEARTBEAT_TIMEOUT: 1500,
    zmq.HEARTBEAT_TTL: 2000,
    zmq.HANDSHAKE_IVL: 2000,
    zmq.CONNECT_TIMEOUT: 500,  # the system alone would wait 1, 2, 4 s between its attempts
    zmq.RECONNECT_IVL: 100,
    zmq.RECONNECT_IVL_MAX: 2000,
}
#: TCP keepalive in place of heartbeats. libzmq 4.3.5 aborts a process whose queue of incoming messages is full when
#: their connection ends, if a heartbeat is due or among them (zeromq/libzmq issue 3937): a service that was halted for
#: seconds would die of the frames that arrived meanwhile. So the service's sockets send no heartbeats (producers send
#: PING, and act on silence), and neither does a reader, whose queue is full whenever it is slow. A producer's socket
#: sends heartbeats, but its queue of answers is never full.
_KEEPALIVE: dict[zmq.SocketOption, int] = {
    zmq.HEARTBEAT_IVL: 0,
    zmq.HEARTBEAT_TTL: 0,
    zmq.TCP_KEEPALIVE: 1,
    zmq.TCP_KEEPALIVE_IDLE: 1,
    zmq.TCP_KEEPALIVE_INTVL: 1,
    zmq.TCP_KEEPALIVE_CNT: 2,
}
#: Options that differ from `_OPTIONS`, by kind of socket.
_KIND_OPTIONS: dict[int, dict[zmq.SocketOption, int]] = {
    zmq.ROUTER: _KEEPALIVE,
    zmq.XPUB: _KEEPALIVE,
    zmq.PULL: _KEEPALIVE,
    zmq.SUB: _KEEPALIVE,
    zmq.DEALER: {zmq.RCVHWM: 0},  # credit limits the number of answers, each under 2 kB
}


def bind(context: zmq.Context[Any], name: str, endpoint: str, gate: Gate) -> tuple[Socket, str]:
    """Bind the door called `name` (see `DOORS`) to `endpoint`; the socket, and the endpoint with its real port.

    Port 0 takes a free one.

    Raises
    ------
    ServiceError
        for an endpoint that is not ``tcp://ADDRESS:PORT``, that other machines can reach though the `gate` is not
        locked, or that means all addresses of the machine, and for a port that is taken.
    """
    check_endpoint(endpoint)
    address = ipaddress.IPv4Address(endpoint.removeprefix("tcp://").partition(":")[0])
    if address.is_unspecified:
        raise ServiceError(f"refusing to listen on {endpoint}: give the one address that the clients use")
    if not address.is_loopback and not gate.locked:
        raise ServiceError(
            f"refusing to listen on {endpoint}: without keys, anyone who reaches that address could send and read; "
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
    """Parts of the next message, not copied; None if none waits. `heard` is called with the message first."""
    try:
        parts: Any = socket.recv_multipart(zmq.NOBLOCK, copy=False)
    except zmq.Again:
        return None
    if heard is not None:
        heard(parts)
    return [memoryview(part.buffer) for part in parts]


def make_socket(context: zmq.Context[Any], kind: int, high_water_mark: int) -> Socket:
    """Make a socket with the protocol's options, neither bound nor connected."""
    socket: Socket = context.socket(kind)
    socket.set_hwm(high_water_mark)
    for option, value in {**_OPTIONS, **_KIND_OPTIONS.get(kind, {})}.items():
        socket.setsockopt(option, value)
    return socket


def check_endpoint(endpoint: str, *, numeric: bool = True) -> None:
    """Raise `ServiceError` for an endpoint that is not ``tcp://HOST:PORT``; `numeric`: HOST must be an IPv4 address."""
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
