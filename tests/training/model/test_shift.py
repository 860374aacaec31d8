"""The shift lives on the torus of the lattice, or on the plane."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_models import LINES, OBLIQUE, SIGNAL, SQUARE, torus
from scipy import integrate, stats

from shiftvae_training.model.shift import PlanarShift

LATTICES = {"square": SQUARE, "oblique": OBLIQUE, "hexagonal": ((8.0, 0.0), (4.0, 6.93)), "lines": LINES, "1D": SIGNAL}
LATTICE = pytest.mark.parametrize("vectors", LATTICES.values(), ids=list(LATTICES))
PX = st.floats(-60, 60, width=32)


def code_of(shift, positions, log_width=-2.0) -> torch.Tensor:
    """The code of windows whose motif sits at ``positions (n, 2)`` px."""
    positions = torch.as_tensor(np.asarray(positions), dtype=torch.float32)
    phase = 2 * math.pi * positions @ torch.linalg.pinv(shift.vectors)
    return torch.cat([phase.cos(), phase.sin(), torch.full_like(phase, log_width)], dim=-1)


def on_lattice_line(shift, positions) -> torch.Tensor:
    """The part of `positions` that the lattice vectors span: all of it, but for line patterns."""
    vectors = shift.vectors
    return torch.as_tensor(np.asarray(positions), dtype=torch.float32) @ torch.linalg.pinv(vectors) @ vectors


@LATTICE
@given(y=PX, x=PX)
@settings(max_examples=30, deadline=None)
def test_the_mean_is_the_position_modulo_the_lattice(vectors, y, x):
    shift = torus(vectors)
    found = shift.mean_px(code_of(shift, [(y, x)]))
    cells = (found - on_lattice_line(shift, [(y, x)])) @ torch.linalg.pinv(shift.vectors)
    assert torch.allclose(cells, cells.round(), atol=1e-4)
    inside = found @ torch.linalg.pinv(shift.vectors)
    assert inside.abs().max() <= 0.5 + 1e-4


@LATTICE
@given(y=PX, x=PX)
@settings(max_examples=30, deadline=None)
def test_wrapping_moves_by_whole_cells_into_the_cell(vectors, y, x):
    shift = torus(vectors)
    start = on_lattice_line(shift, [(y, x)])
    wrapped = shift.wrap_px(start)
    cells = (wrapped - start) @ torch.linalg.pinv(shift.vectors)
    assert torch.allclose(cells, cells.round(), atol=1e-4)
    assert (wrapped @ torch.linalg.pinv(shift.vectors)).abs().max() <= 0.5 + 1e-4


@LATTICE
@given(y=PX, x=PX, dy=PX, dx=PX)
@settings(max_examples=30, deadline=None)
def test_windows_displaced_exactly_do_not_mismatch(vectors, y, x, dy, dx):
    """A window cut d further sees its motif d less far."""
    shift = torus(vectors)
    here, there = code_of(shift, [(y, x)]), code_of(shift, [(y - dy, x - dx)])
    assert shift.mismatch(here, there, torch.tensor([[dy, dx]])).max() < 1e-3


def test_a_wrong_displacement_mismatches_by_the_chord():
    shift = torus(((10.0, 0.0), (0.0, 20.0)))
    here, there = code_of(shift, [(1, 2)]), code_of(shift, [(1, 2)])
    quarter = shift.mismatch(here, there, torch.tensor([[2.5, 0.0]]))
    half = shift.mismatch(here, there, torch.tensor([[5.0, 0.0]]))
    both = shift.mismatch(here, there, torch.tensor([[5.0, 10.0]]))
    np.testing.assert_allclose([quarter, half, both], [[2.0], [4.0], [8.0]], rtol=1e-4)
    opposite = shift.mismatch(here, code_of(shift, [(3, 2)]), torch.tensor([[2.0, 0.0]]))
    assert opposite > 1


@LATTICE
def test_samples_scatter_around_the_mean_as_the_deviation_says(vectors):
    torch.manual_seed(0)
    shift = torus(vectors)
    code = code_of(shift, np.zeros((20000, 2)), log_width=math.log(0.3))
    samples, std = shift.sample_px(code), shift.std_px(code)
    np.testing.assert_allclose(samples.std(0), std[0], rtol=0.03, atol=1e-6)
    np.testing.assert_allclose(samples.mean(0), 0, atol=0.03)


@LATTICE
def test_samples_stay_in_the_cell(vectors):
    torch.manual_seed(0)
    shift = torus(vectors)
    samples = shift.sample_px(code_of(shift, np.full((2000, 2), 3.0), log_width=0.0))
    assert (samples @ torch.linalg.pinv(shift.vectors)).abs().max() <= 0.5 + 1e-4
    assert (samples.abs().max(0).values <= torch.tensor(shift.reach) + 1e-4).all()


@given(st.floats(-20, 20))
def test_the_divergence_is_never_negative(log_width):
    shift = torus(OBLIQUE)
    assert shift.kl(code_of(shift, [(1, 2)], log_width)) >= 0


@pytest.mark.parametrize("width", [0.01, 0.1, 0.5, 0.8])
def test_the_divergence_is_that_of_a_wrapped_normal_from_the_uniform_phase(width):
    def density(phase):
        return sum(stats.norm.pdf(phase + 2 * np.pi * k, scale=width) for k in range(-3, 4))

    points = [-5 * width, 5 * width] if 5 * width < np.pi else None
    wanted = integrate.quad(
        lambda p: density(p) * np.log(max(density(p), 1e-300) * 2 * np.pi), -np.pi, np.pi, points=points, limit=200
    )[0]
    shift = torus(LINES)
    assert float(shift.kl(code_of(shift, [(0, 0)], math.log(width)))) == pytest.approx(wanted, abs=0.01)


def test_an_unruly_code_is_one_off_the_unit_circle():
    shift = torus(SQUARE)
    code = code_of(shift, [(1, 2)])
    assert shift.code_penalty(code) < 1e-6
    assert float(shift.code_penalty(3 * code)) == pytest.approx(8.0, rel=1e-3)
    np.testing.assert_allclose(shift.mean_px(3 * code), shift.mean_px(code), atol=1e-5)
    assert torch.isfinite(shift.unit(torch.zeros(1, 6)).abs()).all()


def planar_code(shift, positions, log_sd=-9.0) -> torch.Tensor:
    """The code of windows whose feature sits at ``positions (n, dimensions)`` px."""
    positions = torch.as_tensor(positions, dtype=torch.float32)
    u = torch.atanh(positions / shift.reach_px) * shift.reach_px / shift.width_px
    return torch.cat([u, torch.full_like(u, log_sd)], dim=-1)


@given(position=st.tuples(*[st.floats(-5, 5, width=32)] * 2), displacement=st.tuples(*[st.floats(-4, 4, width=32)] * 2))
@settings(max_examples=30, deadline=None)
def test_on_the_plane_windows_displaced_exactly_do_not_mismatch(position, displacement):
    shift = PlanarShift(2, 10.0)
    here = planar_code(shift, [position])
    there = planar_code(shift, np.subtract([position], displacement))
    assert float(shift.mismatch(here, there, torch.tensor([displacement])).detach()) < 1e-6
    assert float(shift.distance(here, torch.tensor([position])).detach()) < 1e-6
    further = torch.tensor([[displacement[0] + shift.width_px, displacement[1]]])
    assert float(shift.mismatch(here, there, further).detach()) == pytest.approx(1.0, rel=1e-2)


def test_on_the_plane_mean_deviation_and_samples_are_in_px():
    torch.manual_seed(0)
    shift = PlanarShift(2, 10.0)
    code = planar_code(shift, [[2.0, -6.0]], math.log(0.02)).expand(20000, -1)
    np.testing.assert_allclose(shift.mean_px(code)[0].detach(), [2, -6], rtol=1e-5)
    wanted = [0.02 * shift.width_px * (1 - share**2) for share in (0.2, 0.6)]
    np.testing.assert_allclose(shift.std_px(code)[0].detach(), wanted, rtol=1e-5)
    np.testing.assert_allclose(shift.sample_px(code).std(0).detach(), wanted, rtol=0.03)
    assert shift.reach == pytest.approx((15.0, 15.0))
    assert shift.code_penalty(code).abs().max() == 0


def test_on_the_plane_the_prior_is_nearly_uniform_and_ends_at_the_reach():
    torch.manual_seed(0)
    shift = PlanarShift(1, 10.0)
    prior = shift.mean_px(torch.stack([torch.randn(20000), torch.zeros(20000)], -1))[:, 1].detach()
    counts = np.histogram(prior.numpy(), bins=8, range=(-10, 10))[0]
    assert counts.sum() == 20000
    np.testing.assert_allclose(counts / 2500, 1, atol=0.2)


def test_on_the_plane_the_divergence_is_that_of_normals():
    shift = PlanarShift(2, 4.0)
    code = torch.tensor([[0.3, -1.2, -0.7, 0.2]])
    wanted = torch.distributions.kl_divergence(
        torch.distributions.Normal(code[:, :2], code[:, 2:].exp()), torch.distributions.Normal(0.0, 1.0)
    ).sum()
    assert float(shift.kl(code)) == pytest.approx(float(wanted), rel=1e-5)
    assert shift.kl(torch.zeros(1, 4)) == 0


def test_a_planar_signal_moves_along_x_alone():
    shift = PlanarShift(1, 10.0)
    code = planar_code(shift, [[2.0]], 0.0)
    np.testing.assert_allclose(shift.mean_px(code).detach(), [[0.0, 2.0]], rtol=1e-5)
    assert float(shift.std_px(code).detach()[0, 0]) == 0
    assert shift.reach == pytest.approx((0.0, 15.0))
    assert shift.size == 2
    moved = torch.tensor([[9.0, shift.width_px]])
    assert float(shift.mismatch(code, code, moved).detach()) == pytest.approx(1.0, rel=1e-4)
