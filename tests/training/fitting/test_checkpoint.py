"""A training that was interrupted goes on from its checkpoint to the same bits; any other file is refused."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from shiftvae_rt.errors import TrainingError
from shiftvae_rt.simulator import Crystal, Microscope
from shiftvae_training import reservoir as reservoir_module
from shiftvae_training import training_frames as frames_module
from shiftvae_training.fit_model import _digest
from shiftvae_training.fitting import optimise as optimise_module
from shiftvae_training.fitting.checkpoint import Checkpoint
from shiftvae_training.fitting.settings import Settings
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
    """On a film of which a part is in memory, so that the frames must come back too."""
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
    assert not torch.equal(train(frames, replace(SETTINGS, seed=1)).model.anchor, whole.model.anchor)


def test_a_killed_process_goes_on_from_its_file(frames, tmp_path):
    np.save(tmp_path / "frames.npy", np.stack(frames[:1]))
    arguments = [str(tmp_path / "frames.npy"), str(tmp_path / "training.npz")]
    killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False)
    assert killed.returncode == -9
    resumed = train(frames[:1], SETTINGS, checkpoint=Checkpoint(tmp_path / "training.npz", TRAINING))
    assert_the_same(train(frames[:1], SETTINGS), resumed)
    again = train(frames[:1], SETTINGS, checkpoint=Checkpoint(tmp_path / "training.npz", TRAINING))
    assert_the_same(again, resumed)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "not a zip|zip"), (b"PK not a zip", "zip"), (None, "another training")],
    ids=["empty", "foreign", "of another training"],
)
def test_what_is_no_checkpoint_of_this_training_is_refused_and_stays(frames, tmp_path, content, message):
    file = tmp_path / "training.npz"
    if content is None:
        with pytest.raises(StopHereError):
            train(frames[:1], SETTINGS, checkpoint=Checkpoint(file, "cd" * 32), progress=interrupted_at(40))
        content = file.read_bytes()
    file.write_bytes(content)
    with pytest.raises(TrainingError, match=message) as refused:
        train(frames[:1], SETTINGS, checkpoint=Checkpoint(file, TRAINING))
    assert str(file) in str(refused.value)
    assert "delete it" in str(refused.value)
    assert file.read_bytes() == content


def test_a_torn_checkpoint_is_refused(frames, tmp_path):
    file = tmp_path / "training.npz"
    with pytest.raises(StopHereError):
        train(frames[:1], SETTINGS, checkpoint=Checkpoint(file, TRAINING), progress=interrupted_at(40))
    arrays = dict(np.load(file))
    del arrays["adam/0/exp_avg"]
    np.savez(file, **arrays)
    with pytest.raises(TrainingError, match="damaged"):
        train(frames[:1], SETTINGS, checkpoint=Checkpoint(file, TRAINING))


def test_a_checkpoint_belongs_to_its_settings_and_frames(frames):
    def digest(settings: Settings, sha256: str = "") -> str:
        return _digest(Scans(frames, None, (sha256,)), settings, None)

    assert digest(SETTINGS) == digest(replace(SETTINGS))
    others = [digest(replace(SETTINGS, seed=1)), digest(replace(SETTINGS, steps=41)), digest(SETTINGS, "other")]
    assert len({digest(SETTINGS), *others}) == 4
