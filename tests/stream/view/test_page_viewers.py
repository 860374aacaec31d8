"""Browsers that watch cost nobody anything: nothing is kept without them, and nobody waits for one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from page_support import watched
from stream_support import LIMIT_S, noisy, until

from shiftvae_rt.stream import Producer, Service
from shiftvae_rt.view import viewers as viewers_module

Make = Callable[..., Any]
STATM = Path("/proc/self/statm")


def test_nothing_is_kept_while_nobody_watches(shown: Service, watch: Make, produce: Make) -> None:
    producer: Producer = produce(shown, stream="a", mode="replay")
    producer.offer(noisy((40, 40)))
    producer.wait(LIMIT_S)
    assert shown._showing.viewers.scenes.all() == {}
    assert shown._showing.viewers._thread is None
    client = watch(shown)
    until(lambda: watched(shown))
    client.close()
    until(lambda: not watched(shown))
    producer.offer(noisy((40, 40)))
    producer.wait(LIMIT_S)
    assert shown._showing.viewers.scenes.all() == {}


def test_a_fault_of_the_page_costs_no_frame(shown: Service, watch: Make, produce: Make, monkeypatch: Any) -> None:
    watch(shown)
    until(lambda: watched(shown))

    def fail(*_: Any) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(shown._showing._scenes, "put_lines", fail)
    producer: Producer = produce(shown, stream="a", mode="replay")
    for _ in range(3):
        producer.offer(noisy((40, 40)))
        producer.wait(LIMIT_S)
    assert shown.report().total.processed == 3


def rss_bytes() -> int:
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


@pytest.mark.skipif(not STATM.exists(), reason="no /proc: the memory of a process is not known")
def test_stopped_browsers_cost_nobody_anything(shown: Service, watch: Make, produce: Make) -> None:
    """Two read nothing and ask for pictures without end, one reads: it has them all, and memory stays flat."""
    live, stopped = watch(shown), [watch(shown, receive_bytes=4096) for _ in range(2)]
    until(lambda: len(shown._showing.viewers._viewers) == 3)
    producer: Producer = produce(shown, stream="a", mode="replay")
    frame = noisy((600, 600))

    def run(count: int) -> None:
        for _ in range(count):
            for client in stopped:
                client.say(b"r")
            producer.offer(frame)
            producer.wait(LIMIT_S)
            live.picture()

    run(20)
    before = rss_bytes()
    run(60)
    grown = rss_bytes() - before
    assert shown.report().total.processed == 80
    assert grown < 20e6, f"{grown / 1e6:.1f} MB more: each picture is about 0.6 MB"


def test_a_browser_that_says_nothing_any_more_is_sent_away(shown: Service, watch: Make, monkeypatch: Any) -> None:
    monkeypatch.setattr(viewers_module, "SILENCE_S", 0.5)
    watch(shown)
    until(lambda: watched(shown))
    until(lambda: not watched(shown))
