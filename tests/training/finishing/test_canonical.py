"""Settling order, zero, unit and sign of the content changes what it is called, never what the model draws."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch
from conftest import SMALL, Scan
from random_models import SIGNAL, counts, random_model, torus

from shiftvae_training.finishing.canonical import settle_content
from shiftvae_training.model.rotation import Rotation
from shiftvae_training.model.scale import Scale
from shiftvae_training.model.shift import PlanarShift
from shiftvae_training.model.shift_vae import Member
from shiftvae_training.train import train

KL = torch.tensor([0.5, 2.0, 0.01])
MODELS = {
    "convolutional": {},
    "mlp": {"family": "mlp"},
    "1D": {"window": (1, 16), "shift": torus(SIGNAL)},
    "planar": {"shift": PlanarShift(2, 3.0)},
    "coordinate": {"member": Member(decoder="coordinate")},
    "classes": {"member": Member(classes=("a", "b"))},
    "turning": {"shift": PlanarShift(2, 3.0), "member": Member((Rotation(1), Scale(0.1)))},
}


@pytest.fixture(params=MODELS, ids=list(MODELS))
def before(request):
    model = random_model(content=3, **MODELS[request.param])
    with torch.no_grad():  # away from the limits of the posterior's width
        model.encoder.linears[-1].weight[-3:] *= 0.05
    return model


def windows_of(model):
    frame = counts((1, 1 if model.dimensions == 1 else 60, 76))
    frame -= frame.mean().round()
    scaled = torch.from_numpy(frame)[None] * model.channel_scale[0]
    _, sd = model.windows(scaled, 2)
    return model.encode(scaled, sd, 2)


@torch.no_grad()
def test_the_settled_model_is_the_same_model(before):
    after = copy.deepcopy(before)
    old = windows_of(before)
    order = settle_content(after, old.mean.flatten(0, -2), KL)
    assert order == [1, 0, 2]
    new = windows_of(after)
    torch.testing.assert_close(new.code, old.code)
    used = new.mean[..., :2].flatten(0, -2)
    torch.testing.assert_close(used.mean(0), torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(used.std(0), torch.ones(2), atol=1e-4, rtol=0)
    sd = old.mean.flatten(0, -2).std(0)[order]
    torch.testing.assert_close(new.log_sd[..., :2], (old.log_sd[..., order] - sd.log())[..., :2], atol=1e-4, rtol=0)
    correlation = np.corrcoef(used[:, 0].numpy(), old.mean[..., 1].flatten().numpy())[0, 1]
    assert abs(correlation) > 0.9999
    torch.testing.assert_close(
        after.decoder.template(new.mean.flatten(0, -2)[:40]),
        before.decoder.template(old.mean.flatten(0, -2)[:40]),
        atol=2e-4,
        rtol=1e-3,
    )


@torch.no_grad()
def test_a_latent_that_is_not_used_keeps_its_scale(before):
    after = copy.deepcopy(before)
    old = windows_of(before)
    settle_content(after, old.mean.flatten(0, -2), KL)
    new = windows_of(after)
    torch.testing.assert_close(new.mean[..., 2], old.mean[..., 2])
    torch.testing.assert_close(new.log_sd[..., 2], old.log_sd[..., 2])


@torch.no_grad()
def test_an_order_that_is_given_stands(before):
    after = copy.deepcopy(before)
    old = windows_of(before)
    assert settle_content(after, old.mean.flatten(0, -2), KL, order=(0, 2, 1)) == [0, 2, 1]
    torch.testing.assert_close(windows_of(after).mean[..., 1], old.mean[..., 2])  # not used: it keeps its scale


def test_no_content_needs_no_settling():
    model = random_model(content=0)
    assert settle_content(model, torch.zeros(3, 0), torch.zeros(0)) == []


@pytest.mark.slow
def test_order_sign_zero_and_unit_are_the_same_from_seed_to_seed(scan: Scan):
    trainings = [scan.trained, *(train(scan.frames, dataclasses.replace(SMALL, seed=seed)) for seed in (1, 2))]
    frame = scan.frames[0].astype(np.float32)
    maps = [trained.model.map_frame(frame - frame.mean().round(), 4)[0] for trained in trainings]
    first = maps[0][2].ravel()
    for trained, found in zip(trainings, maps, strict=True):
        assert trained.kl_nats[2] > trained.kl_nats[3]
        assert np.corrcoef(found[2].ravel(), first)[0, 1] > 0.85
        slope, zero = np.polyfit(first, found[2].ravel(), 1)
        assert slope == pytest.approx(1, abs=0.2)
        assert zero == pytest.approx(0, abs=0.2)
