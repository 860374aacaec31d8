"""What a person sees while a training runs: in a terminal of 80 columns, in a log, and after Ctrl-C."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest
from terminal import COLUMNS, Terminal

from shiftvae_rt import ModelFile
from shiftvae_training.fitting import progress as progress_room
from shiftvae_training.fitting.course import Step
from shiftvae_training.fitting.progress import Progress

STAGES = [
    "reading scan.npy ...",
    "finding the lattice ...",
    "found: lattice of ",
    "choosing window and latents ...",
    "chosen: window 16 px, 1 content latent",
    "placing the first guess ...",
    "training, 300 steps ...",
    "calibrating the uncertainties ...",
    "comparing the exported model with torch, drawing the report ...",
    "writing m.svae ...",
]
TRAIN = ["train", "scan.npy", "-o", "m.svae", "--encoder", "mlp", "--steps"]
windowless = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")


@pytest.fixture
def folder(scan, tmp_path):
    np.save(tmp_path / "scan.npy", np.stack([scan.microscope.frame(i).pixels for i in range(2)]))
    return tmp_path


def assert_stages(lines):
    """The lines are those of every stage, in their order."""
    for line, stage in zip(lines, STAGES, strict=True):
        assert line.removeprefix("shiftvae: ").startswith(stage)


@windowless
@pytest.mark.timeout(240)
def test_a_training_in_a_terminal_names_its_stages_and_draws_a_bar_that_fits(folder):
    with Terminal(*TRAIN, 300, cwd=folder) as terminal:
        terminal.read_until("")
        assert terminal.process.wait(30) == 0
    assert_stages(line for line in terminal.lines if line.startswith("shiftvae: "))
    assert max(map(len, terminal.lines)) <= COLUMNS
    assert terminal.lines[-1].split() == ["report", "m.html"]
    bars = [line for line in terminal.lines if "|" in line and "%" in line]
    assert len(bars) >= 3
    assert max(len(line) for line in bars) <= COLUMNS
    assert min(len(line.split("|")[1]) for line in bars) >= 15
    assert "100 %|" in bars[-1]
    assert "loss" in bars[-1]
    where = [terminal.text.index(words) for words in ("training, 300", "100 %|", "calibrating")]
    assert where == sorted(where)


@pytest.mark.timeout(240)
def test_a_training_without_a_terminal_says_a_line_every_tenth(folder):
    ended = subprocess.run(
        [sys.executable, "-m", "shiftvae_rt", *TRAIN, "300", "--json"],
        cwd=folder, capture_output=True, text=True, timeout=200, check=True,
    )  # fmt: skip
    said = [line for line in ended.stderr.splitlines() if line.startswith("shiftvae: ")]
    steps = [line for line in said if ", step " in line]
    assert_stages(line for line in said if line not in steps)
    assert [line.split()[1] for line in steps] == ["30", "60", "100"]  # it looks every 100 steps
    assert max(map(len, ended.stderr.splitlines())) <= COLUMNS
    assert "\r" not in ended.stderr


def test_a_long_training_says_ten_lines(capsys):
    with Progress(3000) as progress:
        for step in range(100, 3001, 100):
            progress.step(Step(step, loss=-1234.56, kl_shift=1.0, kl_content=1.0, noise_sd=0.123))
    said = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in said] == [str(10 * n) for n in range(1, 11)]
    assert said[2] == "shiftvae: 30 %, step 900 of 3000, loss -1234.6, noise 0.123"


@windowless
@pytest.mark.parametrize("when", ["reading scan.npy", "training, 100000 steps"])
@pytest.mark.timeout(240)
def test_ctrl_c_stops_a_training_with_a_true_word_and_leaves_nothing(folder, when):
    with Terminal(*TRAIN, 100_000, cwd=folder) as terminal:
        terminal.read_until(when)
        assert terminal.ctrl_c() == 130
    assert terminal.lines[-1].removeprefix("^C") == "shiftvae: stopped by Ctrl-C"  # the terminal shows the key itself
    assert "error" not in terminal.text
    assert "Traceback" not in terminal.text
    assert [path.name for path in folder.iterdir()] == ["scan.npy"]


@windowless
@pytest.mark.timeout(240)
def test_ctrl_c_after_a_look_keeps_the_best_model_and_says_so(folder):
    with Terminal(*TRAIN, 100_000, cwd=folder) as terminal:
        terminal.read_until("00/100000, ")
        assert terminal.ctrl_c() == 0
    assert sorted(path.name for path in folder.iterdir()) == ["m.html", "m.svae", "scan.npy"]
    kept = re.search(r"stopped early: the model of step (\d+) of 100000", " ".join(terminal.text.split()))
    assert kept is not None, terminal.text
    assert ModelFile.read(folder / "m.svae").manifest.training.steps == int(kept[1])
    assert "Traceback" not in terminal.text


class Bar:
    """A notebook's bar that remembers."""

    def __init__(self, total: int) -> None:
        self.total, self.n, self.said = total, 0, []

    def set_description_str(self, words: str) -> None:
        self.said.append(words)

    def set_postfix_str(self, words: str, refresh: bool) -> None:
        self.said.append(words)

    def update(self, steps: int) -> None:
        self.n += steps

    def close(self) -> None:
        self.said.append("closed")


def test_a_notebook_has_one_bar_for_the_whole_training(monkeypatch, capsys):
    bars = []
    monkeypatch.setattr(progress_room, "_bar_of_a_notebook", lambda: lambda total: bars.append(Bar(total)) or bars[-1])
    with Progress(200) as progress:
        progress.stage("finding the lattice ...")
        progress.stage("training ...")
        progress.step(Step(100, loss=-1.25, kl_shift=1.0, kl_content=1.0, noise_sd=0.1))
        progress.step(Step(200, loss=-2.5, kl_shift=1.0, kl_content=1.0, noise_sd=0.1))
        progress.stage("calibrating ...")
    (bar,) = bars
    assert (bar.total, bar.n) == (200, 200)
    losses = ["loss -1.2, noise 0.100", "loss -2.5, noise 0.100"]
    assert bar.said == ["finding the lattice ...", "training ...", *losses, "calibrating ...", "closed"]
    assert capsys.readouterr() == ("", "")


def test_outside_a_notebook_there_is_no_such_bar():
    assert progress_room._bar_of_a_notebook() is None


def test_a_hidden_progress_says_nothing(capsys):
    with Progress(100, shown=False) as progress:
        progress.stage("training ...")
        progress.step(Step(100, loss=0.0, kl_shift=1.0, kl_content=1.0, noise_sd=0.1))
    assert capsys.readouterr() == ("", "")
