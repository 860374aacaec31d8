"""shiftvae serve, send, watch and simulate, as a user types them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stream_support import LIMIT_S, noisy, until
from terminal import Terminal, unwrapped

from shiftvae_rt import cli
from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.stream import Service, Subscriber

Make = Callable[..., Any]
TITLES = [
    "stream",
    "frame",
    "age",
    "(ms)",
    "dropped",
    "refused",
    "missed",
    "skipped",
    "verdict",
]
NOBODY = "tcp://127.0.0.1:9"
NORMAL = ("--priority", "normal")
OFF = ("--control", "off", "--http", "off")


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """A movie of 7 frames."""
    path = tmp_path / "movie.npy"
    np.save(path, noisy((7, 48, 64)))
    return path


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


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize("pace", [["--fps", 0], ["--fps", 0, "--rows", 10], ["--fps", 200, "--wait", "--rows", 48]])
def test_every_frame_of_a_file_that_waits_is_processed(
    service: Service, capsys: pytest.CaptureFixture[str], stack: Path, pace: list[object]
) -> None:
    code, out, err = run(capsys, "send", stack, "--to", service.ingest, *pace, "--json")
    report = json.loads(out)
    assert (code, err) == (0, "")
    assert (report["stream"], report["offered"], report["processed"]) == ("movie", 7, 7)


@pytest.mark.clock
def test_a_paced_file_keeps_its_pace_and_accounts_for_every_frame(
    service: Service, capsys: pytest.CaptureFixture[str], stack: Path
) -> None:
    code, out, _ = run(capsys, "send", stack, "--to", service.ingest, "--fps", 20, "--json")
    report = json.loads(out)
    assert code == 0
    assert report["seconds"] >= 7 / 20
    names = ("processed", "dropped_producer", "dropped_stale", "rejected", "quarantined")
    assert report["offered"] == sum(report[name] for name in names) == 7


def test_the_report_of_a_file_is_the_identity_in_words(
    service: Service, capsys: pytest.CaptureFixture[str], stack: Path
) -> None:
    _, out, _ = run(capsys, "send", stack, "--to", service.ingest, "--fps", 0, "--frames", "2:5", "--stream", "STM")
    assert unwrapped(out)[0].startswith(
        "STM: offered 3 = processed 3 + dropped by the producer 0 + dropped as stale 0 + rejected 0 + quarantined 0; "
    )


def test_streamed_maps_are_those_of_shiftvae_map(
    service: Service, capsys: pytest.CaptureFixture[str], stack: Path, tiny_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "maps"
    watch = ["watch", "--from", service.results, "--count", "5", "-o", str(folder), "--json"]
    codes: list[int] = []
    watcher = threading.Thread(target=lambda: codes.append(cli.main(watch)))
    watcher.start()
    assert service.wait_for_readers(1, LIMIT_S)
    assert run(capsys, "send", stack, "--to", service.ingest, "--fps", 0, "--frames", "2:")[0] == 0
    watcher.join(LIMIT_S)
    assert codes == [0]
    assert sorted(path.name for path in folder.iterdir()) == [f"movie-{number:06d}.npz" for number in range(2, 7)]
    for number in range(2, 7):
        mapped = tmp_path / f"{number}.npz"
        assert run(capsys, "map", tiny_model, stack, "-o", mapped, "--frame", number)[0] == 0
        with np.load(folder / f"movie-{number:06d}.npz") as streamed, np.load(mapped) as expected:
            assert set(streamed) == set(expected)
            assert np.isnan(streamed["domain_windows"]).all()  # the scores of single windows stay with the service
            assert "fields" in expected
            assert (str(streamed["source"]), str(expected["source"])) == ("movie", stack.name)
            for name in set(expected) - {"domain_windows", "source"}:
                assert np.array_equal(streamed[name], expected[name], equal_nan=expected[name].dtype.kind == "f"), name


def test_a_stream_cannot_write_outside_the_folder(
    service: Service, capsys: pytest.CaptureFixture[str], stack: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "deep" / "maps"
    watcher = threading.Thread(
        target=cli.main, args=(["watch", "--from", service.results, "--count", "1", "-o", str(folder)],)
    )
    watcher.start()
    assert service.wait_for_readers(1, LIMIT_S)
    run(capsys, "send", stack, "--to", service.ingest, "--fps", 0, "--frames", ":1", "--stream", "../../evil/x")
    watcher.join(LIMIT_S)
    assert [path.name for path in folder.iterdir()] == ["%2e%2e%2f%2e%2e%2fevil%2fx-000000.npz"]


def test_watch_replaces_no_map_of_an_earlier_run_unless_told_to(
    service: Service, capsys: pytest.CaptureFixture[str], stack: Path, tmp_path: Path
) -> None:
    (tmp_path / "s-000000.npz").write_text("of yesterday")
    codes: list[int] = []

    def watch(*options: str) -> str:
        command = ["watch", "--from", service.results, "--count", "1", "-o", str(tmp_path), *options]
        watcher = threading.Thread(target=lambda: codes.append(cli.main(command)))
        watcher.start()
        assert service.wait_for_readers(1, LIMIT_S)
        cli.main(["send", str(stack), "--to", service.ingest, "--fps", "0", "--frames", ":1", "--stream", "s"])
        watcher.join(LIMIT_S)
        until(lambda: service._publisher.readers == 0)
        return capsys.readouterr().err

    assert "s-000000.npz exists and is not replaced" in watch()
    assert (tmp_path / "s-000000.npz").read_text() == "of yesterday"
    watch("--force")
    assert np.load(tmp_path / "s-000000.npz")["mean"].size
    assert codes == [1, 0]


def test_watch_prints_a_table(service: Service, capsys: pytest.CaptureFixture[str], stack: Path) -> None:
    watcher = threading.Thread(target=cli.main, args=(["watch", "--from", service.results, "--count", "2", "--all"],))
    watcher.start()
    assert service.wait_for_readers(1, LIMIT_S)
    cli.main(["send", str(stack), "--to", service.ingest, "--fps", "0"])
    watcher.join(LIMIT_S)
    told = capsys.readouterr().out.splitlines()
    lines = [line for line in told if "offered" not in line and "quarantined" not in line]
    assert lines[0] == f"watching {service.results}; Ctrl-C stops"
    assert lines[1].split() == TITLES
    assert max(map(len, told)) <= 80
    frames, below = lines[2::2], lines[3::2]
    assert [line.split()[:2] for line in frames] == [["movie", "0"], ["movie", "1"]]
    assert all(re.search(r" in \d\.\d\d$", line) for line in frames), "the verdict with its score"
    assert all(re.fullmatch(r"  dy \S+ to \S+ px, dx \S+ to \S+ px, z1 \S+ to \S+, z2 \S+ to \S+", b) for b in below)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")
@pytest.mark.clock
def test_watch_stops_at_ctrl_c_as_it_says_and_calls_it_no_error(service: Service) -> None:
    with Terminal("watch", "--from", service.results) as terminal:
        terminal.read_until("Ctrl-C stops\r\n")
        assert terminal.ctrl_c() == 130
    assert terminal.lines[-1].removeprefix("^C") == "shiftvae: stopped by Ctrl-C"
    assert "error" not in terminal.text


@pytest.mark.clock
def test_watch_says_once_where_to_look_when_nothing_comes(service: Service, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("shiftvae_rt.commands.watch._QUIET_S", 0.1)
    assert cli.main(["watch", "--from", service.results, "--seconds", "2"]) == 0
    assert capsys.readouterr().err.count("`shiftvae status` counts frames") == 1


def test_watch_stops_after_its_time(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "watch", "--from", service.results, "--seconds", 0.2, "--json") == (0, "", "")


@pytest.mark.parametrize("rows", [0, 16])
@pytest.mark.clock
def test_simulate_sends_images_to_an_image_model(
    serve: Make, mapper: LatentMapper, capsys: pytest.CaptureFixture[str], rows: int
) -> None:
    service: Service = serve(UnknownPixelSize(mapper))
    options = ["--frames", 3, "--size", 64, "--fps", 0, "--rows", rows, "--json"]
    code, out, _ = run(capsys, "simulate", "--to", service.ingest, *options)
    assert code == 0
    assert json.loads(out)["processed"] == 3


class UnknownPixelSize:
    """The tiny model with frames whose pixel size is not given: the simulator's is another than the model's."""

    def __init__(self, mapper: LatentMapper) -> None:
        self._mapper = mapper

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mapper, name)

    def map(self, frame: Any, *, pixel_size_nm: float | None) -> Any:
        return self._mapper.map(frame)

    def begin_scan(self, *arguments: Any, pixel_size_nm: float | None, **options: Any) -> Any:
        return self._mapper.begin_scan(*arguments, **options)


def test_simulate_sends_lines_to_a_line_model(
    serve: Make, line_mapper: LatentMapper, capsys: pytest.CaptureFixture[str]
) -> None:
    service: Service = serve(line_mapper)
    code, out, _ = run(capsys, "simulate", "--to", service.ingest, "--frames", 3, "--fps", 0, "--json")
    assert (code, json.loads(out)["processed"]) == (0, 3)


def test_frames_that_are_all_refused_are_an_error_with_the_reason(
    service: Service, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    np.save(tmp_path / "small.npy", noisy((2, 8, 8)))
    code, out, err = run(capsys, "send", tmp_path / "small.npy", "--to", service.ingest, "--fps", 0)
    assert code == 1
    assert "rejected 2" in out
    assert err.startswith("shiftvae: error: 2 of 2 frames were refused; the last: bad_window: the frame is 8 x 8 px")
    assert err.count("\n") == 1


def test_one_refused_frame_is_a_warning(service: Service, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    movie = noisy((3, 48, 48)).astype(np.float32)
    movie[1, 5, 5] = np.nan
    np.save(tmp_path / "movie.npy", movie)
    code, out, err = run(capsys, "send", tmp_path / "movie.npy", "--to", service.ingest, "--fps", 0, "--json")
    assert code == 0
    assert (json.loads(out)["processed"], json.loads(out)["rejected"]) == (2, 1)
    assert err.startswith("shiftvae: warning: 1 of 3 frames were refused; the last: bad_frame: 1 of 2304 pixels")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["send", "STACK", "--to", NOBODY], "no service at tcp://127.0.0.1:9"),
        (["simulate", "--to", NOBODY], "no service at tcp://127.0.0.1:9"),
        (["watch", "--from", NOBODY], "no service publishes at tcp://127.0.0.1:9"),
        (["send", "STACK", "--to", "nonsense"], "expected an endpoint tcp://HOST:PORT"),
        (["serve", "nothing.svae", *NORMAL], "nothing.svae"),
        (["serve", "MODEL", *NORMAL, "--ingest", "tcp://0.0.0.0:5701"], "refusing to listen on tcp://0.0.0.0:5701"),
        (["serve", "MODEL", *NORMAL, "--ingest", "INGEST"], "is taken, probably by another service"),
        (["send", "nothing.npy", "--to", "INGEST"], "nothing.npy is missing"),
        (["send", "STACK", "--to", "INGEST", "--frames", "9:"], "has 7 frames, none of which --frames selects"),
        (["watch", "--from", "RESULTS", "-o", "STACK"], "cannot create the folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_work_is_one_line_and_code_1(
    service: Service,
    capsys: pytest.CaptureFixture[str],
    stack: Path,
    tiny_model: Path,
    arguments: list[str],
    text: str,
) -> None:
    names = {"STACK": stack, "MODEL": tiny_model, "INGEST": service.ingest, "RESULTS": service.results}
    code, out, err = run(capsys, *(names.get(argument, argument) for argument in arguments))
    assert (code, out) == (1, "")
    assert text in err
    assert err.startswith("shiftvae: error: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [["send", "x", "--frames", "3"], ["serve", "x", "--max-age", "0"], ["watch", "--count", "x"]], ids=str
)
def test_wrong_usage_is_code_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(arguments)


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


@pytest.mark.parametrize("rows", [0, 28], ids=["whole frames", "row bands"])
def test_a_real_movie_is_streamed_without_a_loss(
    service: Service,
    mapper: LatentMapper,
    subscribe: Make,
    capsys: pytest.CaptureFixture[str],
    real_data: Callable[[str], Path],
    rows: int,
) -> None:
    path = real_data("stm_movie_lattice_114x196x196_int16.npy")
    subscriber: Subscriber = subscribe(service)
    sent: list[tuple[int, str, str]] = []
    options = ["--frames", "20:", "--fps", 0, "--rows", rows, "--json"]
    sender = threading.Thread(target=lambda: sent.append(run(capsys, "send", path, "--to", service.ingest, *options)))
    sender.start()
    movie, complete = np.load(path), []
    while len(complete) < 94:
        result = subscriber.receive(LIMIT_S)
        assert result is not None
        if result.complete:
            complete.append(result)
    sender.join(LIMIT_S)
    ((code, out, err),) = sent
    assert (code, [line for line in err.splitlines() if not line.endswith(" so far")]) == (0, [])
    assert (json.loads(out)["offered"], json.loads(out)["processed"]) == (94, 94)
    assert subscriber.gaps == 0
    for number, result in enumerate(complete, 20):
        assert result.frame == number
        expected = mapper.map(movie[number])
        if rows == 0:
            assert np.array_equal(result.latent_map.mean, expected.mean)
        assert np.allclose(result.latent_map.mean, expected.mean, atol=1e-5)
