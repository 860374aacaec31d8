"""The model normalises windows as the runtime does, and ties its shift to the brightest column."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from random_models import SIGNAL, counts, random_model, torus

from shiftvae_rt import extract_windows
from shiftvae_rt.encode.modulo import modulo_lattice


def gaussian(model, centre, height=1.0, sigma=2.0) -> torch.Tensor:
    """A column at `centre` px from the template's middle, as one of the decoder's images."""
    y, x = model.decoder.places()
    along_y = torch.exp(-0.5 * ((y - centre[0]) / sigma) ** 2) if len(y) > 1 else torch.ones(1)
    return height * (along_y[:, None] * torch.exp(-0.5 * ((x - centre[1]) / sigma) ** 2)).flatten()


def contents() -> torch.Tensor:
    """Contents of many windows, ``(200, 2)``: two domains along the first latent, and nothing beyond them."""
    drawn = 0.3 * torch.randn(200, 2, generator=torch.Generator().manual_seed(3))
    return drawn + torch.tensor([[0.4, 0.0]]) * torch.tensor([1.0, -1.0]).repeat(100)[:, None]


@torch.no_grad()
def with_column(centre, *, slope=(0.0, 0.0), **options):
    """A model that draws one column at `centre`, moved by `slope` px for a unit of its first latent."""
    model = random_model(**options)
    for images in (model.decoder.mean, model.decoder.linear, model.decoder.bend):
        images.zero_()
    model.decoder.mean[0] = gaussian(model, centre)
    if model.content:
        ahead = gaussian(model, (centre[0] + slope[0] / 100, centre[1] + slope[1] / 100))
        model.decoder.linear[0] = 100 * (ahead - gaussian(model, centre))
    return model


@pytest.mark.parametrize("centre", [(0.0, 0.0), (1.7, -2.3), (-2.0, 0.4)], ids=str)
def test_the_anchor_is_where_the_column_is_drawn(centre):
    model = with_column(centre)
    model.set_anchor(contents())
    np.testing.assert_allclose(model.anchor, centre, atol=0.1)


def test_the_anchor_follows_the_content():
    model = with_column((0.5, -0.5), slope=(-0.6, 0.9))
    model.set_anchor(contents())
    np.testing.assert_allclose(model.anchor_slope[0], [-0.6, 0.9], atol=0.12)
    np.testing.assert_allclose(model.anchor_slope[1], [0, 0], atol=0.01)


def test_the_brightest_of_several_columns_is_the_anchor():
    model = with_column((1.0, 1.0))
    with torch.no_grad():
        model.decoder.mean[0] += gaussian(model, (-4.0, -4.0), 0.6)
    model.set_anchor(contents())
    np.testing.assert_allclose(model.anchor, [1, 1], atol=0.2)


def test_a_signal_is_anchored_along_x_alone():
    model = with_column((0.0, 2.2), slope=(0.0, 0.7), window=(1, 24), shift=torus(SIGNAL))
    model.set_anchor(contents())
    np.testing.assert_allclose(model.anchor, [0, 2.2], atol=0.1)
    np.testing.assert_allclose(model.anchor_slope[0], [0, 0.7], atol=0.1)


@torch.no_grad()
def test_reported_shifts_are_the_anchor_away_from_the_code():
    model = random_model()
    frame = torch.from_numpy(counts((1, 40, 40)) - 70) * 0.05
    _, sd = model.windows(frame[None], 4)
    posterior = model.encode(frame[None], sd, 4)
    mean, std = model.latents(posterior)
    wanted = model.shift.mean_px(posterior.code) + model.anchor + posterior.mean @ model.anchor_slope
    off = modulo_lattice((mean[..., :2] - wanted).flatten(0, 2).T.double().numpy(), model.weights().lattice)
    np.testing.assert_allclose(off, 0, atol=1e-4)
    assert mean[..., :2].abs().max() <= 5 + 1e-4
    np.testing.assert_allclose(mean[..., 2:], posterior.mean)
    np.testing.assert_allclose(std[..., 2:], posterior.log_sd.exp())
    np.testing.assert_allclose(std[..., :2], model.shift.std_px(posterior.code))


@pytest.mark.parametrize("options", [{}, {"channels": 3}, {"window": (1, 16)}], ids=["2D", "three channels", "1D"])
@pytest.mark.parametrize("stride", [1, 4])
def test_windows_are_those_of_the_runtime(options, stride):
    model = random_model(**options)
    shape = (len(model.channel_scale), 1 if model.dimensions == 1 else 37, 45)
    frame = counts(shape) * np.array(model.channel_scale, np.float32)[:, None, None]
    windows, sd = model.windows(torch.from_numpy(frame)[None], stride)
    wanted = extract_windows(frame, model.window, stride, normalisation="zscore", sd_floor=model.sd_floor)
    np.testing.assert_allclose(windows[0], wanted, atol=1e-4)
    assert sd.shape[1:] == wanted.shape[:2]


@pytest.mark.parametrize("level", [0.0, 5.0, 1e4 / 3])
def test_a_constant_window_is_zero_and_its_deviation_infinite(level):
    model = random_model()
    frame = torch.full((1, 1, 20, 20), level)
    windows, sd = model.windows(frame, 4)
    assert sd.isinf().all()
    assert windows.abs().max() == 0
    frame[..., 10, 10] += 1e-4 * max(level, 1.0)  # no longer constant, however faint
    windows, sd = model.windows(frame, 4)
    assert sd.isfinite().all()
    assert windows.square().mean(dim=(-1, -2, -3)).sub(1).abs().max() < 1e-3


def test_a_constant_window_has_the_least_deviation_for_the_likelihood():
    model = random_model()
    windows, sd = model.windows(torch.full((1, 1, 20, 20), 5.0), 4)
    seen = model.seen(windows.flatten(0, 2), torch.full((4, 1), 5.0), sd.flatten())
    torch.testing.assert_close(seen.spread, torch.full((4, 1, 1, 1), model.sd_floor / model.channel_scale[0]))
