"""The client's C library and peers that are no service: the host's process lives, and the counts add up."""

from __future__ import annotations

import resource
import socket
import sys
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from client_library import SVC, until

pytestmark = [
    pytest.mark.timeout(600),  # the first test builds the library
    pytest.mark.skipif(sys.platform != "linux", reason="memory is measured as Linux counts it"),
]
FRAME = np.zeros((40, 48), np.uint16)
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + bytes(32)


def ready(kind: bytes) -> bytes:
    body = b"\x05READY\x0bSocket-Type" + len(kind).to_bytes(4, "big") + kind
    return b"\x04" + bytes([len(body)]) + body


def announced(size: int) -> bytes:
    """The beginning of a message of `size` bytes, in ZMTP 3."""
    return b"\x02" + size.to_bytes(8, "big") + b"{"


#: What a stranger sends: at once, and once the client is ready.
SENT = {
    "noise": lambda kind: (np.random.default_rng(0).bytes(4096), b""),
    "http": lambda kind: (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    "half a greeting": lambda kind: (GREETING[:20], b""),
    "a command of 4 EiB": lambda kind: (GREETING + b"\x06" + (1 << 62).to_bytes(8, "big"), b""),
    "a message of 4 EiB": lambda kind: (GREETING + ready(kind), announced(1 << 62)),
    "a message of 1 GiB": lambda kind: (GREETING + ready(kind), announced(1 << 30)),
    "a message that is no JSON": lambda kind: (GREETING + ready(kind), b"\x00\x04{{{{" * 20),
    "messages of a hundred parts": lambda kind: (GREETING + ready(kind), (b"\x01\x00" * 99 + b"\x00\x00") * 20),
}


class Stranger:
    """Sends the same bytes to whoever connects, and counts those that were sent everything."""

    def __init__(self, sent: tuple[bytes, bytes]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        self.sent, self.met, self.open = sent, 0, []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            self.open.append(peer)
            at_once, later = self.sent
            heard = b""
            try:
                peer.sendall(at_once)
                while later and b"READY" not in heard:
                    heard += peer.recv(4096)
                peer.sendall(later)
            except OSError:
                continue
            self.met += 1

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        for each in (self.listener, *self.open):
            each.close()


@pytest.fixture
def stranger() -> Iterator[Callable[[tuple[bytes, bytes]], Stranger]]:
    made: list[Stranger] = []

    def make(sent: tuple[bytes, bytes]) -> Stranger:
        made.append(Stranger(sent))
        return made[-1]

    yield make
    for each in made:
        each.close()


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.parametrize("what", SENT)
def test_a_stranger_at_the_port_harms_nobody(what, stranger, produce, read):
    ingest, results = (stranger(SENT[what](kind)) for kind in (b"ROUTER", b"XPUB"))
    before = peak_mib()
    producer, reader = produce(ingest.endpoint), read(results.endpoint)
    producer.format(FRAME)
    for number in range(5):
        assert producer.offer(number, FRAME) == SVC["OK"]
    until(lambda: ingest.met and results.met)
    assert not reader.next(0.1)
    assert producer.wait(0.1) == SVC["NONE"]
    assert producer.end(0.1) == SVC["NONE"]
    assert producer.counters == [5, 0, 5, 0, 0, 0, 0, 0]
    assert len(producer.outcomes()) == 5
    if what in ("a message that is no JSON", "messages of a hundred parts"):
        fault = "control message is not JSON" if "JSON" in what else "an answer has one part, got 100"
        assert f"breaks protocol 3: {fault}" in producer.status
        until(lambda: reader.counters[SVC["INVALID"]] >= 20)
        assert "two parts" in reader.error
    assert peak_mib() - before < 64
