"""200 readers that come and go, and readers that stop reading: nobody else notices, and memory stays bounded."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq
from serving import ANYWHERE, FRAME, LIMIT_S, wait_for
from soak import resident_bytes

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.kernels.window_grid import WindowGrid
from shiftvae_rt.latent_map import LatentMap
from shiftvae_rt.stream import Counters, Producer, Service, Subscriber
from shiftvae_rt.stream.protocol.wire import FrameHeader
from shiftvae_rt.stream.service import publisher
from shiftvae_rt.stream.service.publisher import Publisher
from shiftvae_rt.stream.transport.gatekeeper import Gatekeeper
from shiftvae_rt.stream.transport.sockets import bind

READERS = 200


@pytest.fixture
def service(tiny_model: Path) -> Iterator[Service]:
    with Service(LatentMapper(tiny_model), ingest=ANYWHERE, results=ANYWHERE) as service:
        yield service


def come_and_go(service: Service, producer: Producer, reader: Subscriber) -> int:
    """Let 200 readers join and leave while every frame is read by `reader`; how many frames that were."""
    chance, frames, joined = random.Random(0), 0, 0
    context = zmq.Context()
    context.set(zmq.MAX_SOCKETS, 4 * READERS)
    there: list[zmq.Socket[bytes]] = []
    try:
        while joined < READERS or there:
            for _ in range(min(4, READERS - joined)):
                there.append(context.socket(zmq.SUB))
                there[-1].setsockopt(zmq.LINGER, 0)
                there[-1].setsockopt(zmq.SUBSCRIBE, b"")
                there[-1].connect(service.results)
                joined += 1
            if joined == READERS // 2:  # the first goes when half of them have come
                assert service.wait_for_readers(READERS // 2 + 1, LIMIT_S)
            for _ in range(6 if joined >= READERS // 2 else 0):
                if there:
                    there.pop(chance.randrange(len(there))).close()
            producer.offer(FRAME, number=frames)
            producer.wait(LIMIT_S)
            result = reader.receive(LIMIT_S)
            assert result is not None
            assert result.frame == frames
            frames += 1
        return frames
    finally:
        context.destroy(linger=0)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(sys.platform != "linux", reason="memory and files are counted in /proc")
def test_200_readers_that_join_and_leave_are_nobody_elses_business(service: Service) -> None:
    with Producer(service.ingest, stream="s", mode="replay") as producer, Subscriber(service.results) as reader:
        reader.wait_ready(LIMIT_S)
        assert service.wait_for_readers(1, LIMIT_S)
        memory, files = resident_bytes(), open_files()
        frames = come_and_go(service, producer, reader)
        wait_for(lambda: service.status().readers == 1)
        assert reader.gaps == 0
        assert service.report().total == Counters(offered=frames, processed=frames)
        wait_for(lambda: open_files() <= files)
        assert resident_bytes() - memory < 64 << 20


def test_a_publisher_that_does_not_hear_of_every_reader_is_caught(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """The mutant of the test above: ZeroMQ tells of the first reader and of the last only."""
    begin = Publisher.__init__

    def careless(self: Publisher, socket: Any, epoch: str) -> None:
        begin(self, socket, epoch)
        socket.setsockopt(zmq.XPUB_VERBOSER, 0)

    monkeypatch.setattr(Publisher, "__init__", careless)
    monkeypatch.setattr(sys.modules[__name__], "LIMIT_S", 1.0)
    service = request.getfixturevalue("service")
    with Producer(service.ingest, stream="s", mode="replay") as producer, Subscriber(service.results) as reader:
        reader.wait_ready(LIMIT_S)
        with pytest.raises(AssertionError):
            come_and_go(service, producer, reader)


SLEEPER = """
import sys, zmq
socket = zmq.Context().socket(zmq.SUB)
socket.setsockopt(zmq.SUBSCRIBE, b"")
socket.rcvhwm = 1
socket.connect(sys.argv[1])
print("ready", flush=True)
sys.stdin.read()
"""


def map_of(pixels: int) -> tuple[LatentMap, FrameHeader]:
    """A whole map at stride 1, and the header of its frame."""
    grid = WindowGrid((pixels, pixels), (16, 16), 1)
    values = np.zeros((4, grid.rows, grid.cols), np.float32)
    latent_map = LatentMap(
        mean=values,
        std=values,
        names=("dy", "dx", "z1", "z2"),
        units=("px", "px", "", ""),
        varies=(True,) * 4,
        grid=grid,
        model_sha256="0" * 64,
        pixel_size_nm=None,
    )
    header = FrameHeader(
        htype="array-1.0",
        type="uint8",
        dtype="uint8",
        shape=(pixels, pixels),
        encoding="little",
        order="C",
        frame=0,
        series=0,
        source="s",
        name="",
        context="",
        frame_shape=(pixels, pixels),
        roi=(0, 0, pixels, pixels),
        valid_rows=pixels,
        complete=True,
        seq=1,
        pixel_size_nm=None,
        clock_ns=0,
        utc_ns=0,
    )
    return latent_map, header


def growth_mib(size: int, messages: int, limit: int | None = None) -> float:
    """Growth of memory while a reader that is stopped gets `messages` maps of frames of `size` px.

    It is that of a new process: memory that earlier tests have freed would hide it.
    """
    with get_context("spawn").Pool(1) as pool:
        return pool.apply_async(own_growth_mib, (size, messages, limit)).get(LIMIT_S)


def own_growth_mib(size: int, messages: int, limit: int | None) -> float:
    """The same of this process, with another limit of the bytes that wait, if one is given."""
    publisher._MAX_WAITING_BYTES = limit or publisher._MAX_WAITING_BYTES
    context = zmq.Context()
    gatekeeper = Gatekeeper(context)
    socket, endpoint = bind(context, "results", ANYWHERE, gatekeeper)
    results = Publisher(socket, "epoch")
    latent_map, header = map_of(size)
    with subprocess.Popen(
        [sys.executable, "-c", SLEEPER, endpoint], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as reader:
        assert reader.stdout.readline() == b"ready\n"
        wait_for(lambda: results.welcome_readers() or results.readers == 1)
        os.kill(reader.pid, signal.SIGSTOP)
        before = resident_bytes()
        for _ in range(messages):
            results.publish(latent_map, header, age_s=0.0, counters=Counters())
        grown = resident_bytes() - before
        reader.kill()
    gatekeeper.close()
    context.destroy(linger=0)
    return grown / 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.parametrize(("size", "messages"), [(80, 2000), (512, 60)], ids=["small maps", "maps of 8 MB"])
def test_a_reader_that_is_stopped_costs_no_more_than_the_budget(size: int, messages: int) -> None:
    assert growth_mib(size, messages) < 64


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_publisher_that_counts_messages_and_no_bytes_is_caught() -> None:
    assert growth_mib(512, 20, limit=1 << 40) > 64


def test_a_result_that_no_memory_is_left_for_is_counted_by_the_readers_as_missed(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with Producer(service.ingest, stream="s", mode="replay") as producer, Subscriber(service.results) as reader:
        reader.wait_ready(LIMIT_S)
        assert service.wait_for_readers(1, LIMIT_S)
        for number in range(3):
            with monkeypatch.context() as patch:
                if number == 1:
                    patch.setattr(publisher, "result_message", no_memory)
                producer.offer(FRAME, number=number)
                producer.wait(LIMIT_S)
        received = [reader.receive(LIMIT_S).frame for _ in range(2)]
        assert (received, reader.gaps) == ([0, 2], 1)
    assert producer.counters.processed == 3
    assert "was not published" in caplog.text


def no_memory(*_: Any, **__: Any) -> Any:
    raise MemoryError("Unable to allocate 47.5 MiB")
