"""Two services under one fleet: clients find theirs, one that is killed comes back, nothing is miscounted."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pytest
from stream_support import noisy

from shiftvae_rt import cli
from shiftvae_rt.errors import ServiceError
from shiftvae_rt.fleet import FleetStatus, ServiceState, find_service, fleet_status
from shiftvae_rt.fleet.page import page_text
from shiftvae_rt.stream import Producer

LIMIT_S = 60.0  # three processes start, on a machine that may be busy
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither SIGKILL nor SIGTERM")


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def free_ports(count: int) -> int:
    """First of `count` neighbouring ports that are free now."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first: int = probe.getsockname()[1]
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first


@dataclass
class Running:
    """A fleet in a process of its own."""

    process: subprocess.Popen[str]
    address: str
    folder: Path

    def status(self) -> FleetStatus:
        return fleet_status(self.address)

    def service(self, name: str) -> ServiceState:
        return next(service for service in self.status().services if service.name == name)

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
        connection = http.client.HTTPConnection(self.address.removeprefix("fleet://"), timeout=10)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read().decode()
        finally:
            connection.close()


@pytest.fixture
def running(tiny_model: Path, tmp_path: Path) -> Iterator[Running]:
    first = free_ports(9)
    entries = "".join(
        f'[[service]]\nname = "{name}"\nmodel = "{tiny_model}"\nport = {first + 1 + 4 * number}\n'
        f'streams = ["{stream}", "{stream} *"]\npriority = "normal"\n'
        for number, (name, stream) in enumerate((("one", "HAADF"), ("two", "BF")))
    )
    file = tmp_path / "FLEET.toml"
    file.write_text(f'http = "127.0.0.1:{first}"\n{entries}cuda_visible_devices = "3"\n')
    command = [sys.executable, "-m", "shiftvae_rt", "fleet", str(file), "--json"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    found = Running(process, f"fleet://127.0.0.1:{first}", tmp_path)
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "started"
        until(lambda: found.status().ready)
        yield found
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=LIMIT_S)


def gone(pid: int | None) -> bool:
    assert pid is not None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def offer(producer: Producer, count: int) -> None:
    for _ in range(count):
        producer.offer(noisy((40, 40)))
        assert producer.wait(LIMIT_S)


@pytest.mark.clock
def test_a_service_that_is_killed_comes_back_and_nothing_is_miscounted(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {name: running.service(name) for name in ("one", "two")}
    assert before["two"].cuda_visible_devices == "3"
    environment = Path(f"/proc/{before['two'].pid}/environ")
    if environment.exists():
        assert b"CUDA_VISIBLE_DEVICES=3\0" in environment.read_bytes()
    places = {stream: find_service(running.address, stream) for stream in ("HAADF", "BF 2")}
    assert [places[stream].name for stream in places] == ["one", "two"]
    with (
        Producer(places["HAADF"].ingest, stream="HAADF", mode="replay") as haadf,
        Producer(places["BF 2"].ingest, stream="BF 2", mode="replay") as bf,
    ):
        offer(haadf, 3)
        offer(bf, 3)
        os.kill(before["one"].pid or 0, signal.SIGKILL)
        offer(bf, 2)  # the other one goes on
        until(lambda: running.service("one").restarts == 1 and running.service("one").state == "ready")
        until(lambda: haadf.absent_s == 0)
        offer(haadf, 4)
        for counters, count in ((haadf.counters, 7), (bf.counters, 5)):
            assert (counters.offered, counters.processed) == (count, count)
    after = {name: running.service(name) for name in ("one", "two")}
    assert after["one"].pid != before["one"].pid
    assert "code -9" in after["one"].reason
    assert (after["two"].pid, after["two"].restarts, after["two"].reason) == (before["two"].pid, 0, "")
    until(lambda: (running.service("one").processed, running.service("two").processed) == (4, 5))  # of this life

    # commands need the one address alone
    np.save(running.folder / "BF.npy", np.stack([noisy((40, 40)) for _ in range(2)]))
    assert cli.main(["send", str(running.folder / "BF.npy"), "--to", running.address, "--fps", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["processed"] == 2
    assert cli.main(["watch", "--from", f"{running.address}/BF", "--seconds", "0.1"]) == 0
    assert f"watching {after['two'].results}" in capsys.readouterr().out
    assert cli.main(["status", "--control", running.address]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "2 of 2 services ready" in said
    assert "one: ready" in said
    assert "1 restart: ended with code -9" in said
    assert cli.main(["status", "--control", running.address, "--stop"]) == 1
    assert "SIGTERM stops a fleet" in capsys.readouterr().err
    with pytest.raises(ServiceError, match="no service takes the stream 'EELS', only HAADF"):
        find_service(running.address, "EELS")

    running.process.send_signal(signal.SIGTERM)
    out, _ = running.process.communicate(timeout=LIMIT_S)
    assert running.process.returncode == 0
    assert [service["state"] for service in json.loads(out.splitlines()[-1])["services"]] == ["stopped", "stopped"]
    assert all(gone(service.pid) for service in after.values())
    log = (running.folder / "log").read_text()
    assert "ended with code -9; it is started again in 0.5 s" in log


def test_the_page_shows_the_services_to_this_machine_alone(running: Running) -> None:
    status, headers, text = running.get("/")
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "<script" not in text
    assert "all services are ready" in text
    assert running.get("/page.css")[0] == 200
    assert [running.get(path)[2] for path in ("/livez", "/readyz")] == ["ok\n", "ready\n"]
    assert running.get("/nothing")[0] == 404
    for path in ("/", "/status.json", "/directory?stream=BF", "/page.css"):
        assert running.get(path, Host="evil.example")[0] == 403
        assert running.get(path, Origin="http://evil.example")[0] == 403
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(LIMIT_S) == 0


def test_the_page_shows_names_as_text() -> None:
    ends = dict.fromkeys(("ingest", "results", "control", "http"), "127.0.0.1:1")
    service = ServiceState(
        name="one",
        model="<b>.svae",
        streams=("<script>", "a\u202eb"),
        cuda_visible_devices=None,
        state="waiting",
        pid=None,
        restarts=2,
        reason="ended & <gone>",
        offered=0,
        processed=0,
        **ends,
    )
    text = page_text(FleetStatus(ready=False, uptime_s=1.0, services=(service,)))
    assert "<script>" not in text
    assert "<b>" not in text
    assert "\u202e" not in text
    assert "&lt;script&gt;" in text
    assert "ended &amp; &lt;gone&gt;" in text
    assert msgspec.json.decode(msgspec.json.encode(service), type=ServiceState) == service


@pytest.mark.skipif(not os.environ.get("SHIFTVAE_LONG"), reason="waits for a halted service: SHIFTVAE_LONG=1")
@pytest.mark.clock
def test_a_service_that_hangs_is_ended_and_comes_back(running: Running) -> None:
    halted = running.service("one")
    os.kill(halted.pid or 0, signal.SIGSTOP)
    until(lambda: running.service("one").restarts == 1 and running.status().ready)
    assert gone(halted.pid)
    assert "/livez" in running.service("one").reason
