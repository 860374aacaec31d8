"""Order latents: what displacement, sampling, canonical form and calibration do to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from random_models import ORDER, counts, random_model

from shiftvae_training.finishing.calibration import scale_deviations
from shiftvae_training.finishing.settle_order import settle_order
from shiftvae_training.fitting.objective import Objective
from shiftvae_training.model.pose import Posterior
from shiftvae_training.model.shift_vae import Member, ShiftVAE


@pytest.fixture
def model() -> ShiftVAE:
    return random_model(member=Member(order=ORDER))


def posteriors(model: ShiftVAE) -> Posterior:
    frame = torch.from_numpy(counts((1, 40, 40)) * model.channel_scale[0])[None]
    frame = frame - frame.mean()
    _, sd = model.windows(frame, 4)
    return model.encode(frame, sd, 4).each(lambda part: part.flatten(0, 2))


def test_an_amplitude_turns_by_the_displacement():
    code = torch.randn(5, ORDER.size)
    moved = torch.tensor([5.0, 7.5])
    turned = ORDER.turned(ORDER.mean(code), moved)
    expected = ORDER.mean(code) * torch.exp(2j * torch.pi * torch.tensor([0.25, 0.25]))
    torch.testing.assert_close(turned, expected)
    other = torch.cat([torch.view_as_real(turned).flatten(-2), code[:, 4:]], -1)
    assert ORDER.mismatch(code, other, moved).abs().max() < 1e-9
    assert ORDER.mismatch(code, code, moved).min() > 1e-4


def test_a_prior_carries_nothing_and_samples_have_its_width():
    code = torch.zeros(20000, ORDER.size)
    assert ORDER.kl(code).abs().max() == 0
    torch.manual_seed(0)
    sample = torch.view_as_real(ORDER.sample(code))
    torch.testing.assert_close(sample.std(0), torch.ones(2, 2), rtol=0.03, atol=0)


def test_order_lies_between_shift_and_content(model):
    assert model.names == ("dy", "dx", "w1re", "w1im", "w2re", "w2im", "z1", "z2")
    mean, std = model.latents(posteriors(model))
    assert mean.shape == std.shape == (49, 8)
    torch.testing.assert_close(std[:, 2], std[:, 3], rtol=0, atol=0)


@torch.no_grad()
def test_the_decoder_draws_the_same_motif_a_cell_further_with_the_amplitude_of_that_cell(model):
    """Moved by a lattice vector, w changes by exp(-2 pi i q . a): so do the two drawings' amplitudes at the motif."""
    posterior = posteriors(model)
    pose = model.pose(posterior)
    amplitude = torch.complex(pose.order[:, ::2], pose.order[:, 1::2])
    expected = model.order.turned(model.order.mean(posterior.order), pose.shift_px)
    torch.testing.assert_close(amplitude, expected)
    without = model.decoder(posterior.mean, replace(pose, order=None))
    assert (model.decoder(posterior.mean, pose) - without).abs().mean() > 0.05


@torch.no_grad()
def test_the_canonical_form_draws_the_same_with_units_of_order_and_phases_of_the_lattice(model):
    before = posteriors(model)
    drawn = model.draw(model.latents(before)[0])
    settle_order(model, before)
    after = posteriors(model)
    torch.testing.assert_close(model.draw(model.latents(after)[0]), drawn, rtol=0, atol=2e-3)
    amplitude = model.order.mean(after.order)
    torch.testing.assert_close(amplitude.abs().quantile(0.9, dim=0), torch.ones(2), rtol=1e-4, atol=0)
    seen = model.order.turned(amplitude, model.latents(after)[0][:, :2])
    for index, cells in enumerate((2, 3)):
        assert abs(float((seen[:, index] ** cells).mean().angle())) < 1e-3


@torch.no_grad()
def test_calibration_scales_both_parts_of_one_amplitude(model):
    _, before = model.latents(posteriors(model))
    scale_deviations(model, [4, 5], 1.5)
    _, after = model.latents(posteriors(model))
    np.testing.assert_allclose((after / before).median(0).values, [1, 1, 1, 1, 1.5, 1.5, 1, 1], rtol=1e-3)


def test_the_objective_trains_all_of_it(model):
    terms, _ = Objective(model, 4, ())(torch.from_numpy(counts((3, 28, 28)))[:, None] * 0.05)
    terms.total().backward()
    for weight in (model.decoder.order, model.encoder.linears[-1].weight):
        assert weight.grad.abs().sum() > 0
    rows = model.encoder.linears[-1].weight.grad[model.shift.size : model.shift.size + ORDER.size]
    assert (rows.abs().sum(1) > 0).all()


def test_a_model_without_order_has_the_weights_that_it_had():
    plain, ordered = random_model(), random_model(member=Member(order=ORDER))
    assert plain.decoder.order is None
    assert "decoder.order" not in plain.state_dict()
    assert len(ordered.encoder.linears[-1].bias) == len(plain.encoder.linears[-1].bias) + ORDER.size
