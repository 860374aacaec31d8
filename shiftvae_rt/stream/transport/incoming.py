"""Messages from producers: taken one at a time, and looked through while a long encoding runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from ..protocol.wire import MAX_FRAME_BYTES
from .meter import Meter
from .sockets import Socket, receive

__all__ = ["Incoming"]

#: Most messages that are looked at between two parts of a long encoding. With 64, one peer that sends PING without end
#: halves the rate of the others; 16 producers that wait for their turn send about four in a part of 1 ms.
_MAX_HEARD = 8
#: Most messages that are held back meanwhile; none are added once they hold as many bytes as a frame may have.
_MAX_HELD = 64


class Incoming:
    """The messages of the ingest socket in order of arrival, except for those that `hear_meanwhile` handles early.

    Parameters
    ----------
    socket
        Bound ROUTER socket; closed by its owner.
    meter
        Counts every message that was received.
    """

    def __init__(self, socket: Socket, meter: Meter) -> None:
        self._socket, self._meter = socket, meter
        self._held: deque[list[memoryview]] = deque()

    def __bool__(self) -> bool:
        """True if messages are held back here; more may wait in the socket."""
        return bool(self._held)

    def take(self) -> list[memoryview] | None:
        """Take the next message, which begins with the peer's address; None if none waits."""
        return self._held.popleft() if self._held else receive(self._socket, self._meter.heard)

    def hear_meanwhile(self, hear: Callable[[bytes, Sequence[memoryview]], bool]) -> None:
        """Offer `hear` the waiting messages; those that it does not handle (it returns False) are held for `take`."""
        heard: set[bytes] = set()
        for _ in range(_MAX_HEARD):
            if len(self._held) >= _MAX_HELD or sum(map(_bytes_of, self._held)) >= MAX_FRAME_BYTES:
                return
            message = receive(self._socket, self._meter.heard)
            if message is None:
                return
            peer = bytes(message[0])
            if not hear(peer, message[1:]):
                self._held.append(message)
            if peer in heard:  # ZeroMQ reads the peers in turn: every other peer with a message was heard
                return
            heard.add(peer)


def _bytes_of(message: list[memoryview]) -> int:
    return sum(part.nbytes for part in message)
