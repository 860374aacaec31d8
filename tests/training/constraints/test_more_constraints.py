"""Conditions beyond displacement and smoothness: zero where they hold, pulling towards it; and one of a user."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from random_models import counts, random_model

from shiftvae_training.constraints import (
    CONSTRAINTS,
    Decorrelation,
    KnownField,
    Pairs,
    SmoothLatents,
    TotalVariation,
    Windows,
)
from shiftvae_training.fitting.objective import Objective
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.model.pose import Posterior
from shiftvae_training.model.shift import PlanarShift
from shiftvae_training.sampling import Tiles
from shiftvae_training.train import train

ROOT = Path(__file__).parents[3]


def pairs_of(here, there=None, *, centre=None, mean=None) -> Pairs:
    """Pairs with the content means ``here (N, w, m)``; shifts do not matter."""
    there = here if there is None else there
    tiles, windows = here.shape[:2]
    code = torch.zeros(tiles, windows, 4)
    centre = torch.zeros(tiles, windows, 2) if centre is None else centre
    mean = torch.zeros(tiles, windows) if mean is None else mean
    places = Windows(torch.zeros(tiles, windows, dtype=torch.int64), centre, mean)
    posteriors = [Posterior(code, content, torch.zeros_like(content)) for content in (here, there)]
    return Pairs(*posteriors, torch.zeros(tiles, windows, 2), PlanarShift(2, 5.0), places)


def descend(constraint, here, steps=150, **known) -> torch.Tensor:
    """Content means after following the gradient of the constraint."""
    free = here.clone().requires_grad_(True)
    optimiser = torch.optim.Adam([free], lr=0.04)
    for _ in range(steps):
        loss = constraint(pairs_of(free, **known))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return free.detach()


def test_a_wall_costs_its_height_and_not_its_sharpness():
    """A ramp in ten steps of 0.1 and one step of 1: equal in total variation; smoothness prefers the ramp tenfold."""
    ramp, wall = (torch.zeros(1, 10, 1) for _ in range(2))
    ramp += 0.1
    wall[0, 4] = 1.0
    zero = torch.zeros(1, 10, 1)
    smooth = [float(SmoothLatents()(pairs_of(zero, a))) for a in (ramp, wall)]
    flat = [float(TotalVariation()(pairs_of(zero, a))) for a in (ramp, wall)]
    assert smooth[1] / smooth[0] == pytest.approx(10, rel=1e-4)
    assert flat[1] / flat[0] == pytest.approx(1.55, abs=0.1)  # the rounding at 0 favours the ramp a little
    assert float(TotalVariation()(pairs_of(ramp, ramp))) == 0
    assert float(TotalVariation()(pairs_of(zero, 10 + zero))) == pytest.approx(10, rel=0.01)


def test_total_variation_has_a_gradient_where_nothing_differs():
    same = torch.zeros(2, 3, 2, requires_grad=True)
    TotalVariation()(pairs_of(same, torch.zeros(2, 3, 2))).backward()
    assert torch.equal(same.grad, torch.zeros(2, 3, 2))


@pytest.mark.parametrize("nuisance", ["brightness", "scan row"])
def test_content_lets_go_of_what_it_must_not_follow(nuisance):
    torch.manual_seed(0)
    own, follows = torch.randn(20, 16), torch.randn(20, 16)
    content = torch.stack([own + 2 * follows, own], dim=-1)
    known = {"mean": 5 + 3 * follows} if nuisance == "brightness" else {"centre": 100 * follows[..., None] + 7}
    assert float(Decorrelation()(pairs_of(content, **known))) > 0.7
    freed = descend(Decorrelation(), content, **known)
    assert float(Decorrelation()(pairs_of(freed, **known))) < 0.01
    assert np.corrcoef(freed[..., 0].flatten(), own.flatten())[0, 1] > 0.6
    assert np.corrcoef(freed[..., 1].flatten(), own.flatten())[0, 1] > 0.95


def test_content_that_follows_nothing_is_left_alone():
    torch.manual_seed(1)
    content = torch.randn(200, 16, 2)
    assert float(Decorrelation()(pairs_of(content, mean=torch.randn(200, 16)))) < 0.01
    assert float(Decorrelation()(pairs_of(content, mean=torch.full((200, 16), 3.0)))) == 0


def test_one_latent_comes_to_follow_a_known_field_and_the_other_stays():
    torch.manual_seed(2)
    y, x = np.ogrid[:40, :50]
    field = np.where(x > 25, 5.0, -3.0) + 0 * y
    field[:4] = np.nan
    centre = torch.stack([torch.randint(0, 40, (20, 16)), torch.randint(0, 50, (20, 16))], dim=-1).float()
    content = torch.randn(20, 16, 2)
    content[..., 1] += 0.5 * (centre[..., 1] > 25)
    constraint = KnownField([field])
    assert 0.8 < float(constraint(pairs_of(content, centre=centre))) < 1
    found = descend(constraint, content, steps=400, centre=centre)
    assert float(constraint(pairs_of(found, centre=centre))) < 0.05
    assert torch.equal(found[..., 0], content[..., 0])
    unknown = centre[..., 0] < 4
    assert torch.equal(found[unknown], content[unknown])


def test_scale_and_sign_of_a_known_field_are_free():
    centre = torch.stack([torch.zeros(1, 9), torch.arange(9.0)[None]], dim=-1)
    content = -0.01 * torch.arange(9.0)[None, :, None] + 3
    field = 1000.0 * np.arange(9)[None] - 7
    assert float(KnownField([field])(pairs_of(content, centre=centre))) < 1e-3


class Recorder:
    weight = 0.0

    def __call__(self, pairs):
        self.windows = pairs.windows
        return torch.zeros(())


@pytest.mark.parametrize("options", [{}, {"window": (1, 16)}], ids=["2D", "1D"])
@torch.no_grad()
def test_constraints_see_where_windows_lie_and_how_bright_they_are(options):
    model = random_model(**options)
    shape = (1, 1 if model.dimensions == 1 else 28, 28)
    pixels = np.stack([counts(shape, seed, level=100.0 * seed) for seed in range(3)])
    origin = np.array([[0 if model.dimensions == 1 else 5, 7], [0, 30], [0, 2]])
    source, recorder = Tiles(pixels, np.array([0, 2, 1]), origin), Recorder()
    Objective(model, 4, (recorder,))(torch.from_numpy(pixels) * model.channel_scale[0], source=source)
    windows = recorder.windows
    assert windows.frame.tolist() == [[f] * windows.frame.shape[1] for f in (0, 2, 1)]
    h, w = model.window
    for tile in range(3):
        for index in (0, windows.mean.shape[1] - 1):
            first = windows.centre[tile, index].numpy() - [(h - 1) / 2, (w - 1) / 2] - origin[tile]
            y, x = first.astype(int)
            assert [y, x] == first.tolist()
            mean = pixels[tile, 0, y : y + h, x : x + w].mean() * model.channel_scale[0]
            assert float(windows.mean[tile, index]) == pytest.approx(mean, rel=1e-5)


def example() -> str:
    page = (ROOT / "docs" / "how-to" / "constraints.md").read_text()
    return re.findall(r"```python\n(.*?)```", page, flags=re.S)[0]


def test_the_page_names_every_constraint_with_its_weight():
    page = (ROOT / "docs" / "how-to" / "constraints.md").read_text()
    for name, constraint in CONSTRAINTS.items():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{name}`"))
        assert f"`{constraint.__name__}`" in row
        assert f"{constraint().weight:g})" in row


def test_the_constraint_of_the_page_trains_and_acts():
    y, x = np.mgrid[:96, :96]
    wave = np.cos(2 * np.pi * y / 9) * (1 + np.cos(2 * np.pi * x / 9))
    frame = np.random.default_rng(0).poisson(60 + 18 * wave)[None].astype(np.float32)
    scope = {}
    exec(compile(example(), "docs/how-to/constraints.md", "exec"), scope)
    constant = scope["ConstantAlongX"]()
    trained = train([frame], Settings(steps=3, conditions=(constant,)))
    assert trained.settings.conditions == (constant,)
    assert trained.history[-1].step == 3

    step = torch.tensor([[[4.0, 0.0], [0.0, -8.0]]])
    flat, rough = torch.zeros(1, 2, 1), torch.tensor([[[3.0], [0.0]]])
    along_y = dataclasses.replace(pairs_of(flat, rough), displacement=step)
    along_x = dataclasses.replace(pairs_of(flat, rough), displacement=step.flip(1))
    assert float(constant(along_y)) == 0
    assert float(constant(along_x)) == pytest.approx(4.5)


def test_a_condition_takes_part_in_training():
    """Weighted beyond all else, equal content everywhere leaves none."""

    class Equal:
        weight = 1e6

        def __call__(self, pairs):
            return (pairs.here.mean - pairs.there.mean).square().sum(-1).mean()

    y, x = np.mgrid[:96, :96]
    frame = (60 + 20 * np.cos(2 * np.pi * y / 9) * (1 + np.cos(2 * np.pi * x / 9)))[None].astype(np.float32)
    loss = [
        train([frame], Settings(steps=2, constraints={}, conditions=extra)).history[-1].loss
        for extra in ((), (Equal(),))
    ]
    assert loss[1] > loss[0] + 100
