"""The service, over real sockets: maps bit by bit, every frame accounted for, bad input answered by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import zmq
from stream_support import (
    LIMIT_S,
    GatedMapper,
    RawProducer,
    frame_message,
    noisy,
    rows_message,
    until,
)

from shiftvae_rt.errors import ServiceError
from shiftvae_rt.mapper import LatentMapper
from shiftvae_rt.simulator import LineCrystal, Microscope
from shiftvae_rt.stream import Counters, Options, Producer, Service, Subscriber
from shiftvae_rt.stream import service as service_module
from shiftvae_rt.stream.clock import monotonic_ns
from shiftvae_rt.stream.publisher import MAX_WAITING

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


def test_a_producer_that_vanishes_in_mid_frame_leaves_exact_counters(
    service: Service, raw: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shiftvae_rt.stream.sessions.SILENCE_NS", 50_000_000)
    client: RawProducer = raw(service)
    client.hello()
    assert client.say(*frame_message(FRAME, seq=1))["htype"] == "ACK"
    assert client.say(*rows_message(FRAME, 0, 40, seq=4))["htype"] == "CREDIT"
    client.socket.close()
    until(lambda: service.report().total == Counters(offered=4, processed=1, dropped_producer=3))


@pytest.mark.parametrize(
    ("pixels", "changes", "name", "text"),
    [
        (np.full((40, 40), np.nan, np.float32), {}, "bad_frame", "1600 of 1600 pixels are NaN"),
        (np.full((40, 40), np.inf, np.float64), {}, "bad_frame", "NaN or infinite"),
        (np.full((40, 40), 7, np.uint8), {}, "bad_frame", "constant"),
        (noisy((2, 40, 40)), {}, "bad_frame", "channel"),
        (noisy((40, 15)), {}, "bad_window", "smaller than the window"),
        (noisy((40, 40)), {"pixel_size_nm": 0.0207}, "pixel_size", "more than 3 % apart"),
        (noisy((40, 40)), {"type": "complex64", "dtype": "complex64"}, "bad_message", "dtype must be one of"),
        (noisy((40, 40)), {"type": "uint8", "dtype": "uint8"}, "bad_message", "needs a buffer of 1600 bytes, got 3200"),
        (noisy((40, 40)), {"source": "another"}, "bad_message", "source must be the stream 'raw'"),
        (noisy((40, 40)), {"roi": (0, 3, 40, 40), "frame_shape": (40, 43)}, "bad_message", "0 valid lines now"),
        (noisy((1, 40)), {"roi": (5, 0, 1, 40), "frame_shape": (6, 40), "valid_rows": 6}, "bad_message", "row 0"),
        (
            noisy((1, 40)),
            {"frame_shape": (2**31 - 1, 40), "valid_rows": 1, "complete": False},
            "bad_message",
            "a frame may have",
        ),
    ],
    ids=["nan", "inf", "constant", "channels", "small", "pixel size", "dtype", "length", "source", "x", "row", "huge"],
)
def test_a_bad_frame_is_rejected_by_name_and_counted_and_the_service_lives_on(
    service: Service, raw: Make, pixels: np.ndarray, changes: dict[str, Any], name: str, text: str
) -> None:
    client: RawProducer = raw(service)
    client.hello()
    answer = client.say(*frame_message(pixels, **changes))
    assert (answer["htype"], answer["name"], answer["outcome"], answer["seq"]) == ("ERROR", name, "rejected", 1)
    assert text in answer["text"]
    assert answer["credit"] == 2, "the next frame may be sent"
    assert client.say(*frame_message(FRAME, seq=2))["outcome"] == "processed"
    assert service.report().total == Counters(offered=2, processed=1, rejected=1)


@pytest.mark.parametrize("after", [16, 40])
def test_a_frame_rejected_in_mid_scan_counts_once_whatever_rows_still_come(
    service: Service, raw: Make, after: int
) -> None:
    client: RawProducer = raw(service)
    client.hello()
    pixels = FRAME.astype(np.float32)
    pixels[after] = np.nan
    answers = [client.say(*rows_message(pixels, first, first + 8)) for first in range(0, 96, 8)]
    kinds = [answer["htype"] for answer in answers]
    bad = after // 8
    assert kinds == ["CREDIT"] * bad + ["ERROR"] + ["CREDIT"] * (11 - bad)
    assert service.report().total == Counters(offered=1, rejected=1)
    assert client.say(*frame_message(FRAME, seq=2))["outcome"] == "processed"


@pytest.mark.parametrize(
    "second",
    [
        lambda: rows_message(FRAME, 48, 96),
        lambda: rows_message(FRAME, 0, 40, frame_shape=(97, 80), roi=(40, 0, 40, 80), valid_rows=80),
        lambda: rows_message(FRAME.astype(np.int32), 40, 96),
    ],
    ids=["a row is missing", "the frame grew", "the dtype changed"],
)
def test_rows_that_do_not_follow_on_reject_their_frame(service: Service, raw: Make, second: Make) -> None:
    client: RawProducer = raw(service)
    client.hello()
    client.say(*rows_message(FRAME, 0, 40))
    answer = client.say(*second())
    assert (answer["name"], answer["outcome"]) == ("bad_message", "rejected")
    assert service.report().total == Counters(offered=1, rejected=1)


@pytest.mark.parametrize(
    "parts",
    [
        (b"",),
        (b"garbage",),
        (b'{"htype":"SHUTDOWN"}',),
        (b'{"htype":"PING","clock_ns":1,"extra":1}',),
        (b"{}", b""),
        (b"", b"", b""),
        (b"x",) * 50,
        ({**frame_message(FRAME)[0], "surprise": 1}, FRAME.tobytes()),
    ],
    ids=["empty", "garbage", "unknown", "extra field", "no header", "three parts", "fifty parts", "unknown field"],
)
def test_a_malformed_message_is_counted_and_answered_and_the_connection_stays(
    service: Service, raw: Make, parts: Any
) -> None:
    client: RawProducer = raw(service)
    client.hello()
    answer = client.say(*parts)
    assert (answer["htype"], answer["name"], answer.get("outcome")) == ("ERROR", "bad_message", None)
    assert answer["credit"] == 1, "it used no credit"
    assert client.say(*frame_message(FRAME))["outcome"] == "processed"
    report = service.report()
    assert report.malformed == 1
    assert report.total == Counters(offered=1, processed=1)


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


def test_a_frame_that_came_twice_is_processed_once(service: Service, raw: Make) -> None:
    client: RawProducer = raw(service)
    client.hello()
    assert client.say(*frame_message(FRAME))["htype"] == "ACK"
    assert client.say(*frame_message(FRAME))["htype"] == "CREDIT"
    assert service.report().total == Counters(offered=1, processed=1)


def test_frames_sent_without_credit_are_bounded_and_counted_like_any_other(service: Service, raw: Make) -> None:
    client: RawProducer = raw(service)
    client.hello()
    for seq in range(1, 31):
        client.tell(*frame_message(FRAME, seq=seq))
    answers = [client.hear() for _ in range(30)]
    assert [answer["credit"] for answer in answers] == list(range(2, 32))
    counters = service.report().total
    assert counters.offered == 30
    assert_exact(counters)


def test_no_answer_is_lost_in_a_long_lockstep(service: Service, raw: Make) -> None:
    client: RawProducer = raw(service)
    client.hello()
    for number in range(3000):
        assert client.say({"htype": "PING", "clock_ns": number})["clock_ns"] == number
    assert service.report().unanswered == 0


def test_a_frame_before_hello_is_answered_and_belongs_to_nobody(service: Service, raw: Make) -> None:
    client: RawProducer = raw(service)
    assert client.say(*frame_message(FRAME))["name"] == "unknown_session"
    assert client.say({"htype": "PING", "clock_ns": 1})["name"] == "unknown_session"
    assert service.report().total == Counters()


def test_a_second_live_producer_of_a_stream_is_refused_and_the_first_goes_on(service: Service, raw: Make) -> None:
    first, second = raw(service), raw(service)
    first.hello()
    assert second.hello(session="another")["name"] == "stream_busy"
    assert second.hello(session="another", stream="other")["htype"] == "WELCOME"
    assert first.say(*frame_message(FRAME))["outcome"] == "processed"


def test_a_producer_that_comes_back_goes_on_with_its_account(service: Service, raw: Make) -> None:
    client, again = raw(service), raw(service)
    client.hello()
    client.say(*frame_message(FRAME, seq=1))
    client.say(*rows_message(FRAME, 0, 40, seq=2))
    welcome = again.hello()
    assert welcome["next_seq"] == 3
    assert (welcome["counters"]["processed"], welcome["counters"]["dropped_producer"]) == (1, 1)
    assert client.say(*frame_message(FRAME, seq=3))["name"] == "unknown_session", "the old connection is over"
    assert again.say(*frame_message(FRAME, seq=5))["outcome"] == "processed"
    assert service.report().total == Counters(offered=5, processed=2, dropped_producer=3)


def test_another_protocol_is_refused_by_number(service: Service, raw: Make) -> None:
    answer = raw(service).hello(protocol=2)
    assert (answer["name"], answer["text"][:27]) == ("protocol_mismatch", "expected protocol 1, got 2:")


def test_only_so_many_producers_are_taken(service: Service, raw: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shiftvae_rt.stream.sessions.MAX_SESSIONS", 2)
    answers = [raw(service).hello(stream=str(n), session=str(n)) for n in range(3)]
    assert [answer.get("name") for answer in answers] == [None, None, "too_many_streams"]


def test_a_ping_is_answered_with_the_counters(service: Service, raw: Make) -> None:
    client: RawProducer = raw(service)
    epoch = client.hello()["epoch"]
    client.say(*frame_message(FRAME, seq=3))
    pong = client.say({"htype": "PING", "clock_ns": 12345})
    assert (pong["htype"], pong["clock_ns"], pong["epoch"], pong["credit"]) == ("PONG", 12345, epoch, 2)
    assert (pong["counters"]["offered"], pong["counters"]["dropped_producer"]) == (3, 2)


def test_end_settles_everything_and_says_so(service: Service, raw: Make) -> None:
    client: RawProducer = raw(service)
    client.hello()
    client.say(*rows_message(FRAME, 0, 40, seq=2))
    ended = client.say({"htype": "END", "last_seq": 7})
    assert (ended["htype"], ended["counters"]["offered"], ended["counters"]["dropped_producer"]) == ("END_ACK", 7, 7)
    assert client.say(*frame_message(FRAME, seq=8))["name"] == "unknown_session"


class BrokenMapper:
    """A real mapper whose model fails on frames of one height."""

    def __init__(self, mapper: LatentMapper) -> None:
        self._mapper = mapper

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mapper, name)

    def map(self, frame: np.ndarray, **options: Any) -> Any:
        if len(frame) == 50:
            raise RuntimeError("Non-zero status code returned while running Conv node")
        return self._mapper.map(frame, **options)


def test_a_frame_on_which_the_model_fails_is_quarantined_and_the_service_lives_on(
    serve: Make, raw: Make, mapper: LatentMapper, caplog: pytest.LogCaptureFixture
) -> None:
    service: Service = serve(BrokenMapper(mapper))
    client: RawProducer = raw(service)
    client.hello()
    answer = client.say(*frame_message(noisy((50, 50)), frame=9))
    assert (answer["name"], answer["outcome"]) == ("encoder_failed", "quarantined")
    assert "Conv node" in answer["text"]
    assert client.say(*frame_message(FRAME, seq=2))["outcome"] == "processed"
    assert service.report().total == Counters(offered=2, processed=1, quarantined=1)
    assert "failed on frame 9 of stream 'raw'" in caplog.text


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
    assert service._ingest.getsockopt(zmq.RCVHWM) == service_module._INGEST_HIGH_WATER_MARK
    assert service._results.get_hwm() == MAX_WAITING
