"""R4, R7, R8: hung and dead peers, poison frames, swaps and stops under load."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shiftvae_rt.errors import ServiceError
from shiftvae_rt.mapper import LatentMapper
from shiftvae_rt.stream import Control, LosslessProducer, Options, Producer, Service
from shiftvae_rt.stream.encoding import Encoding
from shiftvae_rt.stream.journal import MAX_CRASHES

Make = Callable[..., Any]
LONG = os.environ.get("SHIFTVAE_LONG") == "1"
LIMIT_S = 20.0
FRAME = np.random.default_rng(0).poisson(40, (40, 40)).astype(np.uint16)
ANYWHERE = "tcp://127.0.0.1:0"


class Serving:
    """`shiftvae serve` in a process of its own."""

    def __init__(self, model: Path, *options: object, ingest: str = ANYWHERE, code: str = "") -> None:
        run = [sys.executable, "-c", f"{code}\nimport sys\nfrom shiftvae_rt.cli import main\nsys.exit(main())"]
        command = [*run, "serve", str(model), "--ingest", ingest, "--results", ANYWHERE, "--control", ANYWHERE]
        self.process = subprocess.Popen(
            [*command, "--http", "off", "--json", *map(str, options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self.ready = json.loads(self.process.stdout.readline())

    def __getattr__(self, name: str) -> Any:
        return self.ready[name]

    def end(self, number: int) -> float:
        """Seconds from the signal to the end of the process."""
        started = time.monotonic()
        self.process.send_signal(number)
        self.process.communicate(timeout=LIMIT_S)
        return time.monotonic() - started


@pytest.fixture
def shiftvae_serve(tiny_model: Path) -> Iterator[Callable[..., Serving]]:
    running: list[Serving] = []

    def start(*options: object, **more: Any) -> Serving:
        running.append(Serving(tiny_model, *options, **more))
        return running[-1]

    yield start
    for serving in running:
        serving.process.kill()
        serving.process.communicate()


def wait_for(condition: Callable[[], bool], limit_s: float = LIMIT_S) -> float:
    """Seconds until it holds."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < limit_s, "it did not happen in time"
        time.sleep(0.005)
    return time.monotonic() - started


@pytest.mark.parametrize("lossless", [False, True], ids=["live", "lossless"])
def test_a_hung_service_is_noticed_within_2_5_seconds_and_resumed_within_3(
    shiftvae_serve: Make, tmp_path: Path, lossless: bool
) -> None:
    serving: Serving = shiftvae_serve("--journal", tmp_path / "j")
    producer: Any
    if lossless:
        producer = LosslessProducer(serving.ingest, stream="s")
        producer.wait_ready(LIMIT_S)
        producer.send(FRAME)
        producer.flush(LIMIT_S)
    else:
        producer = Producer(serving.ingest, stream="s")
        producer.wait_ready(LIMIT_S)
    serving.process.send_signal(signal.SIGSTOP)
    assert wait_for(lambda: "silent" in producer.last_error or "ended" in producer.last_error) < 2.5
    serving.process.send_signal(signal.SIGCONT)
    assert wait_for(lambda: producer._link.state == "open") < 3.0
    if lossless:
        producer.send(FRAME)
        assert producer.end(LIMIT_S).processed == 2
    else:
        producer.close(LIMIT_S)


def test_a_dead_service_is_noticed_at_once_and_a_new_one_found_within_3_seconds(
    shiftvae_serve: Make, tmp_path: Path
) -> None:
    serving: Serving = shiftvae_serve("--journal", tmp_path / "j")
    producer = LosslessProducer(serving.ingest, stream="s")
    producer.send(FRAME)
    producer.flush(LIMIT_S)
    serving.process.kill()
    serving.process.wait()
    assert wait_for(lambda: bool(producer.last_error)) < 2.5
    again: Serving = shiftvae_serve("--journal", tmp_path / "j", ingest=serving.ingest)
    assert wait_for(lambda: producer._link.state == "open") < 3.0
    producer.send(FRAME)
    assert producer.end(LIMIT_S).processed == 2
    assert again.end(signal.SIGTERM) < 5.0


