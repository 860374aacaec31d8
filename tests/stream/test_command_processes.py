"""Commands in processes of their own, that are told to stop or die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from stream_support import UnknownPixelSize, run, until

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.stream import Service

Make = Callable[..., Any]
OFF = ("--control", "off", "--http", "off")


class Process:
    """`shiftvae` in a process of its own, with its output line by line."""

    def __init__(self, *arguments: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "shiftvae_rt", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def line(self) -> str:
        return self.process.stdout.readline()

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


@pytest.fixture
def shiftvae() -> Iterator[Callable[..., Process]]:
    running: list[Process] = []

    def start(*arguments: object) -> Process:
        running.append(Process(*arguments))
        return running[-1]

    yield start
    for process in running:
        process.process.kill()
        process.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_serve_stops_in_order_and_reports(
    shiftvae: Make, tiny_model: Path, stack: Path, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    serve: Process = shiftvae(
        "serve", tiny_model, "--ingest", "tcp://127.0.0.1:0", "--results", "tcp://127.0.0.1:0", *OFF, "--json"
    )
    ready = json.loads(serve.line())
    assert run(capsys, "send", stack, "--to", ready["ingest"], "--fps", 0)[0] == 0
    serve.process.send_signal(number)
    code, out, err = serve.end()
    stopped = json.loads(out)
    assert (code, err) == (0, "")
    assert stopped["event"] == "stopped"
    assert stopped["total"]["offered"] == stopped["total"]["processed"] == stopped["streams"]["movie"]["offered"] == 7
    assert 0 < stopped["encode_p50_ms"] <= stopped["age_p99_ms"]


def test_a_producer_killed_in_mid_frame_is_accounted_for(shiftvae: Make, serve: Make, mapper: LatentMapper) -> None:
    service: Service = serve(UnknownPixelSize(mapper))
    microscope: Process = shiftvae(
        "simulate", "--to", service.ingest, "--frames", 0, "--size", 64, "--fps", 20, "--rows", 4
    )
    until(lambda: service.report().total.processed >= 3, 30)
    until(lambda: service.report().total.offered > service.report().total.settled)
    microscope.process.kill()
    until(lambda: len(service._sessions) == 0)
    total = service.report().total
    assert total.offered == total.settled


@pytest.mark.clock
def test_a_service_that_dies_is_one_line_for_its_producer_and_its_reader(
    shiftvae: Make, tiny_model: Path, stack: Path
) -> None:
    serve: Process = shiftvae(
        "serve", tiny_model, "--ingest", "tcp://127.0.0.1:0", "--results", "tcp://127.0.0.1:0", *OFF, "--json"
    )
    ready = json.loads(serve.line())
    watch: Process = shiftvae("watch", "--from", ready["results"])
    assert watch.line().startswith("watching")
    send: Process = shiftvae("send", stack, "--to", ready["ingest"], "--fps", 1, "--json")
    assert watch.line().startswith("stream")
    serve.process.kill()
    code, out, err = send.end()
    assert code == 1
    assert "went away" in err
    assert err.splitlines()[-1].startswith("shiftvae: error: the service at")
    report = json.loads(out)
    assert report["offered"] == report["processed"] + report["dropped_producer"] < 8
    code, _, err = watch.end()
    assert (code, err) == (1, f"shiftvae: error: the service at {ready['results']} is gone\n")
