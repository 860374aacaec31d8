"""Ends the connections of peers that send without end: what waits of each is bounded in bytes.

libzmq bounds how many messages of a peer wait, and how large a part is. It does not bound how many parts a message
has, nor how many topics a reader subscribes to: both lie in our memory until the connection ends. So the bytes that
came over each connection are read from the system (``TCP_INFO``), and those of messages that reached us are taken off.
Linux alone tells them; elsewhere nothing is metered.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import struct
import sys
import threading
from dataclasses import dataclass
from typing import Any

import zmq

from .sockets import DOORS
from .sparse_log import SparseLog

__all__ = ["Meter"]

#: What ZeroMQ adds to a part, with keys, at most.
_PART_BYTES = 64
#: What a connection may say beside messages: heartbeats, and new subscriptions now and then.
_BYTES_A_SECOND = 512
#: Place of ``tcpi_bytes_received`` in Linux' ``struct tcp_info``.
_RECEIVED_AT = 128


@dataclass
class _Connection:
    door: str
    peer: Any
    since_s: float
    allowed: int
    heard: int = 0


class Meter:
    """The connections of the moment, by the number of their file, and what came over each. May be used from any thread.

    Attributes
    ----------
    ended
        Connections that were ended.
    """

    def __init__(self) -> None:
        self.ended = 0
        self._log = SparseLog(logging.getLogger(__name__))
        self._lock = threading.Lock()
        self._connections: dict[int, _Connection] = {}
        self._files: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._connections)

    def accepted(self, door: str, file: int, now_s: float) -> None:
        """A peer connected to a door; `file` is the number of the connection's file."""
        if sys.platform != "linux":
            return
        with contextlib.suppress(OSError), _connection(file) as connection, self._lock:
            peer = connection.getpeername()
            self._connections[file] = _Connection(door, peer, now_s, DOORS[door].waiting_bytes)

    def disconnected(self, file: int) -> None:
        """That connection is no more."""
        with self._lock:
            self._connections.pop(file, None)
            for peer in [peer for peer, its in self._files.items() if its == file]:
                del self._files[peer]

    def heard(self, parts: list[zmq.Frame]) -> None:
        """A message has reached us: it does not wait any more."""
        file = parts[-1].get(zmq.SRCFD)
        with self._lock:
            connection = self._connections.get(file)
            if connection is not None:
                connection.heard += sum(len(part) + _PART_BYTES for part in parts)
                if DOORS[connection.door].kind == zmq.ROUTER:
                    self._files[parts[0].bytes] = file

    def allow(self, peer: bytes, nbytes: int) -> None:
        """Let `nbytes` more wait of a peer that we have heard."""
        with self._lock:
            connection = self._connections.get(self._files.get(peer, -1))
            if connection is not None:
                connection.allowed = DOORS[connection.door].waiting_bytes + nbytes

    def check(self, now_s: float) -> None:
        """End the connections over which more has come than may wait."""
        with self._lock:
            for file, known in list(self._connections.items()):
                try:
                    with _connection(file) as connection:
                        allowed = known.allowed + known.heard + int(_BYTES_A_SECOND * (now_s - known.since_s))
                        received = _received_bytes(connection)
                        if received <= allowed or connection.getpeername() != known.peer:
                            continue
                        connection.shutdown(socket.SHUT_RDWR)
                except OSError:  # it ended meanwhile
                    continue
                del self._connections[file]
                self.ended += 1
                host = known.peer[0]
                self._log.warn("%s sent %d bytes to %s where %d may wait: cut off", host, received, known.door, allowed)


def _connection(file: int) -> socket.socket:
    """The connection of which ZeroMQ has the file; closing it closes ours alone."""
    copy = os.dup(file)
    try:
        return socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=copy)
    except OSError:  # the connection has ended, and its number is that of something else now
        os.close(copy)
        raise


def _received_bytes(connection: socket.socket) -> int:
    size = _RECEIVED_AT + 8
    information = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, size)
    return int(struct.unpack_from("Q", information, _RECEIVED_AT)[0]) if len(information) >= size else 0
