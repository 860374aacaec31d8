"""The objective is the negative evidence lower bound, term by term."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from random_models import counts, random_model

from shiftvae_training.constraints import KnownDisplacement, SmoothLatents
from shiftvae_training.fitting.objective import Objective


@pytest.fixture(
    params=[{}, {"window": (1, 16)}, {"channels": 2}, {"content": 0}], ids=["2D", "1D", "two channels", "no content"]
)
def model(request):
    return random_model(**request.param)


def tiles_for(model, count=5) -> torch.Tensor:
    shape = (len(model.channel_scale), 1 if model.dimensions == 1 else 28, 28)
    frames = np.stack([counts(shape, seed) for seed in range(count)])
    return torch.from_numpy(frames) * torch.tensor(model.channel_scale)[:, None, None]


@torch.no_grad()
def test_the_terms_are_those_of_the_windows_one_by_one(model):
    tiles = tiles_for(model)
    terms, posterior = Objective(model, 4, ())(tiles, sample=False)
    h, w = model.window
    squares, kl_content, kl_shift = [], [], []
    rows = 1 if h == 1 else 4
    for index, tile in enumerate(tiles):
        for place in range(rows * 4):
            y, x = 4 * (place // 4), 4 * (place % 4)
            window = tile[:, y : y + h, x : x + w]
            window = window - window.mean(dim=(1, 2), keepdim=True)
            window = window / window.square().mean().sqrt()
            one = posterior[index : index + 1, place]
            drawn = model.likelihood.windows(model.decoder(one.mean, model.pose(one)), model.noise_sd)[0]
            squares.append(float((drawn - window).square().mean()))
            prior = torch.distributions.Normal(0.0, 1.0)
            own = torch.distributions.Normal(one.mean, one.log_sd.exp())
            kl_content.append(float(torch.distributions.kl_divergence(own, prior).sum()))
            kl_shift.append(float(model.shift.kl(one.code)))
    noise = float(model.noise_sd)
    pixels = h * w * len(model.channel_scale)
    nats = pixels * (np.mean(squares) / (2 * noise**2) + math.log(noise * math.sqrt(2 * math.pi)))
    assert float(terms.residual) == pytest.approx(np.mean(squares), rel=1e-3)
    assert float(terms.likelihood) == pytest.approx(nats, rel=1e-3)
    assert float(terms.kl_content) == pytest.approx(np.mean(kl_content), rel=1e-3, abs=1e-6)
    assert float(terms.kl_shift) == pytest.approx(np.mean(kl_shift), rel=1e-3)


@torch.no_grad()
def test_the_total_is_the_sum(model):
    torch.manual_seed(0)
    terms, _ = Objective(model, 4, (SmoothLatents(3.0),))(tiles_for(model))
    parts = terms.likelihood + terms.kl_shift + terms.constraints
    assert float(terms.total()) == pytest.approx(float(parts + terms.kl_content), rel=1e-6)
    heavier = float(parts + terms.kl_shift + terms.kl_content)
    assert float(terms.total(shift_weight=2.0)) == pytest.approx(heavier, rel=1e-6)
    assert float(terms.total(content_weight=0.25)) == pytest.approx(float(parts + terms.kl_content / 4), rel=1e-6)


class Recorder:
    """A constraint that keeps what it sees."""

    weight = 2.0

    def __call__(self, pairs):
        self.pairs = pairs
        return torch.tensor(5.0)


@torch.no_grad()
def test_a_constraint_counts_with_its_weight(model):
    tiles = tiles_for(model)
    torch.manual_seed(0)
    plain, _ = Objective(model, 4, ())(tiles)
    torch.manual_seed(0)
    heavier, _ = Objective(model, 4, (Recorder(), Recorder()))(tiles)
    assert float(heavier.constraints - plain.constraints) == pytest.approx(20.0, rel=1e-4)


@torch.no_grad()
def test_pairs_are_true_windows_with_their_true_displacement(model):
    recorder = Recorder()
    torch.manual_seed(1)
    _, posterior = Objective(model, 4, (recorder,))(tiles_for(model))
    pairs = recorder.pairs
    rows = 1 if model.dimensions == 1 else 4
    places = torch.tensor([(4 * (i // 4), 4 * (i % 4)) for i in range(4 * rows)]).float()
    partners = set()
    for i, place in enumerate(places):
        there = place + pairs.displacement[0, i]
        partner = int(torch.cdist(there[None], places).argmin())
        assert torch.equal(places[partner], there)
        assert torch.equal(pairs.there.code[:, i], posterior.code[:, partner])
        assert torch.equal(pairs.here.code[:, i], posterior.code[:, i])
        partners.add(partner)
    assert partners == set(range(4 * rows))
    assert pairs.displacement.abs().sum() > 0


def test_everything_has_a_gradient(model):
    terms, _ = Objective(model, 4, (KnownDisplacement(), SmoothLatents()))(tiles_for(model))
    terms.total().backward()
    for name, parameter in model.named_parameters():
        if parameter.numel():
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name
            assert parameter.grad.abs().max() > 0, name


@torch.no_grad()
def test_decoding_the_mean_has_no_noise(model):
    tiles = tiles_for(model)
    objective = Objective(model, 4, ())
    one, other = (objective(tiles, sample=False)[0] for _ in range(2))
    assert float(one.likelihood) == float(other.likelihood)
    noisy = {float(objective(tiles)[0].likelihood) for _ in range(3)}
    assert len(noisy) == 3


@torch.no_grad()
def test_the_brightness_of_a_tile_changes_nothing(model):
    tiles = tiles_for(model)
    objective = Objective(model, 4, ())
    bright = objective(tiles + 40, sample=False)[0]
    assert float(bright.likelihood) == pytest.approx(float(objective(tiles, sample=False)[0].likelihood), rel=1e-3)
