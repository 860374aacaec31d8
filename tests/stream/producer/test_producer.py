"""The producer: never in the way of an acquisition, and honest when the service goes."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from stream_support import FREE, LIMIT_S, GatedMapper, noisy, until

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.errors import FrameError, ServiceError
from shiftvae_rt.frame import Frame
from shiftvae_rt.stream import (
    Counters,
    LosslessProducer,
    Options,
    Producer,
    Service,
    Subscriber,
)

Make = Callable[..., Any]
FRAME = noisy((64, 64))


@pytest.fixture
def nobody(mapper: LatentMapper) -> str:
    """An endpoint where nobody listens (any more)."""
    service = Service(mapper, ingest=FREE, results=FREE)
    service.stop()
    service.run()
    return service.ingest


@pytest.mark.clock
def test_no_service_is_one_clear_error(produce: Make, nobody: str) -> None:
    with pytest.raises(ServiceError, match=rf"no service at {nobody} \(.*shiftvae serve"):
        produce(nobody).wait_ready(0.2)


def took(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


@pytest.mark.clock
def test_offers_to_nobody_return_at_once_and_are_counted(produce: Make, nobody: str) -> None:
    producer: Producer = produce(nobody)
    large = noisy((512, 512))
    took_s = [took(lambda: producer.offer(large)) for _ in range(50)]
    assert statistics.median(took_s) < 0.05, "50 ms is what an acquisition can bear; a copy takes 0.1 ms"
    assert producer.counters == Counters(offered=50, dropped_producer=49)
    assert producer.close(0.1) == Counters(offered=50, dropped_producer=50)
    assert not producer.confirmed


@pytest.mark.clock
def test_offers_return_at_once_while_the_runtime_is_busy(serve: Make, produce: Make, mapper: LatentMapper) -> None:
    gated = GatedMapper(mapper)
    producer: Producer = produce(serve(gated, options=Options(max_age_s=60.0)))
    producer.offer(FRAME)
    assert gated.waiting.acquire(timeout=LIMIT_S)
    took_s = [took(lambda: producer.offer(FRAME)) for _ in range(20)]
    assert statistics.median(took_s) < 0.05
    gated.gate.release(2)
    assert producer.close(LIMIT_S) == Counters(offered=21, processed=2, dropped_producer=19)


def test_frames_of_before_the_service_are_counted_by_it_too(
    produce: Make, nobody: str, serve: Make, mapper: Any
) -> None:
    producer: Producer = produce(nobody, mode="replay")
    for _ in range(7):
        producer.offer(FRAME)
    service: Service = serve(mapper, ingest=nobody)
    counters = producer.close(LIMIT_S)
    assert counters == Counters(offered=7, processed=1, dropped_producer=6)
    assert producer.confirmed
    assert service.report().total == counters


def test_waiting_for_each_frame_drops_none(service: Service, produce: Make, subscribe: Make) -> None:
    subscriber: Subscriber = subscribe(service)
    producer: Producer = produce(service, mode="replay")
    for number in range(20):
        producer.offer(FRAME, number=number)
        assert producer.wait(LIMIT_S).processed == number + 1
    assert [subscriber.receive(LIMIT_S).frame for _ in range(20)] == list(range(20))
    assert subscriber.gaps == 0


def test_waiting_ends_with_an_error_when_no_answer_comes(produce: Make, nobody: str) -> None:
    producer: Producer = produce(nobody)
    producer.offer(FRAME)
    with pytest.raises(ServiceError, match="gave no answer"):
        producer.wait(0.1)


def test_a_rejected_frame_leaves_its_reason(service: Service, produce: Make) -> None:
    producer: Producer = produce(service)
    producer.offer(np.full((64, 64), np.nan, np.float32))
    producer.wait(LIMIT_S)
    assert producer.last_error.startswith("bad_frame: 4096 of 4096 pixels are NaN or infinite")
    assert producer.counters == Counters(offered=1, rejected=1)


@pytest.mark.clock
def test_a_producer_finds_a_restarted_service_by_itself(serve: Make, produce: Make, mapper: LatentMapper) -> None:
    first: Service = serve(mapper)
    producer: Producer = produce(first, mode="replay")
    producer.offer(FRAME)
    producer.wait(LIMIT_S)
    producer.offer_rows(1, FRAME[:30], 0, FRAME.shape)  # the old service will not see the rest
    producer.wait(LIMIT_S)
    first.__exit__()
    until(lambda: "stopped" in producer.last_error or "ended" in producer.last_error)
    producer.offer(FRAME)
    second: Service = serve(mapper, ingest=first.ingest)
    producer.wait(LIMIT_S)
    counters = producer.close(LIMIT_S)
    assert counters == Counters(offered=3, processed=2, dropped_producer=1)
    assert first.report().total + second.report().total == counters


@pytest.mark.clock
def test_a_hung_service_is_noticed_and_the_frame_on_its_way_is_counted(
    serve: Make, produce: Make, mapper: LatentMapper
) -> None:
    gated = GatedMapper(mapper)
    service: Service = serve(gated, options=Options(max_age_s=60.0))
    producer: Producer = produce(service)
    producer._link.contact._silence_s = 0.3
    producer.offer(FRAME)
    assert gated.waiting.acquire(timeout=LIMIT_S)
    until(lambda: "silent" in producer.last_error)
    gated.gate.release(2)
    until(lambda: producer.counters == Counters(offered=1, processed=1))
    assert producer.close(LIMIT_S) == service.report().total, "it finished after all, and the new connection says so"


@pytest.mark.clock
def test_a_stream_that_is_taken_is_refused_by_name(service: Service, produce: Make) -> None:
    produce(service, "HAADF").wait_ready(LIMIT_S)
    with pytest.raises(ServiceError, match="stream_busy: stream 'HAADF'"):
        produce(service, "HAADF").wait_ready(0.3)


@pytest.mark.clock
def test_an_idle_producer_stays_connected(service: Service, produce: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shiftvae_rt.stream.service.sessions.SILENCE_NS", 300_000_000)
    monkeypatch.setattr("shiftvae_rt.stream.producer.contact.PING_NS", 50_000_000)
    producer: Producer = produce(service)
    welcome = producer.wait_ready(LIMIT_S)
    heard = [session.heard_ns for session in service._sessions]
    until(lambda: all(s.heard_ns > heard[0] + 500_000_000 for s in service._sessions) and len(service._sessions) == 1)
    assert producer.wait_ready(0) is welcome, "still the first connection"


@pytest.mark.parametrize(
    ("offer", "message"),
    [
        (lambda p: p.offer(FRAME.astype(complex)), "expected pixels of dtype"),
        (lambda p: p.offer(np.zeros((2, 2, 2, 2))), "got shape"),
        (lambda p: p.offer(np.zeros((0, 4))), "got shape"),
        (lambda p: p.offer(FRAME, pixel_size_nm=-1.0), "pixel size above 0"),
        (lambda p: p.offer(FRAME, number=-1), r"from 0 to 2\^53, got -1"),
        (lambda p: p.offer_rows(1, FRAME[0], 0, FRAME.shape), "expected rows of 64 px"),
        (lambda p: p.offer_rows(1, FRAME[:, :63], 0, FRAME.shape), "expected rows of 64 px"),
        (lambda p: p.offer_rows(1, FRAME, 0, (32, 64)), "32 rows .*, got 64"),
    ],
    ids=["complex", "4D", "empty", "pixel size", "number", "1D rows", "width", "height"],
)
def test_what_is_no_frame_is_refused_at_the_door(produce: Make, nobody: str, offer: Make, message: str) -> None:
    producer: Producer = produce(nobody)
    with pytest.raises(FrameError, match=message):
        offer(producer)
    assert producer.counters == Counters()


def test_a_frame_brings_its_pixel_size(service: Service, produce: Make, subscribe: Make) -> None:
    subscriber: Subscriber = subscribe(service)
    produce(service).offer(Frame(FRAME, pixel_size_nm=0.0203))
    assert subscriber.receive(LIMIT_S).latent_map.pixel_size_nm == (0.0203, 0.0203)


@pytest.mark.parametrize(
    "pixels",
    [
        FRAME.astype(">u2"),
        np.asfortranarray(FRAME),
        np.repeat(np.repeat(FRAME, 2, 0), 3, 1)[::2, ::3],
    ],
    ids=["big-endian", "columns first", "every other"],
)
def test_pixels_of_any_byte_order_and_strides_arrive_as_the_same_numbers(
    service: Service, produce: Make, subscribe: Make, mapper: LatentMapper, pixels: np.ndarray
) -> None:
    subscriber: Subscriber = subscribe(service)
    produce(service).offer(pixels)
    assert np.array_equal(subscriber.receive(LIMIT_S).latent_map.mean, mapper.map(FRAME).mean)


def test_what_an_acquisition_does_after_abort_or_close_is_ignored_and_counted(service: Service, produce: Make) -> None:
    producer: Producer = produce(service, mode="replay")
    producer.offer_rows(7, FRAME[:20], 0, FRAME.shape)
    assert producer.abort(7)
    assert producer.offer_rows(7, FRAME[20:], 20, FRAME.shape) == 0
    assert producer.offer(FRAME) == 2
    producer.wait(LIMIT_S)
    counters = producer.close(LIMIT_S)
    for late in (
        producer.offer(FRAME),
        producer.offer_rows(8, FRAME[:20], 0, FRAME.shape),
        producer.offer_rectangle(8, FRAME[:, :20], (0, 0), FRAME.shape),
        producer.abort(7),
    ):
        assert late == 0
    assert producer.late == 4
    assert counters == producer.counters == Counters(offered=2, processed=1, dropped_producer=1)


def test_a_producer_whose_thread_failed_says_so(produce: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    producer: Producer = produce("tcp://127.0.0.1:9")
    producer._driver.join(0.0)
    with pytest.raises(ServiceError, match="ended"):
        producer.offer(FRAME)


def test_a_producer_leaves_no_thread_behind(service: Service, produce: Make) -> None:
    before = threading.active_count()
    producers = [produce(service, f"stream {n}") for n in range(5)]
    for producer in producers:
        producer.close(LIMIT_S)
    assert threading.active_count() == before


@pytest.mark.parametrize("stream", ["", "x" * 65], ids=["empty", "long"])
def test_a_stream_needs_a_name(stream: str) -> None:
    with pytest.raises(ServiceError, match="1 to 64 characters"):
        Producer(stream=stream)


@pytest.mark.parametrize("make", [Producer, LosslessProducer])
@pytest.mark.parametrize("names", [{"stream": "a "}, {"stream": "a\x1b"}, {"stream": "a", "name": "b\n"}], ids=ascii)
def test_a_name_that_hides_something_is_refused_before_it_is_sent(make: Make, names: dict[str, str]) -> None:
    with pytest.raises(ServiceError, match=r"name") as caught:
        make("tcp://127.0.0.1:9", **names)
    assert str(caught.value).isprintable()


def test_a_lossless_session_is_a_name_without_an_at_sign() -> None:
    with pytest.raises(ServiceError, match="'@'"):
        LosslessProducer("tcp://127.0.0.1:9", stream="s", session="a@b")
