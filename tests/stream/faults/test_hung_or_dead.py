"""R4: a peer that hangs or dies is noticed, and the flow comes back by itself."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from serving import FRAME, LIMIT_S, Serving, wait_for

from shiftvae_rt.stream import LosslessProducer, Producer

Make = Callable[..., Any]


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
