"""The socket of a client: it connects, tells what becomes of the connection, and can be exchanged for a new one."""

from __future__ import annotations

from enum import Enum, auto

import zmq
from zmq.utils.monitor import recv_monitor_message

from ...errors import ServiceError
from .keys import ClientKey
from .sockets import check_endpoint, make_socket

__all__ = ["REFUSED_S", "Connection", "Event"]

#: How long to wait for a connection after a refusal: it may have been that of a service that was just ending, and
#: ZeroMQ tries again.
REFUSED_S = 0.5


class Event(Enum):
    """What has become of a connection."""

    REACHED = auto()  #: somebody listens at the endpoint, and has not let us in yet
    READY = auto()  #: the other side has let us in
    REFUSED = auto()  #: it did not: because of our key, or because it does not speak our protocol
    ENDED = auto()  #: there is no connection any more; ZeroMQ tries to make another


_EVENTS: dict[int, Event] = {
    zmq.EVENT_CONNECTED: Event.REACHED,
    zmq.EVENT_HANDSHAKE_SUCCEEDED: Event.READY,
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: Event.REFUSED,
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: Event.REFUSED,
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: Event.REFUSED,
    zmq.EVENT_DISCONNECTED: Event.ENDED,
}


class Connection:
    """A socket that connects to `endpoint`, now or as soon as somebody listens there. Belongs to one thread; close it.

    Parameters
    ----------
    kind
        ``zmq.DEALER``, or ``zmq.SUB``, which subscribes to everything.
    endpoint
        ``tcp://HOST:PORT``.
    high_water_mark
        Messages that may wait in ZeroMQ's hands, each way.
    key
        Ours, if the service asks for one.

    Attributes
    ----------
    socket, monitor
        Of the moment, to poll; see `event` for the second.

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
        """Exchange the socket for a new one: no answer to the old one can be taken for one to the new."""
        self._disconnect()
        self._connect()

    def event(self) -> Event | None:
        """Give what the monitor says next; None if it says nothing."""
        if not self.monitor.poll(0):
            return None
        return _EVENTS[recv_monitor_message(self.monitor)["event"]]

    def close(self) -> None:
        """Leave; may be called twice."""
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
            self.socket.setsockopt(zmq.IMMEDIATE, 1)  # a message waits with us, not in a queue for one who may not come
        # Before connect: a monitor that comes later misses the handshake of a fast peer.
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
