"""The exported decoder draws, from reported latents, what the trained one draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from random_models import LINES, OBLIQUE, ORDER, SIGNAL, counts, random_model, torus

from shiftvae_rt.encode.onnx_graph import run_graph
from shiftvae_rt.model.onnx_check import check_graph
from shiftvae_training.graphs.decoder_graph import decoder_graph
from shiftvae_training.model.likelihood import Bernoulli
from shiftvae_training.model.rotation import Rotation
from shiftvae_training.model.scale import Scale
from shiftvae_training.model.shift import PlanarShift
from shiftvae_training.model.shift_vae import Member

BERNOULLI = Bernoulli(*(torch.tensor(v) for v in ([0.0, 5.0], [99.0, 80.0], [50.0, 40.0], [20.0, 9.0])))
MODELS = {
    "square": {},
    "oblique": {"shift": torus(OBLIQUE)},
    "lines": {"shift": torus(LINES)},
    "planar": {"shift": PlanarShift(2, 3.0)},
    "three channels": {"channels": 3},
    "no content": {"content": 0},
    "mlp": {"family": "mlp", "window": (15, 15)},
    "1D": {"window": (1, 24), "shift": torus(SIGNAL)},
    "1D planar, no content": {"window": (1, 16), "shift": PlanarShift(1, 2.5), "content": 0},
    "rotation": {"shift": PlanarShift(2, 3.0), "member": Member((Rotation(2),))},
    "rotation and scale": {"shift": PlanarShift(2, 3.0), "member": Member((Rotation(1), Scale(0.1))), "channels": 2},
    "1D scale": {"window": (1, 16), "shift": PlanarShift(1, 2.5), "member": Member((Scale(0.1),))},
    "coordinate": {"member": Member(decoder="coordinate"), "channels": 2},
    "coordinate, posed": {
        "shift": PlanarShift(2, 3.0),
        "member": Member((Rotation(1), Scale(0.1)), decoder="coordinate"),
    },
    "coordinate, no content": {"member": Member(decoder="coordinate"), "content": 0},
    "Bernoulli": {"member": Member(likelihood=BERNOULLI), "channels": 2},
    "classes": {"member": Member(classes=("a", "b", "c"))},
    "coordinate, classes": {"member": Member(decoder="coordinate", classes=("a", "b"))},
    "eight latents": {"content": 8},
    "order": {"member": Member(order=ORDER)},
    "order, no content": {"member": Member(order=ORDER), "content": 0},
}


@pytest.fixture(scope="module", params=MODELS, ids=list(MODELS))
def model(request):
    return random_model(**MODELS[request.param])


def labels_for(model, count: int) -> np.ndarray:
    """A class for each of `count` windows, as the graph takes it."""
    return np.eye(len(model.classes), dtype=np.float32)[np.arange(count) % len(model.classes)]


def windows_of(model, latents: np.ndarray) -> np.ndarray:
    """What the graph draws."""
    inputs = {"latents": latents} | ({"class": labels_for(model, len(latents))} if model.classes else {})
    return run_graph(decoder_graph(model), inputs)[0]


@torch.no_grad()
def torch_and_reported(model) -> tuple[np.ndarray, np.ndarray]:
    """Windows that torch draws from the raw posteriors of a frame, and the latents that are reported for them."""
    shape = (len(model.channel_scale), 1 if model.dimensions == 1 else 60, 90)
    frame = torch.from_numpy(counts(shape) - 70) * torch.tensor(model.channel_scale)[:, None, None]
    _, sd = model.windows(frame[None], 4)
    posterior = model.encode(frame[None], sd, 4)
    windows = posterior.each(lambda part: part.flatten(0, 2))
    label = labels_for(model, len(windows.mean)).argmax(1) if model.classes else None
    label = None if label is None else torch.from_numpy(label)
    drawing = model.decoder(windows.mean, model.pose(windows), label)
    drawn = model.likelihood.windows(drawing, model.noise_sd)
    return drawn.numpy(), model.latents(posterior)[0].flatten(0, 2).numpy()


def test_the_graph_draws_what_torch_draws(model):
    drawn, latents = torch_and_reported(model)
    windows = windows_of(model, latents)
    assert windows.shape == (len(latents), len(model.channel_scale), *model.window)
    assert windows.std() > 0.3
    off = np.abs(windows - drawn).max(axis=(1, 2, 3))
    at_edge = off > 1e-3  # a shift on the cell's edge is drawn a lattice vector away
    assert at_edge.mean() <= 0.01
    assert np.ptp(latents[:, : model.dimensions], axis=0).min() > 0.1


def test_windows_have_no_mean_and_less_than_unit_variance(model):
    _, latents = torch_and_reported(model)
    windows = windows_of(model, latents)
    assert np.abs(windows.mean(axis=(2, 3))).max() < 1e-5
    variance = np.square(windows).mean(axis=(1, 2, 3))
    assert (variance < 1).all()


def test_a_shift_a_whole_cell_away_draws_the_same(model):
    lattice = model.weights().lattice[:, 2 - model.dimensions :]
    if not len(lattice):
        pytest.skip("a planar shift has no cell")
    _, latents = torch_and_reported(model)
    moved = latents.copy()
    moved[:, : model.dimensions] += lattice[0].astype(np.float32)
    one, other = (windows_of(model, x) for x in (latents, moved))
    same = np.abs(one - other).max(axis=(1, 2, 3)) < 1e-3
    assert same.mean() > 0.98


def test_the_motif_moves_with_the_shift():
    model = random_model(content=0)
    graph = decoder_graph(model)
    here, there = (run_graph(graph, {"latents": np.array([s], np.float32)})[0][0, 0] for s in ((1, 1), (3, 0)))
    one, other = here[:-2, 1:], there[2:, :-1]
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.999


def test_the_graph_passes_the_check_of_the_runtime(model):
    check_graph(decoder_graph(model), "decoder.onnx")
