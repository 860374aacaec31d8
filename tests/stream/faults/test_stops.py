"""R8: stops under load, a second signal, a frame that kills, and a second service."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from serving import ANYWHERE, FRAME, LIMIT_S, Serving

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.errors import ServiceError
from shiftvae_rt.stream import Control, LosslessProducer, Service
from shiftvae_rt.stream.journal.journal import MAX_CRASHES

Make = Callable[..., Any]
LONG = os.environ.get("SHIFTVAE_LONG") == "1"

POISON = """
import os, signal
from shiftvae_rt.encode.mapper import LatentMapper
whole = LatentMapper.map
def poisoned(self, frame, **options):
    if frame[0, 0] == 4242:
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(self, frame, **options)
LatentMapper.map = poisoned
"""


@pytest.mark.clock
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
@pytest.mark.clock
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


@pytest.mark.clock
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


def test_a_port_that_is_taken_and_a_journal_that_is_held_are_named(shiftvae_serve: Make, tmp_path: Path) -> None:
    serving: Serving = shiftvae_serve("--journal", tmp_path / "j")
    mapper = LatentMapper(serving_model(serving))
    with pytest.raises(ServiceError, match="is taken, probably by another service"):
        Service(mapper, ingest=serving.ingest, results=ANYWHERE)


def serving_model(serving: Serving) -> Path:
    return Path(serving.process.args[4])
