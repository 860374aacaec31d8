"""One stranger that floods a door: the others get their maps, memory stays, STATUS and SIGTERM are obeyed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving import LIMIT_S, Serving
from soak import resident_bytes
from strangers import KINDS

from shiftvae_rt.stream import Control, Producer

Make = Callable[..., Any]
LONG = os.environ.get("SHIFTVAE_LONG") == "1"
SPELL_S, SPELLS = (5.0, 4) if LONG else (0.4, 6)
#: What the others keep of their maps. The short form runs beside whatever else the machine does, where a stranger takes
#: a core from them as well: it tells a service that is halted (0) from one that is not.
SHARE = 0.8 if LONG else 0.1
#: Some milliseconds of encoding.
FRAME = np.random.default_rng(0).poisson(40, (256, 256)).astype(np.uint16)
DOOR = {
    "subscri": "results",
    "status": "control",
    "request": "control",
    "PING": "ingest",
    "WANT": "ingest",
    "frame": "ingest",
}
#: What four producers keep of their maps beside one that says WANT and never sends: once a millisecond, or without end.
SHARE_WANT = {"says WANT": 0.9 if LONG else 0.1, "says nothing but WANT": SHARE}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory and bytes received are those of Linux")


class Stranger:
    """A stranger in a process of its own, which can be halted."""

    def __init__(self, kind: str, serving: Serving) -> None:
        door = next(door for word, door in DOOR.items() if word in kind)
        host, _, port = getattr(serving, door).removeprefix("tcp://").partition(":")
        script = Path(__file__).with_name("strangers.py")
        self.process = subprocess.Popen([sys.executable, str(script), kind, host, port])
        self.halt()

    def halt(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@pytest.fixture
def strangers() -> Iterator[Callable[..., Stranger]]:
    made: list[Stranger] = []

    def make(*arguments: Any) -> Stranger:
        made.append(Stranger(*arguments))
        return made[-1]

    yield make
    for stranger in made:
        stranger.process.kill()
        stranger.process.wait()


def maps_a_second(producer: Producer, spell_s: float) -> float:
    started, before = time.monotonic(), producer.counters.processed
    while time.monotonic() - started < spell_s:
        producer.offer(FRAME)
        producer.wait(LIMIT_S)
    return (producer.counters.processed - before) / (time.monotonic() - started)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.clock
def test_a_stranger_without_end_costs_the_others_little(shiftvae_serve: Make, strangers: Make, kind: str) -> None:
    serving: Serving = shiftvae_serve()
    stranger = strangers(kind, serving)
    quiet, loud, slowest_s, grown = [], [], 0.0, 0
    with Producer(serving.ingest, stream="s", mode="replay") as producer:
        maps_a_second(producer, 0.3)
        before = resident_bytes(serving.pid)
        for _ in range(SPELLS):
            quiet.append(maps_a_second(producer, SPELL_S))
            stranger.go_on()
            loud.append(maps_a_second(producer, SPELL_S))
            with Control(serving.control) as control:
                asked = time.monotonic()
                control.status()
                slowest_s = max(slowest_s, time.monotonic() - asked)
            grown = max(grown, resident_bytes(serving.pid) - before)
            stranger.halt()
        stranger.go_on()
        ended_s = serving.end(signal.SIGTERM)
    share = np.median(loud) / np.median(quiet)
    print(
        f"{kind}: {np.median(quiet):.0f} maps/s, then {share:.0%}; {grown / 2**20:+.0f} MiB; "
        f"STATUS {slowest_s * 1e3:.0f} ms; SIGTERM {ended_s:.2f} s"
    )
    assert share >= SHARE
    assert grown < 64 << 20
    assert slowest_s < 1.0
    assert ended_s < 5.0
    assert serving.process.returncode == 0


def live_maps_a_second(producers: list[Producer], spell_s: float) -> float:
    """Maps that live producers get, who offer more than can be encoded."""
    started, before = time.monotonic(), sum(each.counters.processed for each in producers)
    while time.monotonic() - started < spell_s:
        for each in producers:
            each.offer(FRAME)
        time.sleep(0.002)
    return (sum(each.counters.processed for each in producers) - before) / (time.monotonic() - started)


@pytest.mark.timeout(300)
@pytest.mark.clock
@pytest.mark.parametrize("kind", ["says WANT", "says nothing but WANT"])
def test_one_who_asks_for_more_than_its_share_takes_little_from_four(
    shiftvae_serve: Make, strangers: Make, kind: str
) -> None:
    serving: Serving = shiftvae_serve()
    rogue = strangers(kind, serving)
    four = [Producer(serving.ingest, stream=f"s{n}") for n in range(4)]
    for each in four:
        each.wait_ready(LIMIT_S)
    live_maps_a_second(four, 0.3)
    quiet = [live_maps_a_second(four, SPELL_S) for _ in range(SPELLS)]  # a rogue leaves much unread
    rogue.go_on()
    loud = [live_maps_a_second(four, SPELL_S) for _ in range(SPELLS)]
    with Control(serving.control) as control:
        assert "rogue" in control.status().report.streams, "the rogue said HELLO"
    for each in four:
        each.close(LIMIT_S)
    share = np.median(loud) / np.median(quiet)
    print(f"{kind}, four others: {np.median(quiet):.0f} maps/s, then {share:.0%}")
    assert share >= SHARE_WANT[kind]
