"""R4: a peer that hangs, dies or is slow is noticed, and the flow comes back by itself without a loss."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lossless_support import assert_exactly_once, committed
from serving import ANYWHERE, FRAME, LIMIT_S, Serving, wait_for
from stream_support import GatedMapper

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.errors import ServiceError
from shiftvae_rt.stream import (
    Control,
    Counters,
    LosslessProducer,
    Options,
    Producer,
    Service,
)
from shiftvae_rt.stream.journal.journal import Journal
from shiftvae_rt.stream.service.lossless_intake import WINDOW_FRAMES

Make = Callable[..., Any]
LONG = os.environ.get("SHIFTVAE_LONG") == "1"


@pytest.mark.parametrize("lossless", [False, True], ids=["live", "lossless"])
@pytest.mark.clock
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
    assert wait_for(lambda: producer._link.contact.state == "open") < 3.0
    if lossless:
        producer.send(FRAME)
        assert producer.end(LIMIT_S).processed == 2
    else:
        producer.close(LIMIT_S)


def test_who_asks_a_halted_service_is_told_that_it_ended_or_is_halted(shiftvae_serve: Make) -> None:
    serving: Serving = shiftvae_serve()
    with Control(serving.control, connect_s=LIMIT_S) as control:
        assert control.status().ready
        serving.process.send_signal(signal.SIGSTOP)
        with pytest.raises(ServiceError, match="ended before the answer"):
            control.status()
        serving.process.send_signal(signal.SIGCONT)
        assert control.status().ready


@pytest.mark.clock
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
    assert wait_for(lambda: producer._link.contact.state == "open") < 3.0
    producer.send(FRAME)
    assert producer.end(LIMIT_S).processed == 2
    assert again.end(signal.SIGTERM) < 5.0


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seconds", [0.2, 1.0, 4.0, *([10.0] if LONG else [])])
@pytest.mark.clock
def test_a_service_that_is_halted_for_a_while_loses_nothing_and_both_sides_count_alike(
    shiftvae_serve: Make, tmp_path: Path, seconds: float
) -> None:
    serving: Serving = shiftvae_serve("--journal", tmp_path / "j")
    exact, live = LosslessProducer(serving.ingest, stream="exact"), Producer(serving.ingest, stream="live")
    live.wait_ready(LIMIT_S)
    for number in range(30):
        if number == 10:
            serving.process.send_signal(signal.SIGSTOP)
            goes_on = threading.Timer(seconds, serving.process.send_signal, [signal.SIGCONT])
            goes_on.start()
        exact.send(FRAME, number=number, timeout_s=LIMIT_S)
        live.offer(FRAME)
        time.sleep(0.01)
    goes_on.join()
    assert exact.end(LIMIT_S) == Counters(offered=30, processed=30)
    counters = live.close(LIMIT_S)
    assert live.confirmed
    assert counters.offered == counters.settled == 30
    with Control(serving.control) as control:
        assert control.status().report.streams["live"] == counters
        assert [record.result.frame for record in control.records("exact")] == list(range(30))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("frames", [3, 30])
@pytest.mark.clock
def test_a_worker_that_hangs_while_its_connections_live_is_noticed_and_costs_no_frame(
    tiny_model: Path, tmp_path: Path, frames: int
) -> None:
    """Two ways to notice it: what is sent waits until heartbeats find no way through, or PONG does not come."""
    gated = GatedMapper(LatentMapper(tiny_model))
    gated.gate.release(1)
    with Service(gated, ingest=ANYWHERE, results=ANYWHERE, options=Options(journal=tmp_path / "j")) as service:
        producer = LosslessProducer(service.ingest, stream="s")
        for number in range(frames):
            producer.send(FRAME, number=number)
        assert wait_for(lambda: "silent" in producer.last_error or "ended" in producer.last_error) < 2.5
        gated.gate.release(1000)
        assert wait_for(lambda: producer.committed == frames) < 3.0
        assert producer.end(LIMIT_S) == Counters(offered=frames, processed=frames)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("flush_s", [0.3, 3.0], ids=["slow", "longer than any silence"])
@pytest.mark.clock
def test_a_slow_disk_holds_the_producer_back_and_loses_nothing(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flush_s: float
) -> None:
    commit, flushes = Journal._commit, []

    def slow(self: Journal) -> None:
        if self._write.in_transaction and len(flushes) < 2:
            flushes.append(flush_s)
            time.sleep(flush_s)
        commit(self)

    monkeypatch.setattr(Journal, "_commit", slow)
    with Service(
        LatentMapper(tiny_model), ingest=ANYWHERE, results=ANYWHERE, options=Options(journal=tmp_path / "j")
    ) as service:
        with LosslessProducer(service.ingest, stream="exact") as exact, Producer(service.ingest, stream="live") as live:
            for number in range(1, 101):
                assert exact.send(FRAME, number=number, timeout_s=LIMIT_S) <= exact.committed + WINDOW_FRAMES
                live.offer(FRAME)
        assert flushes == [flush_s, flush_s]
        assert exact.counters == Counters(offered=100, processed=100)
        assert service.report().streams["live"] == live.counters
        assert live.counters.offered == live.counters.settled == 100
    assert_exactly_once(committed(tmp_path / "j", "exact"), 100)
