"""Processes that share a batch compute what one does: the same noise, gradients and model, whoever is killed."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from random_models import ORDER, counts, random_model

from shiftvae_rt.errors import TrainingError
from shiftvae_rt.simulator import Crystal, Microscope
from shiftvae_training.constraints import KnownDisplacement, SmoothLatents
from shiftvae_training.fitting.objective import Objective
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.fitting.workers import Workers, check_separable
from shiftvae_training.model.shift import PlanarShift
from shiftvae_training.model.shift_vae import Member
from shiftvae_training.noise import noise_like
from shiftvae_training.sampling import Tiles

LONG = os.environ.get("SHIFTVAE_LONG") == "1"
CONSTRAINTS = (KnownDisplacement(), SmoothLatents())

#: Trains on 60 steps in the processes of torchrun; the second kills itself once if it is told to.
SCRIPT = """
import os, signal, sys
from pathlib import Path
import numpy as np
import torch
from shiftvae_training.fitting import optimise
from shiftvae_training.fitting.checkpoint import Checkpoint
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.fitting.workers import Workers
from shiftvae_training.train import train
frames, output, killed = sys.argv[1:]
optimise.LOOK_EVERY = 20
settings = Settings(window=16, content=1, encoder="mlp", steps=60, constraints={"displacement": 100.0, "smooth": 1.0})
with Workers.of_torchrun() as workers:
    def kill(step):
        first = os.environ.get("TORCHELASTIC_RESTART_COUNT") == "0"
        if killed == "yes" and first and workers.rank == 1 and step.step == 40:
            os.kill(os.getpid(), signal.SIGKILL)
    checkpoint = Checkpoint(Path(output + ".npz"), "ab" * 32)
    trained = train(list(np.load(frames)), settings, checkpoint=checkpoint, workers=workers, progress=kill)
    torch.save({"weights": trained.weights, "losses": [look.loss for look in trained.history]}, output)
"""


def tiles_of(count: int, side: int = 28) -> Tiles:
    pixels = np.stack([counts((1, side, side), seed) for seed in range(count)])
    return Tiles(pixels, np.arange(count), np.zeros((count, 2), np.int64))


def gradients(model, workers: Workers, tiles: Tiles) -> torch.Tensor:
    """What this process gives for the mean: loss, residual and gradients, by the share of its tiles."""
    torch.manual_seed(3)
    model.zero_grad()
    with workers.share(tiles) as mine:
        pixels = torch.from_numpy(mine.pixels) * model.channel_scale[0]
        terms, _ = Objective(model, 4, CONSTRAINTS)(pixels, source=mine)
    terms.total().backward()
    found = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    share = len(mine.frame) / len(tiles.frame)
    return share * torch.cat([terms.total().detach().reshape(1), terms.residual.reshape(1), *found])


@pytest.mark.parametrize(
    "options",
    [{}, {"shift": PlanarShift(2, 3.0)}, {"member": Member(order=ORDER)}, {"family": "mlp", "content": 0}],
    ids=["lattice", "isolated", "order", "no content"],
)
def test_parts_of_a_batch_add_up_to_the_whole(options):
    model, tiles = random_model(**options), tiles_of(7)
    whole = gradients(model, Workers(), tiles)
    left = torch.rand(5)
    parts = [gradients(model, Workers(rank, 3), tiles) for rank in range(3)]
    torch.testing.assert_close(sum(parts), whole, rtol=1e-4, atol=1e-4 * float(whole.abs().max()))
    torch.testing.assert_close(sum(parts)[:2], whole[:2], rtol=1e-5, atol=0)
    assert torch.equal(torch.rand(5), left), "every process has drawn as many random numbers as one alone"
    assert not torch.allclose(parts[0] * 3, whole, rtol=1e-3)


def test_the_noise_of_a_part_is_that_of_the_whole_batch():
    torch.manual_seed(0)
    whole = noise_like(torch.zeros(14, 3))
    found = []
    for rank in range(3):
        torch.manual_seed(0)
        with Workers(rank, 3).share(tiles_of(7)) as mine:
            found.append(noise_like(torch.zeros(2 * len(mine.frame), 3)))
    assert torch.equal(torch.cat(found), whole)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"constraints": {"decorrelate": 1.0}}, "decorrelate"),
        ({"conditions": (SmoothLatents(),)}, "condition of your own"),
        ({"taught": True}, "turns or grows"),
        ({"grains": True}, "several grains"),
    ],
)
def test_what_is_no_mean_over_tiles_is_refused_with_the_reason(options, said):
    known = {"taught": False, "grains": False}
    flags = {name: options.pop(name, value) for name, value in known.items()}
    settings, decoder = Settings(**options), random_model().decoder
    check_separable(Workers(), settings, decoder, **flags)
    with pytest.raises(TrainingError, match=rf"{said}.*2 processes cannot share: train in one process"):
        check_separable(Workers(0, 2), settings, decoder, **flags)


def test_more_processes_than_tiles_are_refused():
    Workers(0, 6).check_batch(6)
    with pytest.raises(TrainingError, match="at most 6 processes.*got 7"):
        Workers(0, 7).check_batch(6)


@pytest.mark.skipif(not LONG, reason="three trainings, two of them in two processes: SHIFTVAE_LONG=1")
@pytest.mark.timeout(1800)
def test_two_processes_train_the_model_of_one_and_a_killed_one_changes_no_bit(tmp_path):
    crystal = Crystal(vectors=((12.0, 0.0), (0.0, 12.0)), sigma_a_px=1.5, sigma_b_px=1.4)
    np.save(tmp_path / "frames.npy", Microscope(crystal, shape=(96, 96), dose=3.0).frame(0).pixels[None, None])
    (tmp_path / "script.py").write_text(SCRIPT)
    found = {}
    for name, count, killed in (("one", 1, "no"), ("two", 2, "no"), ("killed", 2, "yes")):
        runner = ["torch.distributed.run", "--nproc-per-node", str(count), "--max-restarts", "1"]
        given = [str(tmp_path / part) for part in ("script.py", "frames.npy", name)]
        subprocess.run([sys.executable, "-m", *runner, *given, killed], check=True)
        found[name] = torch.load(tmp_path / name)
    np.testing.assert_allclose(found["two"]["losses"], found["one"]["losses"], rtol=1e-5)
    assert found["killed"]["losses"] == found["two"]["losses"]
    weights = found["two"]["weights"]
    assert all(torch.equal(weights[name], value) for name, value in found["killed"]["weights"].items())
