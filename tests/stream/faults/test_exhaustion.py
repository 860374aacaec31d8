"""Descriptors, memory and messages without end: a service that runs out of something goes on with what it has."""

from __future__ import annotations

import contextlib
import multiprocessing
import socket
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq
from serving import ANYWHERE, FRAME, LIMIT_S, Serving
from soak import resident_bytes
from strangers import shake_hands

from shiftvae_rt.stream import (
    Control,
    Counters,
    KeyFolder,
    LosslessProducer,
    Producer,
)
from shiftvae_rt.stream.transport.gatekeeper import Gatekeeper
from shiftvae_rt.stream.transport.meter import Meter
from shiftvae_rt.stream.transport.sockets import bind

Make = Callable[..., Any]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits and memory are those of Linux")

FEW_DESCRIPTORS = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
"""
#: Once the model is loaded, 90 MiB more and nothing else: a frame of 49 MB, but not its maps of 98 MB.
LITTLE_MEMORY = """
import resource
from pathlib import Path
from shiftvae_rt.stream import Service
run = Service.run
def capped(self):
    size = next(int(line.split()[1]) * 1024 for line in Path("/proc/self/status").read_text().splitlines()
                if line.startswith("VmSize"))
    resource.setrlimit(resource.RLIMIT_AS, (size + (90 << 20),) * 2)
    run(self)
Service.run = capped
"""


def connections(endpoint: str, count: int) -> list[socket.socket]:
    """TCP connections that say nothing; as many as the other side's backlog takes."""
    host, _, port = endpoint.removeprefix("tcp://").partition(":")
    made = []
    for _ in range(count):
        connection = socket.socket()
        connection.settimeout(0.2)
        with contextlib.suppress(OSError):
            connection.connect((host, int(port)))
        made.append(connection)
    return made


def descriptors(serving: Serving) -> int:
    return len(list(Path(f"/proc/{serving.pid}/fd").iterdir()))


@pytest.mark.clock
def test_without_a_free_descriptor_the_streams_go_on_and_newcomers_come_in_afterwards(
    shiftvae_serve: Make, tmp_path: Path
) -> None:
    serving: Serving = shiftvae_serve("--journal", tmp_path / "j", "--http", "127.0.0.1:0", code=FEW_DESCRIPTORS)
    with LosslessProducer(serving.ingest, stream="exact") as exact, Control(serving.control) as control:
        exact.send(FRAME)
        exact.flush(LIMIT_S)
        flood = [*connections(serving.ingest, 60), *connections(serving.control, 60)]
        deadline = time.monotonic() + LIMIT_S
        while descriptors(serving) < 64:
            assert time.monotonic() < deadline, "the flood was to take the last descriptor"
            time.sleep(0.01)
        for _ in range(20):
            exact.send(FRAME)
        assert exact.flush(LIMIT_S).processed == 21, "who is in goes on"
        assert control.status().report.total.processed == 21
        for connection in flood:
            connection.close()
        with Producer(serving.ingest, stream="late", mode="replay") as late:
            late.wait_ready(LIMIT_S)
            late.offer(FRAME)
            assert late.wait(LIMIT_S).processed == 1
        with urllib.request.urlopen(f"http://{serving.http}/livez", timeout=LIMIT_S) as answer:
            assert answer.status == 200
    assert exact.counters.processed == 21


def test_a_frame_that_the_memory_does_not_hold_is_quarantined_and_the_next_one_processed(
    shiftvae_serve: Make,
) -> None:
    serving: Serving = shiftvae_serve("--stride", 4, code=LITTLE_MEMORY)
    large = np.random.default_rng(0).integers(0, 200, (7000, 7000)).astype(np.uint8)
    with Producer(serving.ingest, stream="s", mode="replay") as producer:
        for pixels in (FRAME, large, FRAME):
            producer.offer(pixels)
            producer.wait(LIMIT_S)
    assert producer.confirmed
    assert producer.counters == Counters(offered=3, processed=2, quarantined=1)


#: A part of 100 kB that says that more will come.
PART = b"\x03" + (100_000).to_bytes(8, "big") + bytes(100_000)


def growth_mib(folder: Path, *, guarded: bool, metered: bool = True) -> float:
    """Growth of the memory of a fresh process, see `grown_mib`."""
    with multiprocessing.get_context("spawn").Pool(1) as fresh:
        return fresh.apply(grown_mib, (folder, guarded, metered))


def grown_mib(folder: Path, guarded: bool, metered: bool) -> float:
    """Growth of our memory while a stranger sends 60 MB of a message that never ends to a socket of ours."""
    if not metered:
        Meter.check = lambda *_: None  # type: ignore[method-assign]
    context = zmq.Context()
    gatekeeper = Gatekeeper(context, KeyFolder.create(folder / "keys") if guarded else None)
    server, endpoint = bind(context, "ingest", ANYWHERE, gatekeeper)
    (stranger,) = connections(endpoint, 1)
    before = resident_bytes()
    with stranger:
        stranger.settimeout(LIMIT_S)
        with contextlib.suppress(OSError):  # with keys it is not let in
            shake_hands(stranger, b"DEALER")
            for _ in range(600):
                stranger.sendall(PART)
        settled = time.monotonic() + 3  # libzmq may still be reading; it frees all when the stranger goes
        while resident_bytes() - before < 45 << 20 and time.monotonic() < settled:
            time.sleep(0.05)
        grown = resident_bytes() - before
    server.close()
    gatekeeper.close()
    context.destroy(linger=0)
    return grown / 2**20


@pytest.mark.parametrize("guarded", [True, False], ids=["with keys", "without keys"])
def test_a_stranger_with_an_endless_message_takes_little_memory(tmp_path: Path, guarded: bool) -> None:
    assert growth_mib(tmp_path, guarded=guarded) < (20 if guarded else 64)


def test_without_a_meter_an_endless_message_would_take_it(tmp_path: Path) -> None:
    """The mutant of the test above."""
    assert growth_mib(tmp_path, guarded=False, metered=False) > 40


def test_http_clients_that_never_finish_are_sent_away_and_others_are_answered(shiftvae_serve: Make) -> None:
    serving: Serving = shiftvae_serve("--http", "127.0.0.1:0")
    threads = Path(f"/proc/{serving.pid}/task")
    before = len(list(threads.iterdir()))
    with contextlib.ExitStack() as closing:
        host, _, port = serving.http.partition(":")
        for _ in range(30):
            connection = closing.enter_context(socket.create_connection((host, int(port)), LIMIT_S))
            connection.sendall(b"GET /livez HTTP/1.1\r\n")
        with urllib.request.urlopen(f"http://{serving.http}/readyz", timeout=LIMIT_S) as answer:
            assert answer.read() == b"ready\n"
        most = 2 * 16 + 8  # a request and its deadline, of sixteen at once; and what the service may start late
        assert len(list(threads.iterdir())) < before + most, "no thread for each"
