"""Pictures that a browser gets: frame and maps as they grow, of the stream that it chose."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from page_support import pixels_of, plane_of, watched
from stream_support import LIMIT_S, frame_message, noisy, until

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.stream import Options, Producer, Service
from shiftvae_rt.view import viewers as viewers_module
from shiftvae_rt.view.planes import ends_of, levels

Make = Callable[..., Any]


def test_a_picture_shows_the_frame_and_its_maps(shown: Service, watch: Make, produce: Make) -> None:
    client = watch(shown)
    until(lambda: watched(shown))
    producer: Producer = produce(shown, stream="a", mode="replay")
    frame = noisy((64, 48))
    producer.offer(frame, number=7, pixel_size_nm=0.02)
    picture = client.picture()
    assert (picture["stream"], picture["frame"], picture["lines"]) == ("a", 7, 64)
    assert (picture["height"], picture["width"], picture["pixel_size_nm"]) == (64, 48, [0.02, 0.02])
    assert (picture["domain"], picture["judged"]) == ("in", 7)
    low, high = ends_of(frame.astype(np.float32), "grey")
    np.testing.assert_array_equal(pixels_of(plane_of(picture, "frame")), levels(frame.astype(np.float32), low, high))
    found = LatentMapper(shown._encoding.mapper.model).map(frame)
    plane = plane_of(picture, "z1")
    value = plane["low"] + (pixels_of(plane).astype(float) - 1) / 254 * (plane["high"] - plane["low"])
    step = (plane["high"] - plane["low"]) / 254
    expected = np.clip(found["z1"], plane["low"], plane["high"])
    assert np.abs(value - expected).max() <= 0.51 * step + 1e-6
    assert {plane["title"] for plane in picture["planes"]} >= {"exx: strain along x", "rotation: clockwise"}
    assert plane["left"] == pytest.approx((7.5 - 2 + 0.5) / 48)
    assert not any(plane["title"].startswith("dy") for plane in picture["planes"])


def test_a_frame_grows_line_by_line_over_the_one_before(shown: Service, watch: Make, produce: Make) -> None:
    client = watch(shown)
    until(lambda: watched(shown))
    producer: Producer = produce(shown, stream="a", mode="replay")
    old, new = noisy((64, 48)), noisy((64, 48), seed=1)
    producer.offer(old)
    client.picture()
    producer.offer_rows(2, new[:24], 0, (64, 48))
    picture = client.picture()
    while picture["lines"] != 24 or plane_of(picture, "z1")["fresh"] == 0:
        picture = client.picture()
    plane = plane_of(picture, "frame")
    assert plane["fresh"] == 24 / 64
    expected = levels(np.concatenate([new[:24], old[24:]]).astype(np.float32), plane["low"], plane["high"])
    np.testing.assert_array_equal(pixels_of(plane), expected)
    assert 0 < plane_of(picture, "z1")["fresh"] < 0.5
    assert (picture["judged"], picture["judged_lines"], picture["domain"]) == (2, 24, "in")


def test_a_line_signal_is_shown_too(serve: Make, line_mapper: LatentMapper, watch: Make, produce: Make) -> None:
    service = serve(line_mapper, options=Options(http="127.0.0.1:0"))
    client = watch(service)
    until(lambda: watched(service))
    produce(service, stream="line", mode="replay").offer(noisy((64,)))
    picture = client.picture()
    assert [(plane["height"], plane["title"]) for plane in picture["planes"]][:2] == [(1, "frame"), (1, "z1")]
    place = client.ask(place=[0.5, 0.5])
    assert {(plane["height"], plane["width"]) for plane in place["planes"]} == {line_mapper.window}
    assert [value["name"] for value in place["values"]] == list(line_mapper.names)
    assert client.ask(manifold=True)["kind"] == "manifold"


def test_what_is_refused_is_told_with_its_reason(shown: Service, watch: Make, produce: Make) -> None:
    client = watch(shown)
    producer: Producer = produce(shown, stream="<b>坑</b>", mode="replay")
    producer.offer(np.full((40, 40), 7, np.uint16))
    for _ in range(40):
        report = json.loads(client.hear_kind(1))["report"]
        if report["refusals"]:
            break
    (refusal,) = report["refusals"]
    assert (refusal["stream"], refusal["name"], refusal["count"]) == ("<b>坑</b>", "bad_frame", 1)
    assert report["streams"]["<b>坑</b>"]["rejected"] == 1


def test_a_stream_can_be_chosen_and_else_the_one_that_is_not_silent_is_shown(
    shown: Service, watch: Make, produce: Make, monkeypatch: Any
) -> None:
    monkeypatch.setattr(viewers_module, "FOLLOW_S", 1e9)  # however slow this machine is
    client = watch(shown)
    until(lambda: watched(shown))
    producers = {name: produce(shown, stream=name, mode="replay") for name in "abc"}
    for name in "abc":
        producers[name].offer(noisy((40, 40)))
        until(lambda name=name: name in shown._showing.viewers.scenes.all())
        if name == "a":
            assert client.picture()["stream"] == "a"
    producers["a"].offer(noisy((40, 40)))
    assert client.picture()["stream"] == "a"
    client.say(b'{"stream": "b"}')
    assert client.picture()["stream"] == "b"
    monkeypatch.setattr(viewers_module, "FOLLOW_S", 0.0)
    producers["c"].offer(noisy((40, 40)))
    client.say(b'{"stream": null}')
    assert client.picture()["stream"] == "c"


def test_lossless_frames_are_shown_beside_their_own_maps(
    serve: Make, mapper: LatentMapper, watch: Make, raw: Make, tmp_path: Any
) -> None:
    service = serve(mapper, options=Options(http="127.0.0.1:0", journal=tmp_path / "j"))
    client, producer = watch(service), raw(service)
    until(lambda: watched(service))
    producer.hello(mode="lossless")
    for seq in range(1, 6):
        producer.tell(*frame_message(noisy((40, 40), seed=seq), seq=seq, frame=seq))
    while True:
        picture = client.picture()
        if picture["seq"] == 5:
            break
    plane = plane_of(picture, "frame")
    expected = levels(noisy((40, 40), seed=5).astype(np.float32), plane["low"], plane["high"])
    np.testing.assert_array_equal(pixels_of(plane), expected)
    assert (picture["judged"], plane_of(picture, "z1")["fresh"]) == (5, 1)


def test_a_page_gets_every_frame_whole_however_fast_the_next_one_begins(
    shown: Service, watch: Make, produce: Make
) -> None:
    client = watch(shown)
    until(lambda: watched(shown))
    producer: Producer = produce(shown, stream="a", mode="replay")
    frame = noisy((64, 48))
    producer.offer_rows(1, frame[:32], 0, frame.shape)
    assert client.picture()["lines"] == 32
    producer.offer_rows(1, frame[32:], 32, frame.shape)
    assert producer.wait(LIMIT_S)
    producer.offer_rows(2, frame[:32], 0, frame.shape)
    until(lambda: shown._showing.viewers.scenes.all()["a"].facts.frame == 2)
    assert [(each["frame"], each["lines"]) for each in (client.picture(), client.picture())] == [(1, 64), (2, 32)]
