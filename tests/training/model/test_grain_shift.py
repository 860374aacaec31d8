"""A shift on several lattices is in each window that of its own lattice, in torch and in the exported graphs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from random_models import random_model

from shiftvae_rt.encode.modulo import Latents, difference
from shiftvae_rt.encode.onnx_graph import run_graph
from shiftvae_training.graphs.decoder_graph import decoder_graph
from shiftvae_training.graphs.encoder_graph import encoder_graph
from shiftvae_training.model.grain_shift import GrainShift
from shiftvae_training.model.pose import Pose
from shiftvae_training.model.shift import TorusShift

CELLS = torch.tensor([[[10.0, 0.0], [0.0, 10.0]], [[9.0, 4.0], [-4.0, 9.0]]])


def codes(labels: list[int]) -> torch.Tensor:
    """Random codes of windows with these labels."""
    shift = GrainShift.of(CELLS)
    code = torch.randn(len(labels), shift.size, generator=torch.Generator().manual_seed(0))
    return shift.with_label(code, torch.tensor(labels))


def test_each_window_has_the_shift_of_its_lattice():
    shift, code = GrainShift.of(CELLS), codes([0, 1, 1, -1])
    assert shift.label(code).tolist() == [0, 1, 1, -1]
    for i, lattice in enumerate((0, 1, 1, 0)):  # a window without a grain has the first
        alone = TorusShift(CELLS[lattice])
        own = code[i, shift.scores :]
        torch.testing.assert_close(shift.mean_px(code)[i], alone.mean_px(own))
        torch.testing.assert_close(shift.std_px(code)[i], alone.std_px(own))
        target = torch.tensor([3.0, -8.0])
        torch.testing.assert_close(shift.wrap_px(target.expand(4, 2), code)[i], alone.wrap_px(target))
        torch.testing.assert_close(shift.distance(code, target.expand(4, 2))[i], alone.distance(own, target))
        torch.testing.assert_close(shift.mismatch(code, code, target.expand(4, 2))[i], alone.mismatch(own, own, target))


def test_a_displacement_by_vectors_of_the_own_lattice_changes_nothing():
    shift, code = GrainShift.of(CELLS), codes([0, 1])
    displacement = torch.stack([CELLS[0, 0] - CELLS[0, 1], CELLS[1, 0] - CELLS[1, 1]])
    assert shift.mismatch(code, code, displacement).max() < 1e-6
    assert shift.mismatch(code, code, displacement.flip(0)).min() > 0.1


def test_the_label_loss_falls_with_the_score_of_the_right_grain():
    shift, code = GrainShift.of(CELLS), codes([0, 1, -1])
    right = shift.label_loss(code, torch.tensor([0, 1, -1]))
    wrong = shift.label_loss(code, torch.tensor([1, -1, 0]))
    assert right.max() < 1e-6
    assert wrong.min() > 10


def test_the_motif_is_drawn_in_the_direction_of_its_grain():
    model = random_model(shift=GrainShift.of(CELLS), content=1)
    content, shift = torch.zeros(2, 1), torch.zeros(2, 2)
    turn = float(torch.atan2(CELLS[1, 0, 1], CELLS[1, 0, 0]))
    scale = float(CELLS[1, 0].norm() / CELLS[0, 0].norm())
    linear = model.shift.to_first
    drawn = model.decoder(content, Pose(shift, None, None, linear))
    grows = torch.tensor([0.0, float(np.log(scale))])
    wanted = model.decoder(content, Pose(shift, torch.tensor([0.0, turn]), grows))
    torch.testing.assert_close(drawn, wanted, atol=1e-3, rtol=0)


@pytest.fixture(scope="module")
def model():
    return random_model(shift=GrainShift.of(CELLS))


@torch.no_grad()
def test_the_graph_of_the_encoder_gives_what_torch_gives(model):
    frame = np.random.default_rng(0).normal(0, 20, (1, 40, 48)).astype(np.float32)
    mean, std = model.map_frame(frame, 4)
    assert model.names == ("dy", "dx", "grain", "z1", "z2")
    assert {0.0, 1.0} <= set(np.unique(mean[2]))
    found = [a[0] for a in run_graph(encoder_graph(model.weights(), 4), {"frame": frame[None]})]
    weights = model.weights()
    off, off_std = difference(tuple(found), (mean, std), Latents(weights.lattice, [None] * 5, weights.cells))
    assert np.abs(off).max() < 2e-3
    assert np.abs(off_std).max() < 2e-3


@torch.no_grad()
def test_the_graph_of_the_decoder_draws_what_torch_draws(model):
    frame = torch.from_numpy(np.random.default_rng(0).normal(0, 1, (1, 1, 40, 48)).astype(np.float32))
    _, sd = model.windows(frame, 4)
    posterior = model.encode(frame, sd, 4)[0].each(lambda part: part.flatten(0, 1))
    kept = model.shift.label(posterior.code) >= 0
    posterior = posterior[kept]
    mean, _ = model.latents(posterior)
    drawn = run_graph(decoder_graph(model), {"latents": mean.numpy()})[0]
    np.testing.assert_allclose(drawn, model.draw(mean).numpy(), atol=2e-3)
    exact = model.likelihood.windows(model.decoder(posterior.mean, model.pose(posterior)), model.noise_sd)
    np.testing.assert_allclose(drawn, exact.numpy(), atol=2e-3)


def test_two_maps_may_tell_different_grains_where_both_are_equally_likely():
    latents = Latents(CELLS[0].numpy().astype(float), [None] * 3, CELLS.numpy().astype(float))
    mean, std = np.zeros((3, 1, 2)), np.full((3, 1, 2), 0.5)
    other = mean.copy()
    other[2], other[0] = 1.0, 3.0
    std[2] = [[0.49, 0.1]]  # a tie, and a clear case
    off, _ = difference((mean, std), (other, std), latents)
    assert not off[:, 0, 0].any()
    assert off[2, 0, 1] == -1.0
