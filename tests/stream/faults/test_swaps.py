"""R7: models exchanged under load, and a model that never comes back."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving import ANYWHERE, FRAME, LIMIT_S

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.stream import (
    Control,
    LosslessProducer,
    Options,
    Producer,
    Service,
)
from shiftvae_rt.stream.service.encoding import Encoding


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


@pytest.mark.clock
def test_an_encoding_that_hangs_is_ended_and_its_frame_quarantined(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shiftvae_rt.stream.service.timings.LEAST_S", 0.5)
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
