"""The size of a motif, in per cent of the template's."""

from __future__ import annotations

import math

import pytest
import torch

from shiftvae_training.model.scale import Scale

SCALE = Scale(0.1)


def code_of(log_size, log_sd=-2.0) -> torch.Tensor:
    log_size = torch.as_tensor(log_size, dtype=torch.float32)
    return torch.stack([log_size / 0.1, torch.full_like(log_size, log_sd)], -1)


def test_sizes_are_reported_in_per_cent():
    mean, sd = SCALE.reported(code_of([math.log(1.2), 0.0, math.log(0.8), 3.0]))
    torch.testing.assert_close(mean, torch.tensor([20.0, 0.0, -20.0, 100 * (math.exp(0.5) - 1)]))
    torch.testing.assert_close(sd[:3], 10 * math.exp(-2) * torch.tensor([1.2, 1.0, 0.8]))


def test_a_known_zoom_is_no_mismatch_and_another_is():
    here, there = code_of([0.05, -0.1]), code_of([0.15, 0.0])
    change = torch.full((2,), 0.1)
    assert SCALE.mismatch(here, there, change).max() < 1e-6
    assert SCALE.distance(there, torch.tensor([0.15, 0.0])).max() < 1e-6
    torch.testing.assert_close(SCALE.mismatch(here, there, change + 0.1), torch.ones(2))


def test_the_divergence_is_that_of_normals():
    code = torch.tensor([[0.7, -0.4]])
    own, prior = torch.distributions.Normal(0.7, math.exp(-0.4)), torch.distributions.Normal(0.0, 1.0)
    assert float(SCALE.kl(code)) == pytest.approx(float(torch.distributions.kl_divergence(own, prior)), rel=1e-5)


def test_samples_scatter_by_the_deviation():
    torch.manual_seed(0)
    samples = SCALE.sample(code_of(torch.full((20000,), 0.05), math.log(0.3)))
    assert float(samples.mean()) == pytest.approx(0.05, abs=0.001)
    assert float(samples.std()) == pytest.approx(0.03, rel=0.03)
    assert SCALE.code_penalty(code_of([0.1])).tolist() == [0.0]
