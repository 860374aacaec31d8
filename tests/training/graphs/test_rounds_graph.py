"""The complete encoder graph contains the rounds, and the runtime takes them from the file."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from random_models import counts, random_model

from shiftvae_rt.encode.modulo import Latents, difference
from shiftvae_rt.encode.onnx_graph import run_graph
from shiftvae_rt.model.onnx_check import check_graph
from shiftvae_training.graphs.encoder_graph import encoder_graph
from shiftvae_training.graphs.rounds_graph import rounds_constants
from shiftvae_training.model.rotation import Rotation
from shiftvae_training.model.scale import Scale
from shiftvae_training.model.shift import PlanarShift
from shiftvae_training.model.shift_vae import Member, ShiftVAE

MEMBERS = {
    "rotation": {"member": Member((Rotation(2),))},
    "scale, no content": {"member": Member((Scale(0.1),)), "content": 0},
    "both, two channels": {"member": Member((Rotation(1), Scale(0.1))), "channels": 2},
}


def motif(y, x) -> np.ndarray:
    """Three columns, at ``y, x`` px from the motif."""
    spots = [(0, 0, 1.0), (0, 4, 0.7), (-3, -1.5, 0.6)]
    return np.asarray(sum(h * np.exp(-((y - a) ** 2 + (x - b) ** 2) / 5) for a, b, h in spots))


def motifs(model, height=44, width=52) -> np.ndarray:
    """A frame of motifs 18 px apart, with noise, float32."""
    y, x = np.ogrid[:height, :width]
    image = sum(motif(y - a, x - b) for a in range(9, height, 18) for b in range(8, width, 18))
    noise = counts((len(model.channel_scale), height, width)) - 70
    return (0.1 * noise + 60 * image).astype(np.float32)


@pytest.fixture(params=MEMBERS.values(), ids=list(MEMBERS))
def model(request) -> ShiftVAE:
    """A model whose decoder draws an asymmetric motif, so that the rounds are well posed."""
    found = random_model(shift=PlanarShift(2, 3.0), **request.param)
    y, x = (place.numpy() for place in found.decoder.places())
    image = motif(y[:, None], x)
    with torch.no_grad():
        found.decoder.mean[:] = torch.from_numpy(np.tile(3 * image.ravel(), len(found.channel_scale))).float()
    found.set_rounds()
    assert found.rounds is not None
    return found


def run(model, frame, stride=4) -> list[np.ndarray]:
    graph = encoder_graph(model.weights(), stride, model.rounds)
    check_graph(graph, "encoder")
    return [part[0] for part in run_graph(graph, {"frame": frame[None]})]


def away(model, one, other) -> np.ndarray:
    latents = Latents(np.zeros((0, 2)), [latent.period for latent in model.reported])
    return np.abs(difference((one, one), (other, other), latents)[0])


def test_the_graph_is_the_torch_model(model):
    frame = motifs(model)
    mean, std = run(model, frame)
    torch_mean, torch_std = model.map_frame(frame, 4)
    assert (away(model, mean, torch_mean) / torch_std).max() < 2e-3
    np.testing.assert_allclose(std, torch_std, rtol=2e-3)
    rough, _ = model.latents(model.encode(*frame_and_sd(model, frame), 4))
    moved = away(model, mean, rough[0].permute(2, 0, 1).detach().numpy())
    assert (moved[:2].max(0) > 0.05).sum() >= 4  # the rounds do something


def frame_and_sd(model, frame) -> tuple[torch.Tensor, torch.Tensor]:
    scaled = torch.from_numpy(frame)[None] * torch.tensor(model.channel_scale)[:, None, None]
    return scaled, model.windows(scaled, 4)[1]


def test_windows_have_the_same_latents_alone_and_at_any_stride(model):
    frame = motifs(model, 40, 40)
    whole, _ = run(model, frame, 4)
    fine, _ = run(model, frame, 2)
    assert away(model, fine[:, ::2, ::2], whole).max() < 1e-2
    alone, _ = run(model, np.ascontiguousarray(frame[:, 8:24, 4:20]), 4)
    assert away(model, alone[:, 0, 0], whole[:, 2, 1]).max() < 1e-3


def test_the_constants_are_a_graph_without_inputs(model):
    graph = rounds_constants(model.rounds)
    check_graph(graph, "rounds")
    points, motif, inverse, deviation = run_graph(graph, {})
    np.testing.assert_array_equal(points, model.rounds.points.numpy())
    np.testing.assert_array_equal(motif[0], model.rounds.mean.numpy())
    assert len(motif) == 1 + model.content
    np.testing.assert_array_equal(inverse, model.rounds.inverse.numpy())
    np.testing.assert_array_equal(deviation, model.rounds.deviation.numpy())
