"""The service, over real sockets: maps bit by bit, every frame accounted for, ages, and an orderly stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from stream_support import (
    LIMIT_S,
    GatedMapper,
    RawProducer,
    frame_message,
    rows_message,
)

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.errors import ServiceError
from shiftvae_rt.line_simulator import LineCrystal
from shiftvae_rt.simulator import Microscope
from shiftvae_rt.stream import (
    Counters,
    Options,
    Producer,
    Service,
    Subscriber,
)
from shiftvae_rt.stream.protocol.clock import monotonic_ns
from shiftvae_rt.stream.transport.sockets import DOORS

Make = Callable[..., Any]
FRAME = Microscope(shape=(96, 80)).frame(0).pixels


def assert_exact(counters: Counters) -> None:
    assert counters.offered == counters.settled


def test_a_streamed_frame_gives_the_map_of_the_mapper_bit_by_bit(
    service: Service, produce: Make, subscribe: Make, mapper: LatentMapper
) -> None:
    subscriber: Subscriber = subscribe(service)
    producer: Producer = produce(service, "HAADF", series=4, name="detector 1")
    producer.offer(FRAME, number=17, pixel_size_nm=0.02)
    result = subscriber.receive(LIMIT_S)
    expected = mapper.map(FRAME, pixel_size_nm=0.02)
    assert np.array_equal(result.latent_map.mean, expected.mean)
    assert np.array_equal(result.latent_map.std, expected.std)
    for name in ("names", "units", "varies", "grid", "model_sha256", "pixel_size_nm", "first_row"):
        assert getattr(result.latent_map, name) == getattr(expected, name), name
    assert (result.stream, result.frame, result.series, result.name) == ("HAADF", 17, 4, "detector 1")
    assert result.complete
    assert result.counters == Counters(offered=1, processed=1)
    assert 0 < result.age_s < LIMIT_S


@pytest.mark.parametrize("band", [1, 7, 33, 95])
def test_row_bands_give_the_map_of_the_scan_bit_by_bit(
    service: Service, produce: Make, subscribe: Make, mapper: LatentMapper, band: int
) -> None:
    subscriber: Subscriber = subscribe(service)
    producer: Producer = produce(service, mode="replay")
    for first in range(0, 96, band):
        producer.offer_rows(5, FRAME[first : first + band], first, FRAME.shape)
        producer.wait(LIMIT_S)
    scan, rows = mapper.begin_scan(FRAME.shape, dtype=FRAME.dtype), 0
    for first in range(0, 96, band):
        scan.push_rows(FRAME[first : first + band])
    expected = scan.result()
    while True:
        result = subscriber.receive(LIMIT_S)
        part = result.latent_map
        if result.complete:
            break
        assert part.first_row == rows, "bands follow on one another"
        rows += part.mean.shape[1]
        assert np.array_equal(part.mean, expected.mean[:, part.first_row : rows])
        assert part.centre_y_px.tolist() == expected.centre_y_px[part.first_row : rows].tolist()
    assert rows > 0
    assert np.array_equal(part.mean, expected.mean), "the message that completes a frame holds its whole map"
    assert np.array_equal(part.std, expected.std)


def test_a_line_signal_streams_by_the_same_calls(
    serve: Make, produce: Make, subscribe: Make, line_mapper: LatentMapper
) -> None:
    service: Service = serve(line_mapper)
    subscriber: Subscriber = subscribe(service)
    line = LineCrystal(length=500).line(0).samples
    producer: Producer = produce(service)
    assert producer.wait_ready(LIMIT_S).dimensions == 1
    producer.offer(line)
    assert np.array_equal(subscriber.receive(LIMIT_S).latent_map.mean, line_mapper.map(line).mean)


def test_under_overload_the_newest_frame_waits_and_every_dropped_one_is_counted(
    serve: Make, produce: Make, subscribe: Make, mapper: LatentMapper
) -> None:
    gated = GatedMapper(mapper)
    service: Service = serve(gated, options=Options(max_age_s=60.0))
    subscriber: Subscriber = subscribe(service)
    producer: Producer = produce(service)
    producer.offer(FRAME)
    assert gated.waiting.acquire(timeout=LIMIT_S)
    for _ in range(9):
        producer.offer(FRAME)
    gated.gate.release(2)
    counters = producer.close(LIMIT_S)
    assert counters == Counters(offered=10, processed=2, dropped_producer=8)
    assert [subscriber.receive(LIMIT_S).frame_seq for _ in range(2)] == [1, 10]
    assert service.report().total == counters


def test_many_producers_with_good_and_bad_frames_are_counted_exactly_on_both_sides(
    service: Service, produce: Make
) -> None:
    rng = np.random.default_rng(0)
    bad = np.full((96, 80), np.nan, np.float32)
    producers = [produce(service, f"stream {n}") for n in range(5)]
    for frame in range(60):
        for number, producer in enumerate(producers):
            kind = rng.integers(4) if frame < 59 else number % 4  # the last one is never replaced
            if kind == 0:
                producer.offer(bad)
            elif kind == 1:
                producer.offer(FRAME)
            else:
                for first in range(0, 96 if kind == 2 else 48, 24):
                    producer.offer_rows(frame, FRAME[first : first + 24], first, FRAME.shape)
    total = Counters()
    for number, producer in enumerate(producers):
        counters = producer.close(LIMIT_S)
        assert producer.confirmed
        assert_exact(counters)
        assert counters.offered == 60
        assert service.report().streams[f"stream {number}"] == counters
        total += counters
    assert service.report().total == total
    assert total.processed > 0
    assert total.rejected > 0
    assert total.dropped_producer > 0, "frames of 48 rows are never finished"


def old(age_s: float, **changes: Any) -> Any:
    return frame_message(FRAME, clock_ns=monotonic_ns() - int(age_s * 1e9), **changes)


def test_a_live_frame_that_is_too_old_at_its_turn_is_dropped_and_counted(service: Service, raw: Make) -> None:
    client: RawProducer = raw(service)
    client.hello()
    assert client.say(*old(0.3))["outcome"] == "dropped_stale"
    assert client.say(*old(0.0, seq=2))["outcome"] == "processed"
    assert service.report().total == Counters(offered=2, processed=1, dropped_stale=1)


def test_stale_rows_end_their_frame_which_is_counted_once(service: Service, raw: Make) -> None:
    client: RawProducer = raw(service)
    client.hello()
    client.say(*rows_message(FRAME, 0, 40))
    late = monotonic_ns() - 10**9
    assert client.say(*rows_message(FRAME, 40, 80, clock_ns=late))["outcome"] == "dropped_stale"
    assert client.say(*rows_message(FRAME, 80, 96, clock_ns=late))["htype"] == "CREDIT"
    assert service.report().total == Counters(offered=1, dropped_stale=1)


def test_a_replayed_frame_is_never_too_old(service: Service, raw: Make) -> None:
    client: RawProducer = raw(service)
    client.hello(mode="replay")
    assert client.say(*old(5.0))["outcome"] == "processed"


def test_the_age_of_a_result_counts_from_the_offer(service: Service, raw: Make, subscribe: Make) -> None:
    subscriber: Subscriber = subscribe(service)
    client: RawProducer = raw(service)
    client.hello(mode="replay")
    client.say(*old(5.0))
    assert 5.0 <= subscriber.receive(LIMIT_S).age_s < 5.0 + LIMIT_S


def test_stopping_says_goodbye_and_frees_the_ports(serve: Make, raw: Make, mapper: LatentMapper) -> None:
    service: Service = serve(mapper)
    client: RawProducer = raw(service)
    client.hello()
    client.say(*rows_message(FRAME, 0, 40))
    service.stop()
    goodbye = client.hear()
    assert (goodbye["htype"], goodbye["counters"]["dropped_producer"]) == ("GOAWAY", 1)
    service.__exit__()
    again: Service = serve(mapper, ingest=service.ingest, results=service.results)
    assert again.epoch != service.epoch


@pytest.mark.parametrize("taken", ["ingest", "results"])
def test_a_port_that_is_taken_is_an_error_that_names_it(service: Service, mapper: LatentMapper, taken: str) -> None:
    endpoints = {"ingest": "tcp://127.0.0.1:0", "results": "tcp://127.0.0.1:0", taken: getattr(service, taken)}
    with pytest.raises(ServiceError, match=f"{getattr(service, taken)} is taken"):
        Service(mapper, **endpoints)


def test_the_high_water_marks_are_set_before_the_bind(service: Service) -> None:
    for socket, name in ((service._ingest, "ingest"), (service._results, "results")):
        assert (socket.rcvhwm, socket.sndhwm) == (DOORS[name].incoming, DOORS[name].outgoing)
