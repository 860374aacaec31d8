"""A scan at its pace beside busy loops: contact is never lost, and every frame is counted."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from serving import LIMIT_S, Serving

from shiftvae_rt.stream import Counters, Producer
from shiftvae_rt.stream.producer import contact
from shiftvae_rt.stream.producer.contact import Contact

Make = Callable[..., Any]
LONG = os.environ.get("SHIFTVAE_LONG") == "1"
FRAMES = 200 if LONG else 15
#: Frames that a starved machine may replace by newer ones: live mode promises contact and exact counts.
MOST_REPLACED = FRAMES // 10 if LONG else FRAMES // 3
BAND_ROWS, BAND_S = 64, 0.05
FRAME = np.random.default_rng(0).poisson(40, (256, 256)).astype(np.uint16)


@pytest.fixture
def two_busy_loops() -> Iterator[None]:
    loops = [
        subprocess.Popen(
            [sys.executable, "-c", "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    pass"]
        )
        for _ in range(2)
    ]
    yield
    for loop in loops:
        loop.kill()
        loop.wait()


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Why contact was lost, each time; PING is said fifty times as often, so that many meet an encoding."""
    monkeypatch.setattr(contact, "PING_NS", 10_000_000)
    reasons: list[str] = []
    lose = Contact.lose

    def noted(self: Contact, now_ns: int, reason: str, **options: Any) -> None:
        reasons.append(reason)
        lose(self, now_ns, reason, **options)

    monkeypatch.setattr(Contact, "lose", noted)
    return reasons


def scan(producer: Producer, number: int) -> None:
    for first in range(0, len(FRAME), BAND_ROWS):
        producer.offer_rows(number, FRAME[first : first + BAND_ROWS], first, FRAME.shape)
        time.sleep(BAND_S)


@pytest.mark.clock
@pytest.mark.timeout(300)
def test_a_scan_at_its_pace_beside_busy_loops_loses_no_contact_and_counts_every_frame(
    shiftvae_serve: Make, two_busy_loops: None, lost: list[str]
) -> None:
    serving: Serving = shiftvae_serve()
    with Producer(serving.ingest, stream="scan") as producer:
        producer.wait_ready(LIMIT_S)
        for number in range(FRAMES):
            scan(producer, number)
        counters = producer.close(LIMIT_S)
    print(
        f"{FRAMES} frames in bands of {BAND_ROWS} rows: {counters.processed} processed, contact lost {len(lost)} times"
    )
    replaced = counters.dropped_producer
    assert lost == []
    assert counters == Counters(offered=FRAMES, processed=FRAMES - replaced, dropped_producer=replaced)
    assert replaced <= MOST_REPLACED


@pytest.mark.clock
def test_a_contact_that_is_lost_is_caught(
    shiftvae_serve: Make, lost: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    serving: Serving = shiftvae_serve()
    with Producer(serving.ingest, stream="scan") as producer:
        producer.wait_ready(LIMIT_S)
        producer._link.contact._silence_s = 0.0
        scan(producer, 0)
    assert lost
