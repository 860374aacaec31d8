"""Ends the connections of peers that send without end, by a limit on the bytes of each that may wait.

libzmq limits how many messages of a peer wait and how large a part is. It limits neither the number of parts of a
message nor the number of topics that a reader subscribes to; both stay in our memory until the connection ends. So the
bytes that arrived over each connection are read from the system (``TCP_INFO``), and those of received messages are
subtracted. Only Linux provides this; on other systems nothing is limited.
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

#: Most bytes that ZeroMQ adds to a part, with keys.
_PART_BYTES = 64
#: Allowance for bytes outside messages: heartbeats, and a new subscription now and then.
_BYTES_A_SECOND = 512
#: Offset of ``tcpi_bytes_received`` in the ``struct tcp_info`` of Linux, bytes.
_RECEIVED_AT = 128


@dataclass
class _Connection:
    door: str
    peer: Any
    since_s: float
    allowed: int
    heard: int = 0


class Meter:
    """Bytes that arrived over each open connection. Thread-safe; connections are known by their file descriptor.

    Attributes
    ----------
    ended
        Number of connections that were ended.
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
        """Note that a peer connected to a door; `file` is the file descriptor of the connection."""
        if sys.platform != "linux":
            return
        with contextlib.suppress(OSError), _connection(file) as connection, self._lock:
            peer = connection.getpeername()
            self._connections[file] = _Connection(door, peer, now_s, DOORS[door].waiting_bytes)

    def disconnected(self, file: int) -> None:
        """Note that the connection ended."""
        with self._lock:
            self._connections.pop(file, None)
            for peer in [peer for peer, its in self._files.items() if its == file]:
                del self._files[peer]

    def heard(self, parts: list[zmq.Frame]) -> None:
        """Note that a message was received: it no longer waits."""
        file = parts[-1].get(zmq.SRCFD)
        with self._lock:
            connection = self._connections.get(file)
            if connection is not None:
                connection.heard += sum(len(part) + _PART_BYTES for part in parts)
                if DOORS[connection.door].kind == zmq.ROUTER:
                    self._files[parts[0].bytes] = file

    def allow(self, peer: bytes, nbytes: int) -> None:
        """Raise the limit of a peer by `nbytes` above that of its door. The peer must have sent a message before."""
        with self._lock:
            connection = self._connections.get(self._files.get(peer, -1))
            if connection is not None:
                connection.allowed = DOORS[connection.door].waiting_bytes + nbytes

    def check(self, now_s: float) -> None:
        """End every connection of which more bytes wait than are allowed."""
        with self._lock:
            for file, known in list(self._connections.items()):
                try:
                    with _connection(file) as connection:
                        allowed = known.allowed + known.heard + int(_BYTES_A_SECOND * (now_s - known.since_s))
                        received = _received_bytes(connection)
                        if received <= allowed or connection.getpeername() != known.peer:
                            continue
                        connection.shutdown(socket.SHUT_RDWR)
                except OSError:  # the connection has ended meanwhile
                    continue
                del self._connections[file]
                self.ended += 1
                host = known.peer[0]
                text = "%s was disconnected from %s: it sent %d bytes, where %d were allowed"
                self._log.warn(text, host, known.door, received, allowed)


def _connection(file: int) -> socket.socket:
    """Duplicate of a connection that ZeroMQ owns; closing it leaves ZeroMQ's own open."""
    copy = os.dup(file)
    try:
        return socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=copy)
    except OSError:  # the connection has ended, and its descriptor belongs to another file now
        os.close(copy)
        raise


def _received_bytes(connection: socket.socket) -> int:
    if sys.platform != "linux":
        return 0
    size = _RECEIVED_AT + 8
    information = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, size)
    return int(struct.unpack_from("Q", information, _RECEIVED_AT)[0]) if len(information) >= size else 0
