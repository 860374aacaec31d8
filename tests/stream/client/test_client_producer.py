"""A host's producer: every frame has one outcome with its context, and nothing is raised where frames come from."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from stream_support import LIMIT_S, noisy, until

from shiftvae_rt.client import FrameOutcome, Producer
from shiftvae_rt.errors import FrameError, ServiceError
from shiftvae_rt.stream import Service, Subscriber

Make = Callable[..., Any]
FRAME = noisy((40, 48))


class Told:
    """What a producer calls back with."""

    def __init__(self) -> None:
        self.outcomes: list[FrameOutcome] = []
        self.errors: list[Exception] = []
        self.threads: set[str] = set()

    def outcome(self, outcome: FrameOutcome) -> None:
        self.threads.add(threading.current_thread().name)
        self.outcomes.append(outcome)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def host(service: Service, told: Told) -> Iterator[Producer]:
    with Producer(service.ingest, stream="host", on_outcome=told.outcome, on_error=told.errors.append) as producer:
        assert producer.wait_ready(LIMIT_S)
        yield producer


def test_each_frame_has_one_outcome_which_brings_its_context_back(host: Producer, told: Told) -> None:
    for number in range(20):
        host.offer(FRAME, number=100 + number, context=f"scan {number}")
    counters = host.close(LIMIT_S)
    assert sorted(each.seq for each in told.outcomes) == list(range(1, 21))
    assert all((each.frame, each.context) == (99 + each.seq, f"scan {each.seq - 1}") for each in told.outcomes)
    counts = [sum(each.outcome == name for each in told.outcomes) for name in ("processed", "dropped_producer")]
    assert counts == [counters.processed, counters.dropped_producer]
    assert counters.offered == counters.settled == 20
    assert told.threads == {"producer host"}, "never on the thread that offers"


def test_results_of_bands_and_of_the_whole_map_carry_the_context(
    host: Producer, service: Service, subscribe: Make
) -> None:
    subscriber: Subscriber = subscribe(service)
    context = 'scan_id=b6d0…, {"field of view": 8}'
    host.offer_rows(7, FRAME[:24], 0, FRAME.shape, context=context)
    band = subscriber.receive(LIMIT_S)
    host.offer_rows(7, FRAME[24:], 24, FRAME.shape)
    whole = subscriber.receive(LIMIT_S)
    assert (band.complete, whole.complete) == (False, True)
    assert band.context == whole.context == context


def test_rows_after_an_abort_are_counted_and_raise_nothing(host: Producer, told: Told) -> None:
    host.offer_rows(1, FRAME[:8], 0, FRAME.shape)
    assert host.abort(1)
    assert host.offer_rows(1, FRAME[8:16], 8, FRAME.shape) == 0
    assert not host.abort(1)
    assert (host.late, host.errors, told.errors) == (1, 0, [])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda host: host.offer(FRAME.astype(complex)), "complex128"),
        (lambda host: host.offer("a frame"), "dtype"),
        (lambda host: host.offer(FRAME, number=3.7), "float"),
        (lambda host: host.offer(FRAME, pixel_size_nm=-1), "-1"),
        (lambda host: host.offer(FRAME, context="ä" * 600), "1024 bytes of UTF-8, got 1200"),
        (lambda host: host.offer(FRAME, context="\ud800"), "valid text"),
        (lambda host: host.offer_rows(0, FRAME[:8, :7], 8, FRAME.shape), "48 px"),
        (lambda host: host.offer_rows(0, FRAME[16:24], 16, FRAME.shape), "row 8 of 40"),
        (lambda host: host.offer_rectangle(0, FRAME[:8], (39, 0), FRAME.shape), "does not fit"),
    ],
)
def test_a_call_that_cannot_be_carried_out_is_told_and_counted(
    host: Producer, told: Told, call: Callable[[Producer], int], message: str
) -> None:
    host.offer_rows(0, FRAME[:8], 0, FRAME.shape)
    assert call(host) == 0
    assert host.errors == len(told.errors) == 1
    assert message in str(told.errors[0])
    assert host.last_error == str(told.errors[0])


def test_the_last_error_goes_when_a_later_frame_is_processed(host: Producer, told: Told) -> None:
    host.offer(np.full((40, 48), np.nan, np.float32))
    until(lambda: len(told.outcomes) == 1)
    assert told.outcomes[0].outcome == "rejected"
    assert "NaN" in told.outcomes[0].reason
    assert "NaN" in host.last_error
    host.offer("no frame")
    assert "dtype" in host.last_error
    host.offer(FRAME)
    until(lambda: len(told.outcomes) == 2)
    assert host.last_error == ""
    assert host.errors == 1


def test_a_callback_that_raises_ends_nothing(service: Service) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("the display is gone")

    with Producer(service.ingest, stream="host", on_outcome=fail, on_error=fail) as producer:
        assert producer.wait_ready(LIMIT_S)
        for done in (1, 2):
            producer.offer(FRAME)
            until(lambda done=done: producer.errors == done)
        assert producer.counters.processed == 2


def test_numbers_of_numpy_are_numbers(host: Producer, told: Told) -> None:
    host.offer(FRAME, number=np.int64(5))
    until(lambda: len(told.outcomes) == 1)
    assert (told.outcomes[0].frame, told.outcomes[0].outcome) == (5, "processed")


@pytest.mark.clock
def test_without_a_service_frames_are_dropped_and_told(told: Told) -> None:
    producer = Producer("tcp://127.0.0.1:9", stream="host", on_outcome=told.outcome, on_error=told.errors.append)
    assert not producer.wait_ready(0.05)
    assert isinstance(told.errors[0], ServiceError)
    for number in range(3):
        producer.offer(FRAME, number=number)
    assert not producer.connected
    counters = producer.close(0.1)
    assert (counters.offered, counters.dropped_producer) == (3, 3)
    assert [each.frame for each in told.outcomes] == [0, 1, 2]


def test_a_closed_producer_ignores_frames(host: Producer, told: Told) -> None:
    host.close()
    assert host.offer(FRAME) == 0
    assert (host.late, told.errors) == (1, [])


def test_a_bad_name_is_an_error_at_once() -> None:
    with pytest.raises(ServiceError, match="1 to 64 characters"):
        Producer(stream="")


def test_lossless_frames_have_a_context_too(serve: Make, mapper: Any, subscribe: Make, tmp_path: Any) -> None:
    from shiftvae_rt.stream import LosslessProducer, Options

    service = serve(mapper, options=Options(journal=tmp_path / "j"))
    subscriber: Subscriber = subscribe(service)
    with LosslessProducer(service.ingest, stream="l") as producer:
        producer.send(FRAME, context="hole 4")
        with pytest.raises(FrameError, match="1024 bytes"):
            producer.send(FRAME, context="x" * 1025)
    assert subscriber.receive(LIMIT_S).context == "hole 4"
