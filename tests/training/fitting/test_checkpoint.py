"""A training that was interrupted goes on from its checkpoint to the same bits; any other file is refused."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from random_models import random_model

from shiftvae_rt.errors import TrainingError
from shiftvae_rt.simulator import Crystal, Microscope
from shiftvae_training import reservoir as reservoir_module
from shiftvae_training import training_frames as frames_module
from shiftvae_training.fit_model import _digest
from shiftvae_training.fitting import optimise as optimise_module
from shiftvae_training.fitting.adam import Adam
from shiftvae_training.fitting.checkpoint import Checkpoint, pack_arrays
from shiftvae_training.fitting.course import Course, Step
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.fitting.workers import ALONE, Workers
from shiftvae_training.scans import Scans
from shiftvae_training.train import Trained, train

SETTINGS = Settings(window=16, content=1, encoder="mlp", steps=40, constraints={"displacement": 100.0, "smooth": 1.0})
CRYSTAL = Crystal(vectors=((12.0, 0.0), (0.0, 12.0)), sigma_a_px=1.5, sigma_b_px=1.4)
TRAINING = "ab" * 32

KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from shiftvae_training.fitting import optimise
from shiftvae_training.fitting.checkpoint import Checkpoint
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.train import train
optimise.LOOK_EVERY = 20
settings = Settings(window=16, content=1, encoder="mlp", steps=40, constraints={"displacement": 100.0, "smooth": 1.0})
def kill(step):
    if step.step == 40:
        os.kill(os.getpid(), signal.SIGKILL)
train(list(np.load(sys.argv[1])), settings, checkpoint=Checkpoint(Path(sys.argv[2]), "ab" * 32), progress=kill)
"""


class StopHereError(Exception):
    """Raised at a look, in the middle of a training."""


@pytest.fixture
def frames() -> list[np.ndarray]:
    microscope = Microscope(CRYSTAL, shape=(96, 96), dose=3.0)
    return [microscope.frame(number).pixels[None] for number in range(6)]


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """A look, and so a checkpoint, after every 20 steps."""
    monkeypatch.setattr(optimise_module, "LOOK_EVERY", 20)


def interrupted_at(step: int):
    def progress(look) -> None:
        if look.step == step:
            raise StopHereError

    return progress


def assert_the_same(one: Trained, other: Trained) -> None:
    assert one.history == other.history
    for mine, others in ((one.weights, other.weights), (one.model.state_dict(), other.model.state_dict())):
        assert mine.keys() == others.keys()
        assert all(torch.equal(mine[name], others[name]) for name in mine)


def test_twenty_steps_and_twenty_more_are_forty(frames, tmp_path, monkeypatch):
    """On a movie that is in memory in part, so that the frames must come back too."""
    monkeypatch.setattr(frames_module, "PREPARED_PIXELS", 0)
    monkeypatch.setattr(reservoir_module, "LEAST_KEPT", 5)
    monkeypatch.setattr(reservoir_module, "KEPT_PIXELS", 0)
    monkeypatch.setattr(reservoir_module, "PIXELS_A_STEP", 96 * 96 / 4)
    file = tmp_path / "training.npz"
    whole = train(frames, SETTINGS)
    assert len(whole.prepared) == 4
    with pytest.raises(StopHereError):
        train(frames, SETTINGS, checkpoint=Checkpoint(file, TRAINING), progress=interrupted_at(40))
    looks = []
    resumed = train(frames, SETTINGS, checkpoint=Checkpoint(file, TRAINING), progress=looks.append)
    assert [look.step for look in looks] == [40], "the first twenty steps are not made again"
    assert_the_same(whole, resumed)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_killed_process_goes_on_from_its_file(frames, tmp_path):
    np.save(tmp_path / "frames.npy", np.stack(frames[:1]))
    arguments = [str(tmp_path / "frames.npy"), str(tmp_path / "training.npz")]
    killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False)
    assert killed.returncode == -9
    resumed = train(frames[:1], SETTINGS, checkpoint=Checkpoint(tmp_path / "training.npz", TRAINING))
    assert_the_same(train(frames[:1], SETTINGS), resumed)


