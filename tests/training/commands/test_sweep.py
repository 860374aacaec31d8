"""`shiftvae sweep` from a file to a table, a best model and the spread between seeds."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from shiftvae_rt import LatentMapper, ModelFile
from shiftvae_rt.cli import main

pytestmark = pytest.mark.timeout(300)  # trainings, each in a process of its own
SHORT = ["--encoder", "mlp", "--steps", "30", "--no-report"]


@pytest.fixture
def file(scan, tmp_path):
    np.save(tmp_path / "scan.npy", scan.frames[0])
    return tmp_path / "scan.npy"


@pytest.fixture(scope="module")
def alone(scan, tmp_path_factory) -> ModelFile:
    """The model that `shiftvae train` makes with seed 3."""
    folder = tmp_path_factory.mktemp("alone")
    np.save(folder / "scan.npy", scan.frames[0])
    assert main(["train", str(folder / "scan.npy"), "-o", str(folder / "alone.svae"), "--seed", "3", *SHORT]) == 0
    return ModelFile.read(folder / "alone.svae")


def table_of(folder):
    return list(csv.DictReader((folder / "table.csv").read_text().splitlines()))


def test_a_sweep_gives_table_best_model_and_spread_and_goes_on(file, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "sweep"
    monkeypatch.chdir(tmp_path)
    words = ["sweep", "-o", "sweep", "--json", "--vary", "encoder", "mlp", "--vary", "seed", "0"]
    short = ["--", file.name, *SHORT[2:]]
    assert main([*words, *short]) == 0
    first = {path.name: path.stat().st_mtime_ns for path in (folder / "runs").iterdir()}
    assert sorted(first) == ["encoder-mlp_seed-0.json", "encoder-mlp_seed-0.svae"]
    assert not (folder / "spread.npz").exists()
    capsys.readouterr()

    assert main([*words, "1", "--processes", "2", *short]) == 0
    said = capsys.readouterr()
    assert "2 runs, 1 done already" in said.err
    assert {name: (folder / "runs" / name).stat().st_mtime_ns for name in first} == first
    summary = json.loads(said.out)
    assert summary == json.loads((folder / "sweep.json").read_text())
    rows = table_of(folder)
    assert [row["run"] for row in rows] == [row["run"] for row in summary["runs"]]
    assert [(row["encoder"], row["seed"]) for row in rows] == [("mlp", "0"), ("mlp", "1")]
    best = max(rows, key=lambda row: (float(row["content_score"] or 0), -float(row["held_out_loss"])))
    assert summary["best"] == best["run"]
    assert (folder / "best.svae").read_bytes() == (folder / "runs" / f"{best['run']}.svae").read_bytes()

    assert sorted(summary["seeds"]) == [0, 1]
    maps = np.load(folder / "spread.npz")
    model_map = LatentMapper(folder / "best.svae").map(np.load(file))
    assert tuple(maps["names"]) == model_map.names
    assert maps["std"].shape == model_map.mean.shape
    assert [row["latent"] for row in summary["spread"]] == list(model_map.names)
    assert all(row["spread_between_seeds"] > 0 for row in summary["spread"])


@pytest.mark.parametrize("where", [[], ["--dask", "local:1"]], ids=["process", "dask"])
def test_a_run_is_what_train_writes(file, alone, tmp_path, where):
    if where:
        pytest.importorskip("distributed")
    words = ["sweep", "-o", str(tmp_path / "sweep"), *where, "--vary", "seed", "3", "--", str(file), *SHORT]
    assert main(words) == 0
    assert ModelFile.read(tmp_path / "sweep" / "best.svae").golden.to_npz() == alone.golden.to_npz()


def test_a_run_that_fails_leaves_the_others(file, tmp_path, capsys):
    folder = tmp_path / "sweep"
    words = ["--vary", "window", "16", "500", "--", str(file), *SHORT]
    assert main(["sweep", "-o", str(folder), *words]) == 1
    said = capsys.readouterr()
    assert "1 of 2 runs failed, the first window-500" in " ".join(said.err.split())
    rows = table_of(folder)
    assert rows[0]["error"] == ""
    assert "500" in rows[1]["error"]
    assert (folder / "best.svae").exists()


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (["--vary", "seed", "x", "--"], 2, "seed to be a whole number"),
        (["--vary", "sead", "0", "--"], 1, "got 'sead'"),
        (["--vary", "seed", "0", "--processes", "0", "--"], 2, "at least 1"),
        (["--vary", "seed", "0", "--", "-o", "own.svae"], 1, "leave out -o and --checkpoint"),
        (["--vary", "seed", "0", "--", "--json"], 1, "give --json before"),
        (["--vary", "seed", "0", "--", "--sted", "3"], 2, "unknown option --sted: did you mean --seed?"),
    ],
)
def test_wrong_words_are_refused_before_any_training(file, tmp_path, capsys, words, code, reason):
    try:
        left = main(["sweep", "-o", str(tmp_path / "sweep"), *words, str(file)])
    except SystemExit as error:
        left = error.code
    said = capsys.readouterr()
    assert left == code, said.err
    assert reason in said.err
    assert not (tmp_path / "sweep").exists()


def test_a_sweep_that_changed_is_refused(file, tmp_path, capsys):
    folder = tmp_path / "sweep"
    words = ["sweep", "-o", str(folder), "--vary", "seed", "0", "--", str(file), *SHORT]
    assert main(words) == 0
    assert main([*words, "--latents", "1"]) == 1
    assert "name another folder" in capsys.readouterr().err


@pytest.mark.clock
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_ends_the_trainings_and_keeps_what_is_done(file, tmp_path):
    folder = tmp_path / "sweep"
    command = [
        sys.executable,
        "-m",
        "shiftvae_training",
        "sweep",
        "-o",
        str(folder),
        "--vary",
        "steps",
        "30",
        "1000000",
    ]
    command += ["--", str(file), "--encoder", "mlp", "--no-report"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + 200
        while not (folder / "runs" / "steps-1000000.training").exists():
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < until
            time.sleep(0.1)
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(int(child), 0)
    assert sorted(path.name for path in (folder / "runs").iterdir()) == [
        "steps-1000000.training", "steps-30.json", "steps-30.svae",
    ]  # fmt: skip
