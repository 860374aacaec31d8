"""The socket of a client: connects, reports the state of the connection, and can be replaced by a new socket."""

from __future__ import annotations

from enum import Enum, auto

import zmq
from zmq.utils.monitor import recv_monitor_message

from ...errors import ServiceError
from .keys import ClientKey
from .sockets import check_endpoint, make_socket

__all__ = ["REFUSED_S", "Connection", "Event"]

#: Time to wait for a connection after a refusal, s: a service that is just ending refuses too, and ZeroMQ tries again.
REFUSED_S = 0.5


class Event(Enum):
    """A change in the state of a connection."""

    REACHED = auto()  #: a process listens at the endpoint; the handshake is not complete yet
    READY = auto()  #: the handshake is complete: messages can be sent
    REFUSED = auto()  #: the handshake failed, because of our key or because the peer speaks another protocol
    ENDED = auto()  #: the connection ended; ZeroMQ tries to make another


_EVENTS: dict[int, Event] = {
    zmq.EVENT_CONNECTED: Event.REACHED,
    zmq.EVENT_HANDSHAKE_SUCCEEDED: Event.READY,
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: Event.REFUSED,
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: Event.REFUSED,
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: Event.REFUSED,
    zmq.EVENT_DISCONNECTED: Event.ENDED,
}


class Connection:
    """A socket that connects to `endpoint`, now or as soon as a service listens there. Used by one thread; close it.

    Parameters
    ----------
    kind
        ``zmq.DEALER``, or ``zmq.SUB``, which subscribes to everything.
    endpoint
        ``tcp://HOST:PORT``.
    high_water_mark
        Messages that ZeroMQ may queue, in each direction.
    key
        The client's key, if the service requires one.

    Attributes
    ----------
    socket, monitor
        The current socket and its monitor, for polling; read the monitor with `event`. `renew` replaces both.

    Raises
    ------
    ServiceError
        for an endpoint that is not one.
    """

    def __init__(self, kind: int, endpoint: str, *, high_water_mark: int, key: ClientKey | None = None) -> None:
        check_endpoint(endpoint, numeric=False)
        self._kind, self._endpoint, self._high_water_mark, self._key = kind, endpoint, high_water_mark, key
        self._context = zmq.Context()
        try:
            self._connect()
        except ServiceError:
            self._context.term()
            raise

    def renew(self) -> None:
        """Replace the socket by a new one, so that a late answer on the old one is never read."""
        self._disconnect()
        self._connect()

    def event(self) -> Event | None:
        """Take the next event from the monitor; None if there is none."""
        if not self.monitor.poll(0):
            return None
        return _EVENTS[recv_monitor_message(self.monitor)["event"]]

    def close(self) -> None:
        """Close the socket; may be called twice."""
        if not self.socket.closed:
            self._disconnect()
            self._context.term()

    def _connect(self) -> None:
        self.socket = make_socket(self._context, self._kind, self._high_water_mark)
        if self._key is not None:
            self.socket.curve_publickey, self.socket.curve_secretkey = (
                self._key.public.encode(),
                self._key.secret.encode(),
            )
            self.socket.curve_serverkey = self._key.server.encode()
        if self._kind == zmq.SUB:
            self.socket.setsockopt(zmq.SUBSCRIBE, b"")
        else:
            self.socket.setsockopt(zmq.IMMEDIATE, 1)  # never queue a message for a peer that is not connected
        # The monitor comes before connect, or it would miss the handshake of a fast peer.
        self.monitor = self.socket.get_monitor_socket(sum(_EVENTS))
        try:
            self.socket.connect(self._endpoint)
        except zmq.ZMQError as error:
            self._disconnect()
            raise ServiceError(f"cannot connect to {self._endpoint}: {error}") from None

    def _disconnect(self) -> None:
        self.socket.disable_monitor()
        self.monitor.close()
        self.socket.close()
