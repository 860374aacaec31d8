"""shiftvae watch, as a user types it: the table, and the maps that it stores."""

from __future__ import annotations

import re
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stream_support import LIMIT_S, run, until
from terminal import Terminal

from shiftvae_rt import cli
from shiftvae_rt.stream import Service

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
