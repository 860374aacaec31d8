"""Why frames are refused is said: in the log at once and then rarely, in STATUS and by the commands."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq
from stream_support import FREE, LIMIT_S, RawProducer, frame_message, noisy, until
from terminal import COLUMNS

from shiftvae_rt import cli
from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.stream import Options, Producer, Service
from shiftvae_rt.stream.service.refusals import MAX_LINES, OTHERS, Refusals

Make = Callable[..., Any]
FRAME = noisy((40, 40))
BLANK = np.full((40, 40), 7, np.uint16)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name.endswith("refusals") and r.levelno == logging.WARNING]


@pytest.mark.parametrize("mode", ["live", "lossless"])
def test_a_rejected_frame_is_said_once_for_each_kind_and_counted_in_status(
    serve: Make, mapper: LatentMapper, raw: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: str
) -> None:
    service: Service = serve(mapper, options=Options(journal=tmp_path / "j"))
    client: RawProducer = raw(service)
    client.hello(mode=mode)
    for seq in range(1, 6):
        client.say(*frame_message(BLANK if seq != 3 else noisy((8, 8)), seq=seq))
    until(lambda: service.report().total.rejected == 5)
    found = {(refusal.stream, refusal.name): refusal for refusal in service.report().refusals}
    assert {key: refusal.count for key, refusal in found.items()} == {("raw", "bad_frame"): 4, ("raw", "bad_window"): 1}
    assert "constant" in found["raw", "bad_frame"].text
    assert ["constant" in line for line in lines(caplog)] == [True, False]
    assert "8 x 8" in lines(caplog)[1]


def test_a_pushed_frame_that_is_rejected_is_said_too(
    serve: Make, mapper: LatentMapper, caplog: pytest.LogCaptureFixture
) -> None:
    service: Service = serve(mapper, options=Options(open_ingest=FREE))
    with zmq.Context() as context, context.socket(zmq.PUSH) as push:
        push.connect(service.open_ingest)
        push.send_multipart([b'{"shape":[40,40],"type":"uint8","source":"cam"}', bytes(1600)])
        push.send_multipart([b"what?"])
        push.send_multipart([b"what?"])
        until(lambda: service.report().total.rejected == 1 and service.report().malformed == 2)
    (refusal,) = service.report().refusals
    assert (refusal.stream, refusal.name, refusal.count) == ("open/cam", "bad_frame", 1)
    assert len(lines(caplog)) == 1
    assert sum("a pushed message" in record.getMessage() for record in caplog.records) == 1, "no line a message"


def test_a_model_that_fails_on_every_frame_fills_no_log(
    service: Service, raw: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ArithmeticError("a defect")

    monkeypatch.setattr(service._encoding, "encode", fail)
    client: RawProducer = raw(service)
    client.hello()
    for seq in range(1, 6):
        assert client.say(*frame_message(FRAME, seq=seq))["outcome"] == "quarantined"
    assert sum(record.exc_info is not None for record in caplog.records) == 1
    assert len(lines(caplog)) == 1


def test_streams_without_end_take_no_memory_without_end() -> None:
    refusals = Refusals()
    for number in range(10 * MAX_LINES):
        refusals.add(f"s{number}", 0, "bad_frame: " + "x" * 10_000)
    table = refusals.table()
    assert len(table) == MAX_LINES + 1
    assert (table[-1].stream, table[-1].count) == (OTHERS, 9 * MAX_LINES)
    assert max(len(refusal.text) for refusal in table) < 1000


def test_status_and_watch_say_that_frames_are_refused_and_why(
    serve: Make, mapper: LatentMapper, produce: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    service: Service = serve(mapper, options=Options(control=FREE))
    producer: Producer = produce(service, mode="replay")
    for frame in (BLANK, FRAME):
        producer.offer(frame)
        producer.wait(LIMIT_S)
    assert cli.main(["status", "--control", service.control]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= COLUMNS
    assert "refused bad_frame, 1 of s: " in " ".join(out.split())
    assert "clients 1 producer, 0 readers" in " ".join(out.split())
    assert "verdict" in out


def test_watch_says_once_that_frames_of_a_stream_are_refused(
    service: Service, produce: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    import threading

    watch = ["watch", "--from", service.results, "--count", "2", "--all"]
    watcher = threading.Thread(target=cli.main, args=(watch,))
    watcher.start()
    assert service.wait_for_readers(1, LIMIT_S)
    producer: Producer = produce(service, mode="replay")
    for frame in (BLANK, FRAME, FRAME):
        producer.offer(frame)
        producer.wait(LIMIT_S)
    watcher.join(LIMIT_S)
    assert capsys.readouterr().err.count("1 frame of s refused: `shiftvae status` says why") == 1
