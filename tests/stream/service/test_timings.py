"""How long an encoding may run: by what those before it took for each window, with slack. The test turns the clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from stream_support import frame_message, noisy, rows_message

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.stream.protocol.wire import decode_frame_header
from shiftvae_rt.stream.service.encoding import Encoding
from shiftvae_rt.stream.service.scan import Scan
from shiftvae_rt.stream.service.timings import LEAST_S, SLACK, UNKNOWN_S, Speed

SMALL, LARGE = noisy((12 + 4 * 8, 12 + 4 * 8)), noisy((12 + 4 * 64, 12 + 4 * 64))  # 64 and 4096 windows


class Clock:
    now_s = 1000.0

    def perf_counter(self) -> float:
        return self.now_s


class SlowMapper:
    """A real mapper that takes, on the clock of the test, a time for each window, and tells how it looks meanwhile."""

    def __init__(self, mapper: LatentMapper, clock: Clock) -> None:
        self._mapper, self._clock = mapper, clock
        self.window_s = 2e-3
        self.meanwhile: Callable[[], None] = lambda: None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mapper, name)

    def map(self, rows: Any, **options: Any) -> Any:
        latent_map = self._mapper.map(rows, **options)
        self._clock.now_s += self.window_s * latent_map.grid.rows * latent_map.grid.cols
        self.meanwhile()
        return latent_map


class Bench:
    """An encoding whose clock the test turns."""

    def __init__(self, mapper: LatentMapper) -> None:
        self.clock = Clock()
        self.mapper = SlowMapper(mapper, self.clock)
        self.encoding = Encoding(self.mapper, lambda: None)
        self.seen: list[tuple[float, float]] = []
        self.mapper.meanwhile = lambda: self.seen.append((self.encoding.busy_s, self.encoding.limit_s))

    def encode(self, pixels: Any) -> tuple[float, float]:
        """For how long it ran, and might have."""
        header, buffer = frame_message(pixels)
        self.encoding.encode(Scan(), decode_frame_header(msgspec.json.encode(header)), buffer)
        return self.seen[-1]


@pytest.fixture
def bench(mapper: LatentMapper, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench(mapper)
    monkeypatch.setattr("shiftvae_rt.stream.service.encoding.time", made.clock)
    return made


def test_a_frame_64_times_larger_than_the_last_is_not_ended(bench: Bench) -> None:
    busy_s, _ = bench.encode(SMALL)
    assert busy_s == pytest.approx(64 * 2e-3)
    busy_s, limit_s = bench.encode(LARGE)
    assert busy_s == pytest.approx(4096 * 2e-3)
    assert busy_s > LEAST_S, "more than a small frame may take"
    assert limit_s == pytest.approx(SLACK * busy_s)


def test_a_large_frame_that_is_the_first_has_time(bench: Bench) -> None:
    bench.mapper.window_s = UNKNOWN_S / 2
    busy_s, limit_s = bench.encode(LARGE)
    assert busy_s < limit_s == max(LEAST_S, 4096 * UNKNOWN_S)


def test_an_encoding_that_is_slower_than_others_by_more_than_the_slack_is_ended(bench: Bench) -> None:
    bench.encode(LARGE)
    bench.mapper.window_s *= 1.1 * SLACK
    busy_s, limit_s = bench.encode(LARGE)
    assert busy_s > limit_s


def test_a_new_model_is_not_measured_by_the_old_one(bench: Bench, mapper: LatentMapper) -> None:
    bench.mapper.window_s = 1e-9
    bench.encode(SMALL)
    slow = SlowMapper(mapper, bench.clock)
    slow.meanwhile = bench.mapper.meanwhile
    bench.encoding.swap(slow)
    _, limit_s = bench.encode(LARGE)
    assert limit_s == max(LEAST_S, 4096 * UNKNOWN_S)


def test_the_windows_of_a_message_are_those_that_its_lines_complete(mapper: LatentMapper) -> None:
    scan, counts = Scan(), []
    for first, last in ((0, 10), (10, 20), (20, 44)):
        header, buffer = rows_message(SMALL, first, last)
        decoded = decode_frame_header(msgspec.json.encode(header))
        counts.append(scan.windows(mapper, decoded))
        scan.push(mapper, decoded, buffer)
    assert counts == [0, 2 * 8, 6 * 8]
    small = decode_frame_header(msgspec.json.encode(frame_message(noisy((10, 10)))[0]))
    assert scan.windows(mapper, small) == 0, "refused: no window fits"


def test_messages_without_windows_teach_nothing() -> None:
    speed = Speed()
    speed.add(0, 1.0)
    assert speed.expected_s(1) is None
    speed.add(10, 1.0)
    assert speed.expected_s(5) == 0.5
