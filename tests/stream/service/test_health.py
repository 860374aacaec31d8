"""The pages for supervisors: alive, ready, figures; for the loopback's own names only."""

from __future__ import annotations

import http.client
import re
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from stream_support import LIMIT_S, GatedMapper, noisy, until

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.errors import ServiceError
from shiftvae_rt.stream import Options, Producer, Service

Make = Callable[..., Any]


@pytest.fixture
def healthy(serve: Make, mapper: LatentMapper) -> Service:
    return serve(mapper, options=Options(http="127.0.0.1:0"))


def get(service: Service, path: str, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(service.http, timeout=LIMIT_S)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_a_service_that_runs_is_alive_and_ready(healthy: Service) -> None:
    assert get(healthy, "/livez") == (200, "ok\n")
    assert get(healthy, "/readyz") == (200, "ready\n")
    assert get(healthy, "/anything")[0] == 404


def test_metrics_are_the_counters_in_prometheus_text(healthy: Service, produce: Make) -> None:
    producer: Producer = produce(healthy, mode="replay")
    producer.offer(noisy((40, 40)))
    producer.wait(LIMIT_S)
    status, text = get(healthy, "/metrics")
    assert status == 200
    for line in text.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) .+|shiftvae_[a-z_]+(\{[a-z0-9_]+="[^"]*"\})? [-+0-9.e]+', line), line
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert values["shiftvae_frames_offered_total"] == "1"
    assert values['shiftvae_frames_total{outcome="processed"}'] == "1"
    assert values["shiftvae_producers"] == "1"
    assert values["shiftvae_out_of_domain_total"] == "0"
    assert float(values['shiftvae_encode_seconds{quantile="0.99"}']) > 0


@pytest.mark.parametrize("host", ["evil.example", "evil.example:5780", "127.0.0.1.evil.example", "", "10.0.0.1"])
def test_another_name_in_host_reads_nothing(healthy: Service, host: str) -> None:
    for path in ("/livez", "/metrics"):
        assert get(healthy, path, Host=host)[0] == 403


def test_a_service_that_stops_is_not_ready(serve: Make, mapper: LatentMapper, produce: Make) -> None:
    gated = GatedMapper(mapper)
    service: Service = serve(gated, options=Options(http="127.0.0.1:0", max_age_s=60.0))
    producer: Producer = produce(service)
    producer.offer(noisy((40, 40)))
    assert gated.waiting.acquire(timeout=LIMIT_S)
    service.stop()
    assert get(service, "/readyz") == (503, "stopping\n")
    gated.gate.release()


@pytest.mark.clock
def test_a_loop_that_hangs_outside_an_encoding_is_not_alive(healthy: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shiftvae_rt.stream.service.health._TURN_S", 0.3)
    assert get(healthy, "/livez")[0] == 200
    monkeypatch.setattr(healthy._publisher, "welcome_readers", lambda: time.sleep(1.5))
    until(lambda: get(healthy, "/livez")[0] == 503)


@pytest.mark.clock
def test_a_client_that_says_nothing_holds_nobody_up_for_long(healthy: Service) -> None:
    with socket.create_connection(healthy.http.split(":")):
        started = time.monotonic()
        assert get(healthy, "/livez")[0] == 200
        assert time.monotonic() - started < 4.0


@pytest.mark.parametrize("address", ["0.0.0.0:0", "localhost:0", "127.0.0.1", "127.0.0.1:99999", "[::1]:0", ""])
def test_only_the_loopback_is_listened_on(mapper: LatentMapper, address: str) -> None:
    with pytest.raises(ServiceError, match=r"expected an HTTP address 127\.0\.0\.1:PORT"):
        Service(mapper, ingest="tcp://127.0.0.1:0", results="tcp://127.0.0.1:0", options=Options(http=address))


def test_a_port_that_is_taken_is_one_clear_error(healthy: Service, mapper: LatentMapper) -> None:
    with pytest.raises(ServiceError, match=r"cannot be used \(Address already in use\): choose another port"):
        Service(mapper, ingest="tcp://127.0.0.1:0", results="tcp://127.0.0.1:0", options=Options(http=healthy.http))


def test_head_gets_the_headers_alone_and_options_the_methods(healthy: Service) -> None:
    for method, status, length in (("HEAD", 200, "3"), ("OPTIONS", 204, "0")):
        connection = http.client.HTTPConnection(healthy.http, timeout=LIMIT_S)
        connection.request(method, "/livez")
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Content-Length"), answer.read()) == (status, length, b"")
        connection.close()


def trickle(connection: socket.socket) -> None:
    for _ in range(1000):  # each byte comes well within the time that a single read may take
        connection.sendall(b"G")
        time.sleep(0.02)


@pytest.mark.clock
def test_a_request_has_a_deadline_however_steadily_it_trickles_in(healthy: Service, monkeypatch: Any) -> None:
    monkeypatch.setattr(healthy._health._server, "request_s", 0.3)
    host, port = healthy.http.split(":")
    slow = socket.create_connection((host, int(port)), timeout=LIMIT_S)
    with slow, pytest.raises(OSError, match="reset|Broken pipe|aborted"):
        trickle(slow)
    assert get(healthy, "/livez") == (200, "ok\n")
