"""Bad frames and messages over real sockets: answered by name, counted, and the service lives on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from stream_support import (
    LIMIT_S,
    RawProducer,
    frame_message,
    noisy,
    rows_message,
)

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.simulator import Microscope
from shiftvae_rt.stream import Counters, Service, Subscriber
from shiftvae_rt.stream.protocol.clock import monotonic_ns

Make = Callable[..., Any]
FRAME = Microscope(shape=(96, 80)).frame(0).pixels


@pytest.mark.parametrize(
    ("pixels", "changes", "name", "text"),
    [
        (np.full((40, 40), np.nan, np.float32), {}, "bad_frame", "1600 of 1600 pixels are NaN"),
        (np.full((40, 40), np.inf, np.float64), {}, "bad_frame", "NaN or infinite"),
        (np.full((40, 40), 7, np.uint8), {}, "bad_frame", "constant"),
        (noisy((2, 40, 40)), {}, "bad_frame", "channel"),
        (noisy((40, 15)), {}, "bad_window", "smaller than the window"),
        (noisy((40, 40)), {"pixel_size_nm": [0.0207, 0.0207]}, "pixel_size", "more than 3 % apart"),
        (noisy((40, 40)), {"type": "complex64", "dtype": "complex64"}, "bad_message", "dtype must be one of"),
        (noisy((40, 40)), {"type": "uint8", "dtype": "uint8"}, "bad_message", "needs a buffer of 1600 bytes, got 3200"),
        (noisy((40, 40)), {"source": "another"}, "bad_message", "source must be the stream 'raw'"),
        (noisy((40, 40)), {"roi": (0, 3, 40, 40), "frame_shape": (40, 43)}, "bad_message", "0 valid lines now"),
        (noisy((1, 40)), {"roi": (5, 0, 1, 40), "frame_shape": (6, 40), "valid_rows": 6}, "bad_message", "row 0"),
        (
            noisy((1, 40)),
            {"frame_shape": (2**31 - 1, 40), "valid_rows": 1, "complete": False},
            "bad_message",
            "67108864 px, got (2147483647, 40)",
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
    assert "frame 9 of stream 'raw' was refused: encoder_failed: Non-zero status" in caplog.text


def test_frames_of_another_size_or_kind_are_each_mapped_as_they_are(
    service: Service, raw: Make, subscribe: Make, mapper: LatentMapper
) -> None:
    subscriber: Subscriber = subscribe(service)
    client: RawProducer = raw(service)
    client.hello()
    frames = [noisy((40, 40)), noisy((64, 18)), noisy((40, 40)).astype(np.float32), FRAME]
    for seq, pixels in enumerate(frames, 1):
        assert client.say(*frame_message(pixels, seq=seq))["outcome"] == "processed"
        assert np.array_equal(subscriber.receive(LIMIT_S).latent_map.mean, mapper.map(pixels).mean)


@pytest.mark.parametrize("share", [0.01, 0.9])
def test_a_frame_with_saturated_pixels_is_mapped_as_it_is(
    service: Service, raw: Make, subscribe: Make, mapper: LatentMapper, share: float
) -> None:
    subscriber: Subscriber = subscribe(service)
    client: RawProducer = raw(service)
    client.hello()
    pixels = noisy((40, 40))
    pixels[np.random.default_rng(1).random(pixels.shape) < share] = 65535
    assert client.say(*frame_message(pixels))["outcome"] == "processed"
    values = subscriber.receive(LIMIT_S).latent_map.mean
    assert np.isfinite(values).all()
    assert np.array_equal(values, mapper.map(pixels).mean)


@pytest.mark.parametrize("name", ["x\x1b[31m", "a\nb", " a", "a ", "a\u202eb"], ids=ascii)
@pytest.mark.parametrize("field", ["stream", "session"])
def test_a_name_that_hides_something_is_refused_at_hello(service: Service, raw: Make, field: str, name: str) -> None:
    answer = raw(service).hello(**{field: name})
    assert (answer["htype"], answer["name"], answer["seq"]) == ("ERROR", "bad_message", None)
    assert "bad name in HELLO" in answer["text"]
    assert answer["text"].isprintable()


def test_a_session_with_an_at_sign_is_refused_at_hello(service: Service, raw: Make) -> None:
    assert "'@'" in raw(service).hello(session="a@b")["text"]


def test_a_channel_that_hides_something_costs_its_frame(service: Service, raw: Make) -> None:
    client: RawProducer = raw(service)
    client.hello()
    answer = client.say(*frame_message(noisy((40, 40)), name="x\x1b[31m"))
    assert (answer["name"], answer["outcome"], answer["text"].isprintable()) == ("bad_message", "rejected", True)


def test_a_stamp_from_the_future_makes_no_later_frame_stale(service: Service, raw: Make) -> None:
    client: RawProducer = raw(service)
    client.hello(clock="")
    frame = noisy((40, 40))
    client.say(*frame_message(frame, clock_ns=monotonic_ns() + 3600 * 10**9))
    client.tell({"htype": "WANT", "clock_ns": monotonic_ns() + 3600 * 10**9})
    answer = client.say(*frame_message(frame, seq=2))
    while answer["htype"] == "GRANT":
        answer = client.hear()
    assert answer["outcome"] == "processed"
    assert answer["age_ms"] < 5000
