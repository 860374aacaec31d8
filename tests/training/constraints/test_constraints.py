"""A condition is zero where it holds, grows where it does not, and pulls the right way."""

from __future__ import annotations

import pytest
import torch
from random_models import OBLIQUE, torus

from shiftvae_training.constraints import KnownDisplacement, Pairs, SmoothLatents, parse_constraint
from shiftvae_training.model.pose import Posterior
from shiftvae_training.model.shift import UNIFORM, PlanarShift

#: px; none of the displacements below comes near it.
REACH = 80.0


def posterior(code, mean=None) -> Posterior:
    mean = torch.zeros(*code.shape[:-1], 2) if mean is None else mean
    return Posterior(code, mean, torch.zeros_like(mean))


def planar_pairs(moved, displacement) -> Pairs:
    """Windows whose motif moved by `moved` px while they were cut `displacement` px apart."""
    shift = PlanarShift(2, REACH)
    here = torch.zeros(*moved.shape[:-1], 4)
    there = torch.cat([torch.atanh(moved / REACH) / UNIFORM, torch.zeros_like(moved)], -1)
    return Pairs(posterior(here), posterior(there), displacement, shift)


def test_the_known_displacement_is_kept_by_a_motif_that_stays():
    displacement = torch.randn(3, 7, 2) * 9
    assert KnownDisplacement()(planar_pairs(-displacement, displacement)) < 1e-9
    off = KnownDisplacement()(planar_pairs(0 * displacement, torch.full((3, 7, 2), UNIFORM * REACH)))
    assert off.item() == pytest.approx(2.0)


def test_on_a_lattice_the_known_displacement_counts_modulo_the_cell():
    shift = torus(OBLIQUE)
    code = torch.tensor([[[1.0, 0.0, 0.0, 1.0, -2.0, -2.0]]])
    whole = shift.vectors[0] - 2 * shift.vectors[1]
    pairs = Pairs(posterior(code), posterior(code), whole[None, None], shift)
    assert KnownDisplacement()(pairs) < 1e-6
    half = Pairs(posterior(code), posterior(code), whole[None, None] / 2, shift)
    assert float(KnownDisplacement()(half)) == pytest.approx(4.0, rel=1e-3)


def test_smooth_latents_are_those_that_differ_little():
    code = torch.zeros(2, 4, 4)
    mean = torch.randn(2, 4, 2)
    shift, displacement = PlanarShift(2, 5.0), torch.zeros(2, 4, 2)
    same = Pairs(posterior(code, mean), posterior(code, mean), displacement, shift)
    assert SmoothLatents()(same) == 0
    apart = Pairs(posterior(code, mean), posterior(code, mean + torch.tensor([1.0, 2.0])), displacement, shift)
    assert float(SmoothLatents()(apart)) == pytest.approx(5.0)


def test_smoothness_has_a_gradient_on_both_windows():
    """In the published code it has none: the term is computed on detached arrays."""
    here, there = (torch.randn(2, 4, 2, requires_grad=True) for _ in range(2))
    code = torch.zeros(2, 4, 4)
    SmoothLatents()(
        Pairs(posterior(code, here), posterior(code, there), torch.zeros(2, 4, 2), PlanarShift(2, 5.0))
    ).backward()
    assert torch.allclose(here.grad, 2 * (here - there).detach() / 8)
    assert torch.allclose(there.grad, -here.grad)


def test_the_known_displacement_pulls_the_shift_to_where_it_must_be():
    shift = torus(OBLIQUE)
    torch.manual_seed(0)
    code = torch.randn(1, 6, 6)
    free = torch.randn(1, 6, 6, requires_grad=True)
    displacement = torch.randn(1, 6, 2) * 4
    optimiser = torch.optim.Adam([free], lr=0.05)
    for _ in range(300):
        loss = KnownDisplacement()(Pairs(posterior(code), posterior(free), displacement, shift))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 1e-3
    off = shift.wrap_px(shift.mean_px(free) - shift.mean_px(code) + displacement)
    assert off.abs().max() < 0.3


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("smooth", {"smooth": SmoothLatents().weight}),
        ("smooth=2.5", {"smooth": 2.5}),
        ("displacement=0", {"displacement": 0.0}),
        ("smooth=1e3", {"smooth": 1e3}),
    ],
)
def test_a_constraint_is_read_with_its_weight(text, wanted):
    assert parse_constraint(text) == wanted
