"""Requests: status, snapshot, the journal's readers, stop."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import zmq
from lossless_support import numbered
from stream_support import FREE, LIMIT_S, GatedMapper, noisy

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.errors import ServiceError
from shiftvae_rt.stream import Control, Counters, LosslessProducer, Options, Producer, Service

Make = Callable[..., Any]
FRAME = noisy((40, 40))


def test_status_tells_what_the_service_is_doing(asked: Service, control: Control, produce: Make) -> None:
    producer: Producer = produce(asked, mode="replay")
    producer.offer(FRAME)
    producer.wait(LIMIT_S)
    status = control.status()
    assert status.ready
    assert (status.epoch, status.producers, status.stride) == (asked.epoch, 1, 4)
    assert status.report.total == Counters(offered=1, processed=1)


def test_a_reader_that_comes_late_gets_the_last_whole_map(asked: Service, control: Control, produce: Make) -> None:
    assert control.snapshot("s") is None
    producer: Producer = produce(asked, mode="replay")
    for number in (4, 5):
        producer.offer(FRAME, number=number)
        producer.wait(LIMIT_S)
    producer.offer_rows(6, FRAME[:20], 0, FRAME.shape)
    producer.wait(LIMIT_S)
    result = control.snapshot("s")
    assert result is not None
    assert (result.frame, result.complete) == (5, True)
    assert control.snapshot("another") is None


def test_a_reader_with_its_own_cursor_reads_each_record_once_over_restarts(
    serve: Make, mapper: LatentMapper, tmp_path: Path
) -> None:
    options = Options(control=FREE, journal=tmp_path / "j")
    service: Service = serve(mapper, options=options)
    with LosslessProducer(service.ingest, stream="run") as producer:
        for seq in range(1, 11):
            producer.send(np.full((18, 16), np.nan, np.float32) if seq == 4 else numbered(seq), number=seq)
        producer.flush(LIMIT_S)
        seen: list[tuple[int, str]] = []
        with Control(service.control) as reader:
            for record in reader.records("run"):
                seen.append((record.seq, record.outcome))
                if record.seq == 6:
                    break
        service.__exit__()
        service = serve(mapper, ingest=service.ingest, options=options)
        producer.send(numbered(11), number=11)
    with Control(service.control) as reader:
        seen += [(record.seq, record.outcome) for record in reader.records("run", after=seen[-1][0])]
        (state,) = reader.streams().streams
    assert seen == [(seq, "rejected" if seq == 4 else "processed") for seq in range(1, 12)]
    assert (state.ended, state.last_seq) == (True, 11)


def test_an_unknown_stream_and_a_missing_journal_are_refused_by_name(
    serve: Make, mapper: Any, control: Control
) -> None:
    with pytest.raises(ServiceError, match=r"unknown_stream.*no stream 'nobody'"):
        control.read("nobody", 0)
    service: Service = serve(mapper, options=Options(control=FREE))
    with Control(service.control) as other, pytest.raises(ServiceError, match="no_journal"):
        other.streams()


@pytest.mark.clock
def test_nobody_there_is_one_clear_error() -> None:
    with Control("tcp://127.0.0.1:9", connect_s=0.2) as control, pytest.raises(ServiceError, match="127.0.0.1:9 "):
        control.status()


@pytest.mark.clock
def test_one_who_listens_and_says_nothing_is_not_called_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        endpoint = f"tcp://127.0.0.1:{listening.getsockname()[1]}"
        with Control(endpoint, connect_s=0.2) as control, pytest.raises(ServiceError, match=r"within 0\.2 s"):
            control.status()


@pytest.mark.clock
def test_an_answer_is_waited_for_while_the_service_lives(
    serve: Make, mapper: LatentMapper, produce: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shiftvae_rt.stream.reader.control_client._TELL_S", 0.01)
    gated = GatedMapper(mapper)
    service: Service = serve(gated, options=Options(control=FREE))
    producer: Producer = produce(service)
    producer.offer(FRAME)
    assert gated.waiting.acquire(timeout=LIMIT_S)
    told: list[float] = []

    def waiting(since_s: float) -> None:
        told.append(since_s)
        if len(told) == 100:
            gated.gate.release()

    with Control(service.control, connect_s=LIMIT_S, waiting=waiting) as control:
        assert control.status().ready
    assert told == sorted(told)
    assert len(told) >= 100


@pytest.mark.clock
def test_who_gives_up_waiting_gets_the_answer_to_the_next_question(
    serve: Make, mapper: LatentMapper, produce: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shiftvae_rt.stream.reader.control_client._TELL_S", 0.01)
    gated = GatedMapper(mapper)
    service: Service = serve(gated, options=Options(control=FREE))
    producer: Producer = produce(service)
    producer.offer(FRAME)
    assert gated.waiting.acquire(timeout=LIMIT_S)

    gave_up = threading.Event()

    def give_up(_: float) -> None:
        if not gave_up.is_set():  # the second answer may be slow too
            gave_up.set()
            gated.gate.release()
            raise TimeoutError

    with Control(service.control, connect_s=LIMIT_S, waiting=give_up) as control:
        with pytest.raises(TimeoutError):
            control.status()
        with pytest.raises(ServiceError, match="no_journal"):
            control.streams()


@pytest.mark.clock
def test_a_service_that_ends_before_it_answers_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shiftvae_rt.stream.reader.control_client._TELL_S", 0.01)
    router = zmq.Context.instance().socket(zmq.ROUTER)
    router.linger = 0
    port = router.bind_to_random_port("tcp://127.0.0.1")
    control = Control(f"tcp://127.0.0.1:{port}", connect_s=LIMIT_S, waiting=lambda _: router.close())
    with control, pytest.raises(ServiceError, match="ended before the answer"):
        control.stop()


@pytest.mark.parametrize(
    "parts", [(b"",), (b"{}",), (b"garbage",), (b'{"htype":"STATUS"}', b""), (b'{"htype":"STATUS","x":1}',),
    (b'{"htype":"SWAP","model":"../../etc/passwd"}',), (b'{"htype":"SWAP","model":"/abs.svae"}',)], ids=str,
)  # fmt: skip
def test_a_malformed_request_is_refused_and_the_service_lives_on(asked: Service, control: Control, parts: Any) -> None:
    with zmq.Context() as context, context.socket(zmq.DEALER) as asking:
        asking.setsockopt(zmq.LINGER, 0)
        asking.connect(asked.control)
        asking.send_multipart(parts)
        assert asking.poll(LIMIT_S * 1e3)
        assert msgspec.json.decode(asking.recv())["name"] == "bad_message"
    assert control.status().ready


@pytest.mark.clock
def test_stop_over_control_stops_in_order(asked: Service, control: Control) -> None:
    control.stop()
    asked._thread.join()
