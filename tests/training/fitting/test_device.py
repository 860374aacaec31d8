"""The device of the optimiser: its choice, and that every tensor of a step is on it.

No GPU is needed: torch's device "meta" has shapes without values, and `OneDevice` refuses what CUDA would.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from random_models import ORDER, counts, random_model
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from shiftvae_rt.errors import TrainingError
from shiftvae_training import fit
from shiftvae_training.constraints import Decorrelation, KnownDisplacement, SmoothLatents, TotalVariation
from shiftvae_training.fitting.device import CPU, _move, check_device, choose_device, model_on
from shiftvae_training.fitting.objective import Objective
from shiftvae_training.fitting.optimise import _off_guess
from shiftvae_training.fitting.workers import Workers
from shiftvae_training.model.shift import PlanarShift
from shiftvae_training.model.shift_vae import Member
from shiftvae_training.sampling import Tiles


class OneDevice(TorchDispatchMode):
    """Refuses operations on tensors of two devices; a number may come from the CPU, and a copy goes between them."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor) and each.ndim]
        if func not in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default):
            assert len({each.device for each in given}) <= 1, f"{func} has tensors of two devices"
        return func(*args, **(kwargs or {}))


META = torch.device("meta")
CONSTRAINTS = (KnownDisplacement(), SmoothLatents(), TotalVariation(), Decorrelation())


@pytest.fixture
def machine(monkeypatch):
    """A machine as torch sees it: the CUDA it was built with, its GPUs, and this process's place."""

    def make(cuda, gpus, place=0):
        monkeypatch.setattr(torch.version, "cuda", cuda)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setenv("LOCAL_RANK", str(place))

    return make


@pytest.mark.parametrize(
    ("wanted", "gpus", "place", "expected"),
    [
        ("cpu", 2, 0, "cpu"),
        ("auto", 0, 0, "cpu"),
        ("auto", 1, 0, "cuda:0"),
        ("cuda", 2, 1, "cuda:1"),
    ],
)
def test_the_device_is_that_of_the_process(machine, wanted, gpus, place, expected):
    machine("12.8", gpus, place)
    assert choose_device(wanted) == torch.device(expected)


@pytest.mark.parametrize(
    ("wanted", "cuda", "gpus", "place", "reason"),
    [
        ("cuda", None, 0, 0, r"needs a torch with CUDA, got torch .*install one from pytorch\.org"),
        ("cuda", "12.8", 0, 0, "finds no GPU here: see nvidia-smi"),
        ("cuda", "12.8", 2, 2, "at most 2 processes on this machine, one for each GPU, got 3"),
        ("tpu", None, 0, 0, "one of auto, cpu, cuda, got 'tpu'"),
    ],
    ids=["no CUDA", "no GPU", "too few GPUs", "unknown"],
)
def test_a_device_that_is_not_there_is_an_error(machine, wanted, cuda, gpus, place, reason):
    machine(cuda, gpus, place)
    with pytest.raises(TrainingError, match=reason):
        choose_device(wanted)


def test_fit_says_what_is_missing(machine):
    machine(None, 0)
    with pytest.raises(TrainingError, match="needs a torch with CUDA"):
        fit(np.zeros((64, 64)), device="cuda", progress=False)


@pytest.mark.parametrize(("terms", "reason"), [({"taught": True}, "turns or grows"), ({"grains": True}, "grains")])
def test_what_needs_the_cpu_is_refused_on_a_gpu(terms, reason):
    terms = {"taught": False, "grains": False} | terms
    check_device(CPU, **terms)
    with pytest.raises(TrainingError, match=f"{reason}.* choose --device cpu"):
        check_device(torch.device("cuda", 0), **terms)


class Known:
    """A first guess that knows every window."""

    def __init__(self, content: int) -> None:
        self.content = content

    def targets_at(self, frame, y, x):
        return np.zeros((len(y), 2)), np.zeros((len(y), self.content)), np.ones(len(y))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"family": "mlp"},
        {"family": "convolutional", "window": (24, 24)},
        {"shift": PlanarShift(2, 3.0)},
        {"member": Member(order=ORDER)},
        {"member": Member(classes=("one", "other"))},
        {"member": Member(decoder="coordinate")},
    ],
    ids=["lattice", "mlp", "wide", "isolated", "order", "classes", "coordinate"],
)
def test_every_tensor_of_a_step_is_on_the_device(options):
    model, count = random_model(**options), 4
    tiles = Tiles(
        np.stack([counts((1, 28, 28), seed) for seed in range(count)]), np.arange(count), np.zeros((count, 2), np.int64)
    )
    labels = torch.tensor([0, 1, 0, 1]) if model.classes else None
    objective = Objective(model, 4, CONSTRAINTS, labels=labels)
    _move(model, META)
    with META, OneDevice():
        pixels = torch.from_numpy(tiles.pixels).to(META)
        with Workers(0, 2).share(tiles) as mine:
            terms, posterior = objective(pixels[: len(mine.frame)], source=mine)
            loss = terms.total() + _off_guess(model, Known(model.content), mine, posterior)
        loss.backward()
        with torch.no_grad():
            held_out, _ = objective(pixels, sample=False, source=tiles)
    assert loss.device == held_out.total().device == META
    assert {p.grad.device for p in model.parameters() if p.grad is not None} == {META}


def test_a_tensor_left_on_the_cpu_is_seen():
    model = random_model()
    _move(model, META)
    with META, OneDevice(), pytest.raises(AssertionError, match="two devices"):
        model.shift.mean_px(torch.zeros(3, model.shift.size, device=CPU))


def test_on_the_cpu_the_model_stays_as_it_is():
    model = random_model()
    shift = model.shift
    with model_on(CPU, model):
        assert model.shift is shift
        assert torch.zeros(1).device == CPU
