"""The socket of the page: who is let in, what comes out of it, and that nobody waits for a browser."""

from __future__ import annotations

import http.client
import io
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
from shiftvae_rt.files import write_latent_map
from shiftvae_rt.stream import KeyFolder, Options, Producer, Service
from shiftvae_rt.view import viewers as viewers_module
from shiftvae_rt.view.planes import ends_of, levels
from shiftvae_rt.view.site import page_files

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
    answers = {path: get(shown, path) for path in page_files()}
    assert {answer.status for answer in answers.values()} == {200}
    for answer in answers.values():
        policy = answer.getheader("Content-Security-Policy")
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.getheader("X-Content-Type-Options") == "nosniff"
        assert answer.getheader("Access-Control-Allow-Origin") is None
    own = [answer.body for path, answer in answers.items() if not path.startswith("/uplot/")]
    assert sum(map(len, own)) <= 60_000
    assert not any(b"http:" in body or b"https:" in body for body in own)  # nothing from elsewhere
    assert b"MIT License" in answers["/uplot/LICENSE"].body


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


def image_of(plane: dict[str, Any]) -> np.ndarray:
    """Values of a plane, to half a step of its bytes."""
    return plane["low"] + (pixels_of(plane).astype(float) - 1) / 254 * (plane["high"] - plane["low"])


def looked_at(plane: dict[str, Any], values: np.ndarray) -> None:
    step = (plane["high"] - plane["low"]) / 254
    expected = np.clip(values, plane["low"], plane["high"])
    np.testing.assert_allclose(image_of(plane), expected, atol=0.51 * step + 1e-6)


@pytest.mark.parametrize("band", [64, 8], ids=["whole", "in bands"])
def test_a_place_is_its_pixels_the_drawing_their_difference_and_its_latents(
    shown: Service, watch: Make, produce: Make, mapper: LatentMapper, band: int
) -> None:
    client = watch(shown)
    until(lambda: watched(shown))
    producer: Producer = produce(shown, stream="a", mode="replay")
    frame = noisy((64, 48))
    for row in range(0, 64, band):
        producer.offer_rows(7, frame[row : row + band], row, frame.shape, pixel_size_nm=0.02)
    while client.picture()["planes"][1]["fresh"] != 1:
        pass
    found = mapper.map(frame, pixel_size_nm=0.02)
    row, col = 5, 3
    centre = found.centre_x_px[col], found.centre_y_px[row]
    place = client.ask(place=[(centre[0] + 0.5) / 48, (centre[1] + 0.5) / 64])
    assert (place["kind"], place["frame"], place["x_px"], place["y_px"]) == ("place", 7, *centre)
    values = {value["name"]: (value["mean"], value["sd"]) for value in place["values"]}
    for index, name in enumerate(found.names):
        assert values[name] == pytest.approx((found.mean[index, row, col], found.std[index, row, col]), rel=1e-6)
    assert values["ux"][0] == pytest.approx(20 * found.fields["ux"][row, col], rel=1e-5)  # pm
    window = frame[4 * row : 4 * row + 16, 4 * col : 4 * col + 16].astype(float)
    window = (window - window.mean()) / window.std()
    drawn = mapper.draw(found.mean[None, :, row, col])[0, 0]
    for plane, image in zip(place["planes"], (window, drawn, window - drawn), strict=True):
        looked_at(plane, image)
    assert place["left_over"] == pytest.approx((window - drawn).std(), rel=1e-4)
    assert (place["left"], place["bottom"]) == (4 * col / 48, (4 * row + 16) / 64)


def test_what_the_decoder_draws_over_the_content_is_shown_as_a_manifold(
    shown: Service, watch: Make, produce: Make, mapper: LatentMapper
) -> None:
    client = watch(shown)
    until(lambda: watched(shown))
    produce(shown, stream="a", mode="replay").offer(noisy((64, 48)))
    client.picture()
    manifold = client.ask(manifold=True)
    (plane,) = manifold["planes"]
    assert (plane["height"], plane["width"]) == (7 * 16, 7 * 16)
    across, down = manifold["across"], manifold["down"]
    assert (across["name"], down["name"]) == ("z1", "z2")
    drawn = mapper.draw(np.array([[0, 0, across["high"], down["low"]]], np.float32))[0, 0]
    looked_at({**plane, "pixels": pixels_of(plane)[:16, -16:].tobytes(), "height": 16, "width": 16}, drawn)


def test_a_question_without_an_answer_is_told_why(shown: Service, watch: Make, produce: Make) -> None:
    client = watch(shown)
    until(lambda: watched(shown))
    assert client.ask(place=[0.5, 0.5])["why"] == "the service no longer has this frame"
    producer: Producer = produce(shown, stream="a", mode="replay")
    producer.offer_rows(1, noisy((24, 48)), 0, (64, 48))
    client.picture()
    until(lambda: shown._publisher.published)
    assert client.ask(place=[0.5, 0.9])["why"] == "the scan has not come here yet"
    assert client.ask(place=[0.5, 0.1])["kind"] == "place"
    assert client.ask(place=[0.5, 0.1], seq=99)["why"] == "the service no longer has this frame"
    assert client.ask(place=[-9, 1e99])["kind"] == "unknown"  # clipped to the corner
    client.say(b'{"id": 1, "place": [[]]}')
    until(lambda: not watched(shown))  # it was no page of ours


def test_what_is_shown_is_written_as_map_writes_it(
    shown: Service, watch: Make, produce: Make, mapper: LatentMapper, tmp_path: Path
) -> None:
    client = watch(shown)
    until(lambda: watched(shown))
    producer: Producer = produce(shown, stream="a b&c", mode="replay")
    frame = noisy((64, 48))
    producer.offer(frame, pixel_size_nm=0.02)
    seq = client.picture()["seq"]
    answer = get(shown, f"/shown.npz?stream=a+b%26c&seq={seq}")
    assert (answer.status, answer.getheader("Content-Type")) == (200, "application/octet-stream")
    write_latent_map(tmp_path / "x.npz", mapper.map(frame, pixel_size_nm=0.02), source="a b&c")
    with np.load(io.BytesIO(answer.body)) as found, np.load(tmp_path / "x.npz") as expected:
        assert sorted(found) == sorted(expected)
        for name in expected:
            np.testing.assert_array_equal(found[name], expected[name])
    for other in (f"stream=other&seq={seq}", "stream=a+b%26c&seq=99", "stream=a+b%26c&seq=x", ""):
        assert get(shown, f"/shown.npz?{other}").status == 404
    assert get(shown, f"/shown.npz?stream=a+b%26c&seq={seq}", Origin="http://evil.example").status == 403


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
