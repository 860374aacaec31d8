"""What a person sees while a training runs: in a terminal of 80 columns, in a log, and after Ctrl-C."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from terminal import COLUMNS, Terminal

from shiftvae_training.fitting.optimise import Step
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
