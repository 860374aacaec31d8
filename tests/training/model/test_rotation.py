"""The angle of a motif: an angle without an edge, modulo the motif's own symmetry."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from shiftvae_training.model.rotation import Rotation

FOLDS = pytest.mark.parametrize("fold", [1, 2, 6])
ANGLES = torch.linspace(-7, 7, 29)


def code_of(fold, angle, log_width=-2.0) -> torch.Tensor:
    angle = torch.as_tensor(angle, dtype=torch.float32)
    return torch.stack([1.3 * (fold * angle).cos(), 1.3 * (fold * angle).sin(), torch.full_like(angle, log_width)], -1)


@FOLDS
def test_the_mean_is_the_angle_modulo_the_symmetry(fold):
    rotation = Rotation(fold)
    found = rotation.mean(code_of(fold, ANGLES))
    turns = (found - ANGLES) * fold / (2 * math.pi)
    torch.testing.assert_close(turns, turns.round(), atol=1e-4, rtol=0)
    assert found.abs().max() <= math.pi / fold + 1e-5
    degrees, sd = rotation.reported(code_of(fold, ANGLES))
    torch.testing.assert_close(degrees, torch.rad2deg(found))
    torch.testing.assert_close(sd, torch.full_like(sd, math.degrees(math.exp(-2)) / fold))
    assert rotation.period == 360 / fold


@FOLDS
def test_a_known_turn_is_no_mismatch_and_another_is(fold):
    rotation, change = Rotation(fold), torch.full_like(ANGLES, 0.7)
    here, there = code_of(fold, ANGLES), code_of(fold, ANGLES + 0.7 + 2 * math.pi / fold)
    assert rotation.mismatch(here, there, change).max() < 1e-6
    assert rotation.distance(there, ANGLES + 0.7).max() < 1e-6
    wanted = 4 * math.sin(fold * 0.1 / 2) ** 2
    torch.testing.assert_close(rotation.mismatch(here, there, change - 0.1), torch.full_like(ANGLES, wanted))
    torch.testing.assert_close(rotation.distance(there, ANGLES + 0.6), torch.full_like(ANGLES, wanted))


def test_the_divergence_is_that_of_the_wrapped_normal_from_the_uniform_angle():
    for width in (0.05, 0.4, 0.9):
        density = stats.norm(0, width)
        x = np.linspace(-math.pi, math.pi, 4001)
        wrapped = sum(density.pdf(x + 2 * math.pi * k) for k in range(-4, 5))
        wrapped = np.maximum(wrapped, 1e-300)
        wanted = integrate.simpson(wrapped * np.log(wrapped * 2 * math.pi), x=x)
        assert float(Rotation(3).kl(code_of(3, 0.3, math.log(width)))) == pytest.approx(wanted, abs=2e-2)
    assert float(Rotation(3).kl(code_of(3, 0.3, 5.0))) == pytest.approx(0, abs=1e-6)


def test_samples_scatter_by_the_width_of_one_turn():
    torch.manual_seed(0)
    code = code_of(2, torch.full((20000,), 0.3), math.log(0.2))
    samples = Rotation(2).sample(code)
    assert float(samples.mean()) == pytest.approx(0.3, abs=0.005)
    assert float(samples.std()) == pytest.approx(0.1, rel=0.03)


def test_only_the_distance_from_the_unit_circle_is_unruly():
    torch.testing.assert_close(
        Rotation(1).code_penalty(code_of(1, ANGLES)), torch.full_like(ANGLES, 0.09), atol=1e-5, rtol=0
    )
