"""Strangers that speak something else than ZMTP 3: nothing of what they say is heard, with keys or without."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from doors_support import MESSAGES, Doors
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stream_support import FREE, LIMIT_S, noisy

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.stream import (
    Control,
    Counters,
    KeyFolder,
    Options,
    Producer,
    Service,
)
from shiftvae_rt.stream.transport.gatekeeper import Gatekeeper
from shiftvae_rt.stream.transport.sockets import DOORS

Make = Callable[..., Any]


def post(body: bytes) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def frame_1_0(body: bytes) -> bytes:
    return bytes((len(body) + 1, 0)) + body


STOP = b'{"htype":"STOP"}'
#: What a peer sends at once, without waiting for an answer.
WORDS = {
    "ZMTP 1.0": frame_1_0(b"") + frame_1_0(STOP),
    "ZMTP 2.0": b"\xff" + bytes(7) + b"\x01\x7f\x01\x05" + b"\x00\x00" + bytes((0, len(STOP))) + STOP,
    "HTTP": post(MESSAGES),
    "HTTP upgrade": b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n" + MESSAGES,
}


def say(port: int, words: bytes, limit_s: float = LIMIT_S) -> bytes:
    """Say `words` and listen until the other side hangs up; what it said. Raises TimeoutError if it does not."""
    heard = b""
    stranger = socket.create_connection(("127.0.0.1", port), timeout=limit_s)
    with stranger, contextlib.suppress(ConnectionError):
        stranger.sendall(words)
        while part := stranger.recv(4096):
            heard += part
    return heard


@pytest.fixture(params=["without keys", "with keys"])
def doors(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Doors]:
    doors = Doors(tmp_path / "keys" if request.param == "with keys" else None)
    yield doors
    doors.close()


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_a_peer_that_does_not_speak_zmtp_3_is_sent_away_unheard(doors: Doors, words: bytes) -> None:
    for name, port in doors.ports.items():
        say(port, words)
        assert doors.heard() == set(), name


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(min_size=200, max_size=600))
def test_no_body_of_an_http_post_is_heard(doors: Doors, body: bytes) -> None:
    for port in doors.ports.values():
        say(port, post(body))
    assert doors.heard() == set()


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_without_a_domain_every_one_of_them_would_be_heard(monkeypatch: pytest.MonkeyPatch, words: bytes) -> None:
    """The mutant of the tests above."""
    monkeypatch.setattr(Gatekeeper, "guard", lambda *_: None)
    doors = Doors(None)
    with contextlib.ExitStack() as there:
        for port in doors.ports.values():
            stranger = there.enter_context(socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S))
            stranger.sendall(words)
        assert doors.heard_within(LIMIT_S) == DOORS.keys()
    doors.close()


@pytest.mark.parametrize("locked", [False, True], ids=["without keys", "with keys"])
def test_a_service_lives_on_and_has_heard_nothing(
    serve: Make, produce: Make, mapper: LatentMapper, tmp_path: Path, locked: bool
) -> None:
    keys = KeyFolder.create(tmp_path / "keys")
    scope, viewer = keys.add("scope", ("produce",)), keys.add("viewer", ("read",))
    options = Options(control=FREE, open_ingest=FREE, keys=keys.path if locked else None)
    service: Service = serve(mapper, options=options)
    for endpoint in (service.ingest, service.results, service.control, service.open_ingest):
        for words in WORDS.values():
            say(int(endpoint.rpartition(":")[2]), words)
    producer: Producer = produce(service, mode="replay", key=scope if locked else None)
    producer.offer(noisy((40, 40)))
    assert producer.close(LIMIT_S) == Counters(offered=1, processed=1)
    with Control(service.control, key=viewer if locked else None) as control:
        report = control.status().report
    assert (report.malformed, report.total) == (0, Counters(offered=1, processed=1))
