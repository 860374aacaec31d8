"""The socket of the page: who is let in, what comes out of it, and that nobody waits for a browser."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser_support import Socket
from stream_support import LIMIT_S, frame_message, noisy, until

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.stream import KeyFolder, Options, Producer, Service
from shiftvae_rt.view import viewers as viewers_module
from shiftvae_rt.view.picture_message import ends_of, levels

Make = Callable[..., Any]
STATM = Path("/proc/self/statm")


@pytest.fixture
def shown(serve: Make, mapper: LatentMapper) -> Service:
    return serve(mapper, options=Options(http="127.0.0.1:0", max_age_s=60.0))


@pytest.fixture
def watch() -> Iterator[Callable[..., Socket]]:
    made: list[Socket] = []

    def connect(service: Service, **options: Any) -> Socket:
        made.append(Socket(service.http, **options))
        return made[-1]

    yield connect
    for client in made:
        client.close()


def get(service: Service, path: str, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(service.http, timeout=LIMIT_S)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    answer.body = answer.read()
    connection.close()
    return answer


def watched(service: Service) -> bool:
    return service._showing.viewers.scenes.watched


def plane_of(picture: dict[str, Any], title: str) -> dict[str, Any]:
    return next(plane for plane in picture["planes"] if plane["title"] == title)


def pixels_of(plane: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(plane["pixels"], np.uint8).reshape(plane["height"], plane["width"])


def test_the_page_and_its_files_carry_a_policy_and_are_small(shown: Service) -> None:
    paths = ("/", "/page.css", "/page.js", "/link.js", "/panels.js", "/status.js", "/save.js", "/colours.json")
    answers = [get(shown, path) for path in paths]
    assert [answer.status for answer in answers] == [200] * len(paths)
    for answer in answers:
        policy = answer.getheader("Content-Security-Policy")
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.getheader("X-Content-Type-Options") == "nosniff"
        assert answer.getheader("Access-Control-Allow-Origin") is None
    assert sum(len(answer.body) for answer in answers) <= 60_000
    assert not any(b"http:" in answer.body or b"https:" in answer.body for answer in answers)  # nothing from elsewhere


def test_without_the_page_there_are_the_probes_alone(serve: Make, mapper: LatentMapper, watch: Make) -> None:
    service = serve(mapper, options=Options(http="127.0.0.1:0", page=False))
    assert (get(service, "/").status, get(service, "/livez").status) == (404, 200)
    assert watch(service).status == 404


def test_with_keys_there_is_no_page_since_a_browser_has_none(
    serve: Make, mapper: LatentMapper, watch: Make, tmp_path: Path
) -> None:
    keys = KeyFolder.create(tmp_path / "keys")
    service = serve(mapper, options=Options(http="127.0.0.1:0", keys=keys.path))
    assert service.page is None
    assert (get(service, "/").status, get(service, "/readyz").status, watch(service).status) == (404, 200, 404)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:5780"},
        {"Host": "127.0.0.1.evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:8888"},
        {"Origin": "https://127.0.0.1"},
    ],
    ids=str,
)
def test_a_foreign_page_is_refused_everywhere(shown: Service, watch: Make, headers: dict[str, str]) -> None:
    for path in ("/", "/page.js", "/metrics", "/live"):
        answer = get(shown, path, **headers)
        assert answer.status == 403
        assert b"shiftvae" not in answer.body
    assert watch(shown, **headers).status == 403
    assert not watched(shown)


def test_its_own_origin_is_let_in_under_both_names_of_the_loopback(shown: Service, watch: Make) -> None:
    port = shown.http.partition(":")[2]
    for name in ("127.0.0.1", "localhost"):
        host = f"{name}:{port}"
        assert watch(shown, Host=host, Origin=f"http://{host}").status == 101


def test_a_form_or_a_fetch_that_posts_changes_nothing(shown: Service) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert get(shown, "/live", method=method).status == 501
    assert not watched(shown)


@pytest.mark.parametrize(
    "headers",
    [{"Upgrade": ""}, {"Connection": "close"}, {"Sec_WebSocket_Version": "8"}, {"Sec_WebSocket_Key": "short"}],
    ids=str,
)
def test_a_request_that_is_no_websocket_is_none(shown: Service, watch: Make, headers: dict[str, str]) -> None:
    assert watch(shown, **headers).status == 400


def test_the_answer_to_the_handshake_is_that_of_the_standard(shown: Service, watch: Make) -> None:
    found = watch(shown, Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==")  # the example of RFC 6455, 1.3
    assert "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in found.answer


@pytest.mark.parametrize(
    "misbehave",
    [
        lambda client: client.say(b"r", masked=False),
        lambda client: client.say(b"r", final=False),
        lambda client: client.say(b"r", kind=3),
        lambda client: client.say(b"x" * 2000),
        lambda client: client.say(b"not JSON"),
        lambda client: client.say(b"[" * 900),
        lambda client: client.say(b"\xff\xfe"),
    ],
    ids=["unmasked", "a fragment", "an unknown kind", "too long", "no JSON", "deep JSON", "no UTF-8"],
)
def test_a_browser_that_breaks_the_protocol_is_sent_away(shown: Service, watch: Make, misbehave: Make) -> None:
    client, other = watch(shown), watch(shown)
    misbehave(client)
    while client.hear()[0]:
        pass
    assert json.loads(other.hear_kind(1))["htype"] == "REPORT"


def test_a_ping_is_answered_and_a_close_is_heard(shown: Service, watch: Make) -> None:
    client = watch(shown)
    client.say(b"are you there", kind=9)
    assert client.hear_kind(10) == b"are you there"
    client.say(b"", kind=8)
    until(lambda: not watched(shown))


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


def test_nothing_is_kept_while_nobody_watches(shown: Service, watch: Make, produce: Make) -> None:
    producer: Producer = produce(shown, stream="a", mode="replay")
    producer.offer(noisy((40, 40)))
    producer.wait(LIMIT_S)
    assert shown._showing.viewers.scenes.all() == {}
    assert shown._showing.viewers._thread is None
    client = watch(shown)
    until(lambda: watched(shown))
    client.close()
    until(lambda: not watched(shown))
    producer.offer(noisy((40, 40)))
    producer.wait(LIMIT_S)
    assert shown._showing.viewers.scenes.all() == {}


def test_a_fault_of_the_page_costs_no_frame(shown: Service, watch: Make, produce: Make, monkeypatch: Any) -> None:
    watch(shown)
    until(lambda: watched(shown))

    def fail(*_: Any) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(shown._showing._scenes, "put_lines", fail)
    producer: Producer = produce(shown, stream="a", mode="replay")
    for _ in range(3):
        producer.offer(noisy((40, 40)))
        producer.wait(LIMIT_S)
    assert shown.report().total.processed == 3


def rss_bytes() -> int:
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


@pytest.mark.skipif(not STATM.exists(), reason="no /proc: the memory of a process is not known")
def test_stopped_browsers_cost_nobody_anything(shown: Service, watch: Make, produce: Make) -> None:
    """Two read nothing and ask for pictures without end, one reads: it has them all, and memory stays flat."""
    live, stopped = watch(shown), [watch(shown, receive_bytes=4096) for _ in range(2)]
    until(lambda: len(shown._showing.viewers._viewers) == 3)
    producer: Producer = produce(shown, stream="a", mode="replay")
    frame = noisy((600, 600))

    def run(count: int) -> None:
        for _ in range(count):
            for client in stopped:
                client.say(b"r")
            producer.offer(frame)
            producer.wait(LIMIT_S)
            live.picture()

    run(20)
    before = rss_bytes()
    run(60)
    grown = rss_bytes() - before
    assert shown.report().total.processed == 80
    assert grown < 20e6, f"{grown / 1e6:.1f} MB more: each picture is about 0.6 MB"


def test_a_browser_that_says_nothing_any_more_is_sent_away(shown: Service, watch: Make, monkeypatch: Any) -> None:
    monkeypatch.setattr(viewers_module, "SILENCE_S", 0.5)
    watch(shown)
    until(lambda: watched(shown))
    until(lambda: not watched(shown))


def test_so_many_browsers_and_no_more(shown: Service, watch: Make, monkeypatch: Any) -> None:
    monkeypatch.setattr(viewers_module, "MOST_VIEWERS", 2)
    for count in (1, 2):
        assert watch(shown).status == 101
        until(lambda count=count: len(shown._showing.viewers._viewers) == count)
    assert watch(shown).status == 400


def test_connections_that_say_nothing_do_not_keep_the_page_waiting(shown: Service) -> None:
    """A browser opens connections ahead."""
    host, port = shown.http.split(":")
    idle = [socket.create_connection((host, int(port))) for _ in range(6)]
    assert get(shown, "/").status == 200
    for connection in idle:
        connection.close()


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
