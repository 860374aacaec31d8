"""The teacher gives each window of a tile the latents of its feature, whichever way the tile was turned."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from random_models import random_model
from turning_frames import turning_frame

from shiftvae_training.fitting.objective import Objective
from shiftvae_training.fitting.teacher import Teacher, information, shows_motif
from shiftvae_training.guess.feature_alignment import cut_posed
from shiftvae_training.guess.feature_guess import make_feature_guess
from shiftvae_training.model.pose import Posterior
from shiftvae_training.model.rotation import Rotation
from shiftvae_training.model.scale import Scale
from shiftvae_training.model.shift import PlanarShift
from shiftvae_training.model.shift_vae import Member
from shiftvae_training.sampling import TileSampler

WINDOW, TILE = (28, 28), (40, 40)


@pytest.fixture(scope="module")
def guess():
    frame = turning_frame(grows=True).pixels.astype(float)
    return make_feature_guess([frame / frame.std()], window=WINDOW, content=1, fold=1, scale=True)


@pytest.fixture(scope="module")
def model():
    member = Member((Rotation(1), Scale(0.1)))
    return random_model("mlp", WINDOW, shift=PlanarShift(2, 16.0), content=1, member=member)


@pytest.fixture(scope="module")
def tiles(guess):
    frames = [np.asarray(guess.frames[0], np.float32)]
    places = [guess.tile_places(0, TILE)]
    return TileSampler(frames, TILE, seed=0, places=places, turned=True).draw(30)


def test_targets_of_turned_tiles_are_where_the_features_are_drawn(guess, model, tiles):
    """Turned back, windows that were cut at their targets look like the registered mean."""
    targets = Teacher(model, guess).targets(tiles)
    assert np.count_nonzero(tiles.turn) > 5
    mean, _ = guess.images(np.arange(-7.0, 8), np.arange(-7.0, 8))
    alike = []
    for index in np.flatnonzero(tiles.turn):
        window = 5  # of 16: the first pixel is 4 px right and down of the tile's
        y, x, phi, size, _ = (float(v) for v in targets.latents[index, window])
        if not targets.weight[index, window] or max(abs(y), abs(x)) > 6:
            continue
        pose = np.array([[np.radians(phi), np.log1p(size / 100)]])
        place = np.array([[4 + 13.5 + y, 4 + 13.5 + x]])
        cut = cut_posed(tiles.pixels[index].astype(float), place, np.arange(-7.0, 8), np.arange(-7.0, 8), pose)
        alike.append(np.corrcoef(cut.ravel(), mean.ravel())[0, 1])
    assert len(alike) > 3
    assert np.mean(alike) > 0.93


@torch.no_grad()
def test_the_distance_is_that_from_the_targets(guess, model, tiles):
    teacher = Teacher(model, guess)
    targets = teacher.targets(tiles)
    latents = targets.latents
    u = torch.atanh((latents[..., :2] / model.shift.reach_px).clamp(-0.99, 0.99))
    u = u * model.shift.reach_px / model.shift.width_px
    turn, size = torch.deg2rad(latents[..., 2]), (1 + latents[..., 3] / 100).log()
    ones = torch.ones_like(turn)
    further = (torch.stack([turn.cos(), turn.sin(), ones], -1), torch.stack([size / 0.1, ones], -1))
    right = Posterior(torch.cat([u, 0 * u], -1), latents[..., 4:], 0 * latents[..., 4:], further)
    assert float(teacher.distance(right, targets)) < 1e-3
    turned = (torch.stack([(turn + 0.2).cos(), (turn + 0.2).sin(), ones], -1), further[1])
    assert float(teacher.distance(Posterior(right.code, right.mean, right.log_sd, turned), targets)) > 10


def test_encoder_and_decoder_learn_from_it(guess, model, tiles):
    objective = Objective(model, 4, (), teacher=Teacher(model, guess))
    pixels = torch.from_numpy(tiles.pixels)
    terms, _ = objective(pixels, source=tiles)
    terms.total().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.encoder.parameters())
    assert model.decoder.mean.grad.abs().max() > 0
    model.zero_grad()
    with torch.no_grad():
        looked, _ = objective(pixels, sample=False, source=tiles)
    assert model.rounds is not None
    assert torch.isfinite(looked.total())


def test_what_does_not_vary_has_no_information(model):
    """Of a content that is all error, the spread is the deviation."""
    random = torch.Generator().manual_seed(0)
    mean = torch.randn(2000, 5, generator=random)
    sd = torch.full((2000, 5), 0.1)
    sd[:, 4] = 1.0
    nats = information(model, mean, sd)
    assert float(nats[4]) < 0.05
    assert float(nats[3]) == pytest.approx(np.log(10), abs=0.05)
    assert (nats[:3] > 1).all()


def test_windows_of_unsure_position_do_not_show_the_motif():
    sd = torch.tensor([[0.1], [0.12], [0.11], [0.5]])
    assert shows_motif(sd).tolist() == [True, True, True, False]
