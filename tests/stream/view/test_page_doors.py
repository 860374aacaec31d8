"""Doors of the live page: its files, who is let in, and what a browser may say."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from page_support import get, watched
from stream_support import until

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.stream import KeyFolder, Options, Service
from shiftvae_rt.view import viewers as viewers_module
from shiftvae_rt.view.site import page_files

Make = Callable[..., Any]


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