POISON = """
import os, signal
from shiftvae_rt.mapper import LatentMapper
whole = LatentMapper.map
def poisoned(self, frame, **options):
    if frame[0, 0] == 4242:
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(self, frame, **options)
LatentMapper.map = poisoned
"""


def test_a_poison_frame_is_quarantined_after_three_deaths_and_all_others_are_processed(
    shiftvae_serve: Make, tmp_path: Path
) -> None:
    serving: Serving = shiftvae_serve("--journal", tmp_path / "j", code=POISON)
    poison = FRAME.copy()
    poison[0, 0] = 4242
    producer = LosslessProducer(serving.ingest, stream="s")
    for number in range(1, 11):
        producer.send(poison if number == 5 else FRAME, number=number)
    deaths = 0
    ended = threading.Thread(target=lambda: producer.end(60))
    ended.start()
    while ended.is_alive() and deaths < 6:
        if serving.process.poll() is None:
            time.sleep(0.02)
            continue
        deaths += 1
        serving = shiftvae_serve("--journal", tmp_path / "j", ingest=serving.ingest, code=POISON)
    ended.join(LIMIT_S)
    assert deaths == MAX_CRASHES
    counters = producer.counters
    assert (counters.offered, counters.processed, counters.quarantined) == (10, 9, 1)
    with Control(serving.control) as control:
        records = list(control.records("s"))
    assert [record.seq for record in records if record.outcome == "quarantined"] == [5]
    assert "died 3 times with this frame in hand" in records[4].reason


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@pytest.mark.timeout(1200 if LONG else 120)
def test_every_stop_under_load_is_in_order_and_within_5_seconds(
    shiftvae_serve: Make, tmp_path: Path, number: int
) -> None:
    slowest, sent = 0.0, 0
    producer, stops = None, 50 if LONG else 2
    ingest = ANYWHERE
    for _ in range(stops):
        serving: Serving = shiftvae_serve("--journal", tmp_path / "j", ingest=ingest)
        ingest = serving.ingest
        producer = producer or LosslessProducer(ingest, stream="s")
        for _ in range(20):
            sent = producer.send(FRAME, timeout_s=LIMIT_S)
        slowest = max(slowest, serving.end(number))
        assert serving.process.returncode == 0
    assert slowest < 5.0
    serving = shiftvae_serve("--journal", tmp_path / "j", ingest=ingest)
    assert producer.end(LIMIT_S).processed == sent == 20 * stops
    print(f"{stops} stops, the slowest {slowest:.2f} s")


def test_a_second_signal_leaves_at_once_and_loses_nothing_acknowledged(shiftvae_serve: Make, tmp_path: Path) -> None:
    serving: Serving = shiftvae_serve("--journal", tmp_path / "j")
    producer = LosslessProducer(serving.ingest, stream="s")
    for _ in range(50):
        producer.send(FRAME)
    serving.process.send_signal(signal.SIGTERM)
    serving.process.send_signal(signal.SIGTERM)
    serving.process.communicate(timeout=5.0)
    known = producer.committed
    again: Serving = shiftvae_serve("--journal", tmp_path / "j", ingest=serving.ingest)
    assert producer.end(LIMIT_S).processed == 50
    with Control(again.control) as control:
        assert control.streams().streams[0].last_seq >= known


@pytest.fixture
def swapping(tmp_path: Path, tiny_model: Path) -> Iterator[tuple[Service, LatentMapper, LatentMapper]]:
    from tiny_models import write_tiny_model

    other = LatentMapper(write_tiny_model(tmp_path / "other.svae", seed=3))
    mapper = LatentMapper(tiny_model)
    with Service(
        mapper, ingest=ANYWHERE, results=ANYWHERE, options=Options(control=ANYWHERE, journal=tmp_path / "j")
    ) as service:
        yield service, mapper, other


