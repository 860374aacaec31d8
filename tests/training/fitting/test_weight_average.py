"""The average that a training keeps: recent weights count, old ones are forgotten, the model's own come back."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from shiftvae_training.fitting.weight_average import WeightAverage


def averaged(values):
    """Average of a weight that had these values after the steps, and the weight afterwards."""
    model = nn.Linear(1, 1, bias=False)
    average = WeightAverage(model)
    for step, value in enumerate(values, 1):
        with torch.no_grad():
            model.weight.fill_(value)
        average.add(step)
    with average.in_place():
        inside = float(model.weight.detach())
    return inside, float(model.weight.detach())


def test_after_one_step_the_average_is_its_weights():
    assert averaged([3.0]) == (3.0, 3.0)


def test_the_model_gets_its_own_weights_back():
    inside, after = averaged([1.0, 2.0, 4.0])
    assert after == 4.0
    assert 2.0 < inside < 4.0


def test_scatter_about_a_value_is_averaged_away():
    noise = torch.randn(2000, generator=torch.Generator().manual_seed(0))
    inside, _ = averaged((5 + noise).tolist())
    assert abs(inside - 5) < 0.25  # a single step: 1


@pytest.mark.parametrize("steps", [100, 3000])
def test_the_average_reaches_over_a_tenth_of_the_steps(steps):
    inside, _ = averaged([0.0] * (steps // 2) + [1.0] * (steps // 2))
    assert inside > 0.998
    inside, _ = averaged([float(step) for step in range(steps)])
    assert inside == pytest.approx(steps * 10 / 11, rel=0.02)


def test_put_leaves_the_average_in_the_model():
    model = nn.Linear(1, 1, bias=False)
    average = WeightAverage(model)
    for step, value in enumerate((0.0, 11.0), 1):
        with torch.no_grad():
            model.weight.fill_(value)
        average.add(step)
    average.put()
    assert float(model.weight.detach()) == pytest.approx(11 * 10 / 11)
