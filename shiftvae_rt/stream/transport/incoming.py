"""Messages of producers on their way in: one at a time, and those that wait while a long encoding runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from ..protocol.wire import MAX_FRAME_BYTES
from .meter import Meter
from .sockets import Socket, receive

__all__ = ["Incoming"]

#: Messages that are looked at between two parts of a long encoding: at 64, a peer that says PING without end halves the
#: others' maps; 16 producers that want the floor say four in a part of 1 ms.
_MAX_HEARD = 8
#: Messages that wait with us meanwhile; no more are taken once they hold as many bytes as a frame may.
_MAX_HELD = 64


class Incoming:
    """What comes over the ingest socket, in its order but for what can be dealt with at once.

    Parameters
    ----------
    socket
        Bound ROUTER socket; closed by its owner.
    meter
        Is told of every message that has reached us.
    """

    def __init__(self, socket: Socket, meter: Meter) -> None:
        self._socket, self._meter = socket, meter
        self._held: deque[list[memoryview]] = deque()

    def __bool__(self) -> bool:
        """Whether messages wait with us; there may be more in the socket."""
        return bool(self._held)

    def take(self) -> list[memoryview] | None:
        """Give the next message, the peer's address first; None if none waits."""
        return self._held.popleft() if self._held else receive(self._socket, self._meter.heard)

    def hear_meanwhile(self, hear: Callable[[bytes, Sequence[memoryview]], bool]) -> None:
        """Show `hear` the messages that are there; those that it does not deal with (False) wait for their turn."""
        for _ in range(_MAX_HEARD):
            if len(self._held) >= _MAX_HELD or sum(map(_bytes_of, self._held)) >= MAX_FRAME_BYTES:
                return
            message = receive(self._socket, self._meter.heard)
            if message is None:
                return
            if not hear(bytes(message[0]), message[1:]):
                self._held.append(message)


def _bytes_of(message: list[memoryview]) -> int:
    return sum(part.nbytes for part in message)
