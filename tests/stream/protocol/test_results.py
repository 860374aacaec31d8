"""A result is told to readers, or it is an outcome with a reason: one that cannot be read back goes nowhere."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stream_support import LIMIT_S, RawProducer, frame_message, noisy, rows_message

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.stream import (
    Counters,
    LosslessProducer,
    Options,
    Service,
    Subscriber,
)
from shiftvae_rt.stream.journal.export import export_stream
from shiftvae_rt.stream.journal.journal_reader import JournalReader
from shiftvae_rt.stream.protocol.results import read_result
from shiftvae_rt.verdict import DomainVerdict

Make = Callable[..., Any]
FRAME = noisy((40, 40))


def test_a_map_of_50_000_columns_is_read_from_the_socket_and_from_the_journal(
    serve: Make, mapper: LatentMapper, subscribe: Make, tmp_path: Path
) -> None:
    service: Service = serve(mapper, options=Options(journal=tmp_path / "j"))
    subscriber: Subscriber = subscribe(service)
    line = np.random.default_rng(0).poisson(40, (40, 200_000)).astype(np.uint8)
    with LosslessProducer(service.ingest, stream="s") as producer:
        producer.send(line)
        assert producer.flush(LIMIT_S) == Counters(offered=1, processed=1)
    result = subscriber.receive(LIMIT_S)
    expected = mapper.map(line)
    assert result.latent_map.centre_x_px.tolist() == expected.centre_x_px.tolist()
    assert np.array_equal(result.latent_map.mean, expected.mean)
    with closing(JournalReader(tmp_path / "j")) as journal:
        record = journal.read("s", 0)
        assert record is not None
        assert len(record.header) < 2000, "the header does not grow with the frame"
        assert np.array_equal(read_result((record.header, record.buffer)).latent_map.mean, expected.mean)
        export_stream(journal, "s", tmp_path / "s.hspy")
    assert (tmp_path / "s.hspy").stat().st_size > expected.mean.nbytes


@pytest.mark.parametrize("kind", ["whole", "rows"])
def test_a_frame_whose_map_no_reader_takes_is_rejected_with_both_sizes_before_it_is_encoded(
    service: Service, raw: Make, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("shiftvae_rt.stream.protocol.results.MAX_RESULT_BYTES", 7 * 7 * 4 * 8 - 1)
    client: RawProducer = raw(service)
    client.hello()
    message = frame_message(FRAME) if kind == "whole" else rows_message(FRAME, 0, 20)
    answer = client.say(*message)
    assert (answer["name"], answer["outcome"]) == ("bad_window", "rejected")
    assert "1567" in answer["text"]
    assert "1568" in answer["text"]
    assert client.say(*frame_message(FRAME[:36], seq=2))["outcome"] == "processed", "a smaller one is taken"


class Untold:
    """A real mapper whose maps have a verdict that no JSON can hold."""

    def __init__(self, mapper: LatentMapper) -> None:
        self._mapper = mapper

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mapper, name)

    def map(self, *arguments: Any, **options: Any) -> Any:
        return replace(self._mapper.map(*arguments, **options), domain=DomainVerdict(score=math.inf, windows_out=0.0))


@pytest.mark.parametrize("mode", ["live", "lossless"])
def test_a_result_that_no_reader_could_decode_is_quarantined_and_neither_published_nor_committed(
    serve: Make, mapper: LatentMapper, raw: Make, tmp_path: Path, mode: str
) -> None:
    service: Service = serve(Untold(mapper), options=Options(journal=tmp_path / "j", record=True))
    client: RawProducer = raw(service)
    client.hello(mode=mode)
    answer = client.say(*frame_message(FRAME))
    if mode == "live":
        assert (answer["name"], answer["outcome"]) == ("encoder_failed", "quarantined")
        assert "score" in answer["text"]
    else:
        assert answer["counters"]["quarantined"] == 1
        with closing(JournalReader(tmp_path / "j")) as journal:
            record = journal.read("raw", 0)
        assert record is not None
        assert (record.outcome, bytes(record.buffer)) == ("quarantined", b"")
        assert b"score" in bytes(record.header)
    assert service.report().results == 0
