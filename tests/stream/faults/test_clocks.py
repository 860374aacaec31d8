"""Clocks that jump: time of day is written down and nothing else hangs on it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from serving import ANYWHERE, FRAME, LIMIT_S

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.stream import (
    Counters,
    LosslessProducer,
    Options,
    Producer,
    Service,
)
from shiftvae_rt.stream.protocol.clock import monotonic_ns

HOUR_NS = 3_600_000_000_000


def jumping(clock: Callable[[], int]) -> Callable[[], int]:
    """`clock`, but an hour ahead, an hour behind, and right, in turn."""
    turns = itertools.cycle((HOUR_NS, -HOUR_NS, 0))
    return lambda: clock() + next(turns)


def outcomes(model: Path, journal: Path) -> tuple[Counters, Counters]:
    """What becomes of 30 live and 30 lossless frames."""
    with (
        Service(LatentMapper(model), ingest=ANYWHERE, results=ANYWHERE, options=Options(journal=journal)) as service,
        LosslessProducer(service.ingest, stream="exact") as exact,
        Producer(service.ingest, stream="live") as live,
    ):
        for number in range(30):
            live.offer(FRAME)
            live.wait(LIMIT_S)
            exact.send(FRAME, number=number)
    return live.counters, exact.counters


def test_time_of_day_that_jumps_by_hours_changes_nothing(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = jumping(time.time_ns)
    monkeypatch.setattr(time, "time_ns", clock)
    monkeypatch.setattr(time, "time", lambda: clock() / 1e9)
    live, exact = outcomes(tiny_model, tmp_path / "j")
    assert live == exact == Counters(offered=30, processed=30)


def test_ages_by_the_time_of_day_would_be_caught(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutant of the test above: frames are stamped with a clock that jumps."""
    monkeypatch.setattr("shiftvae_rt.stream.producer.outgoing.monotonic_ns", jumping(monotonic_ns))
    live, _ = outcomes(tiny_model, tmp_path / "j")
    assert live.dropped_stale > 0
    assert live.offered == live.settled == 30