def swap_under_load(service: Service, mapper: LatentMapper, other: LatentMapper, swaps: int) -> list[tuple[int, str]]:
    """Swap to and fro while frames flow; the number and the model of every result whose values are that model's."""
    expected = {each.model.sha256: each.map(FRAME).mean for each in (mapper, other)}
    with LosslessProducer(service.ingest, stream="s") as producer:
        for number in range(swaps * 10):
            if number % 10 == 5:
                service._encoding.swap(other if number % 20 == 5 else mapper)
            producer.send(FRAME, number=number)
            if number % 10 == 9:
                producer.flush(LIMIT_S)
    results = []
    with Control(service.control) as control:
        for record in control.records("s"):
            assert record.result is not None
            sha256 = record.result.latent_map.model_sha256
            right = np.array_equal(record.result.latent_map.mean, expected[sha256])
            results.append((record.result.frame, sha256 if right else "wrong"))
    return results


def test_200_swaps_under_load_lose_no_frame_and_every_result_names_its_model(swapping: Any) -> None:
    service, mapper, other = swapping
    results = swap_under_load(service, mapper, other, 200)
    assert [frame for frame, _ in results] == list(range(2000))
    assert {sha256 for _, sha256 in results} == {mapper.model.sha256, other.model.sha256}
    assert service.status().swaps == 200


def test_a_result_that_names_the_wrong_model_is_caught(swapping: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    service, mapper, other = swapping
    encode = Encoding.encode

    def lying(self: Encoding, *arguments: Any) -> Any:
        latent_map = encode(self, *arguments)
        return latent_map and dataclasses.replace(latent_map, model_sha256=mapper.model.sha256)

    monkeypatch.setattr(Encoding, "encode", lying)
    assert "wrong" in {sha256 for _, sha256 in swap_under_load(service, mapper, other, 20)}


class Stuck:
    """A model that never comes back, until it is terminated."""

    def __init__(self, mapper: LatentMapper) -> None:
        self._mapper, self._end = mapper, threading.Event()
        self.stuck = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mapper, name)

    def map(self, *arguments: Any, **options: Any) -> Any:
        if self.stuck:
            assert self._end.wait(LIMIT_S)
            self.stuck = False
            raise RuntimeError("Exiting due to terminate flag being set to true")
        return self._mapper.map(*arguments, **options)

    def terminate(self) -> None:
        self._end.set()


def test_an_encoding_that_hangs_is_ended_and_its_frame_quarantined(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shiftvae_rt.stream.encoding._SLOWEST_S", 0.5)
    stuck = Stuck(LatentMapper(tiny_model))
    with Service(stuck, ingest=ANYWHERE, results=ANYWHERE) as service:
        with Producer(service.ingest, stream="s", mode="replay") as producer:
            for _ in range(2):
                producer.offer(FRAME)
                producer.wait(LIMIT_S)
        assert (producer.counters.quarantined, producer.counters.processed) == (1, 1)


def test_a_real_encoding_can_be_terminated(tiny_model: Path) -> None:
    mapper = LatentMapper(tiny_model, stride=1)
    large = np.random.default_rng(0).poisson(40, (2048, 2048)).astype(np.uint16)
    stopping = threading.Event()

    def terminate() -> None:
        while not stopping.wait(0.01):
            mapper.terminate()

    thread = threading.Thread(target=terminate)
    thread.start()
    with pytest.raises(Exception, match=r"[Tt]erminat"):
        mapper.map(large)
    stopping.set()
    thread.join()
    assert mapper.map(FRAME).complete, "and the next one is not affected"


def test_a_port_that_is_taken_and_a_journal_that_is_held_are_named(shiftvae_serve: Make, tmp_path: Path) -> None:
    serving: Serving = shiftvae_serve("--journal", tmp_path / "j")
    mapper = LatentMapper(serving_model(serving))
    with pytest.raises(ServiceError, match="is taken, probably by another service"):
        Service(mapper, ingest=serving.ingest, results=ANYWHERE)


def serving_model(serving: Serving) -> Path:
    return Path(serving.process.args[4])
