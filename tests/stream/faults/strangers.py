"""Strangers that do without end what a peer may do once, as fast as they can.

    python tests/stream/faults/strangers.py KIND HOST PORT

They speak ZMTP 3.0 without keys, byte for byte, and come back as soon as they are sent away, until they are killed.
They give way to everybody else: what they cost the service is to be seen, not what they cost the machine.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import sys
import time
from collections.abc import Iterator

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
_MORE = 1


def part(body: bytes, flags: int = 0) -> bytes:
    """One part of a message, or with flags 4 a command."""
    if len(body) < 256:
        return bytes((flags, len(body))) + body
    return bytes((flags | 2,)) + len(body).to_bytes(8, "big") + body


def ready(kind: bytes) -> bytes:
    """The command with which a socket says of what kind it is."""
    return part(b"\x05READY\x0bSocket-Type" + len(kind).to_bytes(4, "big") + kind, 4)


def request(**fields: object) -> bytes:
    return part(json.dumps(fields).encode())


HELLO = request(
    htype="HELLO", protocol=3, mode="live", stream="rogue", session="x", first_seq=1, clock="", clock_ns=1
)  # fmt: skip


def same(words: bytes) -> Iterator[bytes]:
    return itertools.repeat(words * max(1, 60_000 // len(words)))


def new_topics() -> Iterator[bytes]:
    for number in itertools.count():
        yield b"".join(part(b"\x01%020d" % (1000 * number + n)) for n in range(1000))


def wants() -> Iterator[bytes]:
    """Say HELLO, then that rows wait, a thousand times a second; they never come."""
    yield HELLO
    while True:
        yield request(htype="WANT", clock_ns=time.monotonic_ns())
        time.sleep(0.001)


#: By kind: the stranger's socket, and what it says when it is in.
KINDS = {
    "subscribes and unsubscribes": (b"SUB", lambda: same(part(b"\x01a") + part(b"\x00a"))),
    "subscribes to new topics": (b"SUB", new_topics),
    "subscribes to 60 MB": (b"SUB", lambda: same(part(b"\x01" + b"x" * 60_000_000))),
    "never ends a subscription": (b"SUB", lambda: same(part(b"x" * 400, _MORE))),
    "asks for the status": (b"DEALER", lambda: same(request(htype="STATUS"))),
    "never ends a request": (b"DEALER", lambda: same(part(b"x" * 4000, _MORE))),
    "says PING": (b"DEALER", lambda: itertools.chain([HELLO], same(request(htype="PING", clock_ns=1)))),
    "says WANT": (b"DEALER", wants),
    "says nothing but WANT": (b"DEALER", lambda: itertools.chain([HELLO], same(request(htype="WANT", clock_ns=1)))),
    "never ends a frame": (b"DEALER", lambda: same(part(b"x" * 60_000, _MORE))),
}


def enter(kind: bytes, address: tuple[str, int]) -> socket.socket:
    """A connection on which the handshake is done."""
    connection = socket.create_connection(address, timeout=5.0)
    shake_hands(connection, kind)
    return connection


def shake_hands(connection: socket.socket, kind: bytes) -> None:
    """Be let in as a socket of that kind, or OSError; what is said before the other side is READY ends a connection."""
    connection.sendall(GREETING + ready(kind))
    heard = b""
    while b"READY" not in heard:
        heard += (more := connection.recv(256))
        if not more:
            raise ConnectionResetError("sent away")


def run(name: str, address: tuple[str, int]) -> None:
    """Be that stranger until somebody kills us."""
    os.nice(19)
    kind, words = KINDS[name]
    while True:
        with contextlib.suppress(OSError), enter(kind, address) as connection:
            connection.settimeout(None)
            for each in words():
                connection.sendall(each)


if __name__ == "__main__":
    run(sys.argv[1], (sys.argv[2], int(sys.argv[3])))