def course(seed: int, steps: int = 0) -> Course:
    """A model with random weights after random gradients."""
    model = random_model("mlp", seed=seed)
    optimiser = Adam(model.parameters())
    for _ in range(steps):
        for parameter in model.parameters():
            parameter.grad = torch.randn_like(parameter)
        optimiser.step(1e-3)
    return Course(model, optimiser, [np.random.default_rng(seed + i) for i in range(2)], step=steps)


def test_all_that_changes_is_kept(tmp_path):
    written, read = course(0, steps=3), course(1)
    for loss in (2.0, 1.0, 3.0):
        written.add(Step(1, loss, 0.1, 0.2, 0.3))
        written.model.noise_sd.add_(0.1)
    written.generators[1].integers(5, size=3, dtype=np.uint32)
    Checkpoint(tmp_path / "file", TRAINING).write(written)
    drawn = [torch.rand(3), *(each.random(3) for each in written.generators)]
    assert not Checkpoint(tmp_path / "none", TRAINING).restore(read)
    assert Checkpoint(tmp_path / "file", TRAINING).restore(read)
    np.testing.assert_array_equal(drawn, [torch.rand(3), *(each.random(3) for each in read.generators)])
    assert (read.step, read.history, read.best_look) == (3, written.history, 1)
    assert float(read.best["noise_sd"]) == pytest.approx(float(written.model.noise_sd) - 0.2)
    for one, other in zip(written.model.state_dict().values(), read.model.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    for name in ("steps", "means", "squares"):
        pairs = zip(*(getattr(each.optimiser, name) for each in (written, read)), strict=True)
        assert all(torch.equal(*pair) and pair[0].any() for pair in pairs), name


def lacking(name: str, content: bytes) -> bytes:
    arrays = dict(np.load(io.BytesIO(content)))
    del arrays[name]
    return pack_arrays(arrays)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: b"", "zip"),
        (lambda content: content[: len(content) // 2], "zip"),
        (lambda content: lacking("adam/means/0", content), "adam/means/0"),
        (lambda content: lacking("weight/decoder.mean", content), "decoder.mean"),
        (lambda content: lacking("training", content), "training"),
    ],
    ids=["empty", "torn", "no moments", "no weights", "another file"],
)
def test_what_is_no_checkpoint_is_refused_and_stays(tmp_path, change, message):
    file = tmp_path / "file"
    Checkpoint(file, TRAINING).write(course(0, steps=1))
    content = change(file.read_bytes())
    file.write_bytes(content)
    with pytest.raises(TrainingError, match=rf"expected a checkpoint in .*file.*{message}.*delete it"):
        Checkpoint(file, TRAINING).restore(course(0))
    assert file.read_bytes() == content


def test_a_checkpoint_of_another_training_is_refused_and_stays(tmp_path):
    file = tmp_path / "file"
    Checkpoint(file, "cd" * 32).write(course(0))
    content = file.read_bytes()
    with pytest.raises(TrainingError, match=r"file is the checkpoint of another training.*delete it"):
        Checkpoint(file, TRAINING).restore(course(0))
    assert file.read_bytes() == content


def test_a_checkpoint_belongs_to_its_settings_and_frames(frames):
    def digest(settings: Settings, sha256: str = "", workers: Workers = ALONE) -> str:
        return _digest(Scans(frames, None, (sha256,)), settings, None, workers)

    assert digest(SETTINGS) == digest(replace(SETTINGS)) == digest(SETTINGS, workers=Workers(1, 2))
    assert digest(SETTINGS) != digest(SETTINGS, workers=Workers(device=torch.device("cuda", 0)))
    others = [digest(replace(SETTINGS, seed=1)), digest(replace(SETTINGS, steps=41)), digest(SETTINGS, "other")]
    assert len({digest(SETTINGS), *others}) == 4
