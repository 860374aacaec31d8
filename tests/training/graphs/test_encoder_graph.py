"""The exported encoder is the trained one, at every window and stride."""

from __future__ import annotations

import numpy as np
import pytest
from random_models import LINES, OBLIQUE, ORDER, SIGNAL, counts, random_model, torus

from shiftvae_rt.encode.modulo import Latents, difference
from shiftvae_rt.encode.onnx_graph import run_graph
from shiftvae_rt.model.onnx_check import check_graph
from shiftvae_training.graphs.atan2_graph import atan2
from shiftvae_training.graphs.encoder_graph import encoder_graph
from shiftvae_training.graphs.graph_builder import GraphBuilder
from shiftvae_training.model.rotation import Rotation
from shiftvae_training.model.scale import Scale
from shiftvae_training.model.shift import PlanarShift
from shiftvae_training.model.shift_vae import Member

MODELS = {
    "convolutional 16": {},
    "convolutional 12": {"window": (12, 12)},
    "convolutional 20 oblique": {"window": (20, 20), "shift": torus(OBLIQUE)},
    "convolutional 28": {"window": (28, 28)},
    "convolutional 16 lines": {"shift": torus(LINES)},
    "convolutional 16 planar": {"shift": PlanarShift(2, 3.0)},
    "convolutional 16 three channels": {"channels": 3},
    "convolutional 16 no content": {"content": 0},
    "convolutional 16 order": {"member": Member(order=ORDER)},
    "mlp 15": {"family": "mlp", "window": (15, 15)},
    "mlp 24 two channels": {"family": "mlp", "window": (24, 24), "channels": 2},
    "mlp 9 x 17": {"family": "mlp", "window": (17, 17), "content": 5},
    "1D convolutional 24": {"window": (1, 24)},
    "1D mlp 19": {"family": "mlp", "window": (1, 19), "shift": torus(SIGNAL)},
    "1D planar": {"window": (1, 16), "shift": PlanarShift(1, 2.5)},
    "1D two channels": {"window": (1, 16), "channels": 2},
    "rotation": {"shift": PlanarShift(2, 3.0), "member": Member((Rotation(2),))},
    "rotation and scale": {"shift": PlanarShift(2, 3.0), "member": Member((Rotation(1), Scale(0.1)))},
    "1D scale, mlp": {
        "family": "mlp",
        "window": (1, 16),
        "shift": PlanarShift(1, 2.5),
        "member": Member((Scale(0.1),)),
    },
}


@pytest.fixture(scope="module", params=MODELS, ids=list(MODELS))
def model(request):
    return random_model(**MODELS[request.param])


def frame_for(model, side=61):
    return counts((len(model.channel_scale), 1 if model.dimensions == 1 else side, side + 16))


def run(model, frame, stride) -> tuple[np.ndarray, np.ndarray]:
    mean, std = run_graph(encoder_graph(model.weights(), stride), {"frame": frame[None]})
    return mean[0], std[0]


def away(model, one, other) -> np.ndarray:
    """Differences, of shifts modulo the lattice, of angles modulo a turn."""
    lattice = model.weights().lattice[:, 2 - model.dimensions :]
    latents = Latents(lattice, [latent.period for latent in model.reported])
    return difference((one, one), (other, other), latents)[0]


def assert_equal(model, one, other, tolerance=2e-5) -> None:
    """Shifts modulo the lattice, all in units of each latent's spread."""
    off = away(model, one[0], other[0])
    spread = np.maximum(other[0].std(axis=(1, 2)), 1e-2)[:, None, None]
    assert np.abs(off / spread).max() < tolerance
    np.testing.assert_allclose(one[1], other[1], rtol=tolerance)


def test_the_graph_is_the_torch_model(model):
    frame = frame_for(model)
    centred = frame - frame.mean(axis=(1, 2), keepdims=True).round()
    mean, std = run(model, centred, 4)
    assert mean.shape[0] == len(model.names)
    assert (mean.std(axis=(1, 2)) > 1e-3).all()
    assert_equal(model, (mean, std), model.map_frame(centred, 4), 1e-4)


@pytest.mark.parametrize("stride", [2, 3, 4, 8, 16])
def test_every_stride_takes_its_windows_of_stride_one(model, stride):
    frame = frame_for(model)
    frame -= frame.mean(axis=(1, 2), keepdims=True).round()
    step = (1 if model.dimensions == 1 else stride, stride)
    finest = [a[:, :: step[0], :: step[1]] for a in run(model, frame, 1)]
    coarse = run(model, frame, stride)
    assert coarse[0].shape == finest[0].shape
    assert_equal(model, coarse, finest)


def test_a_window_alone_is_the_window_in_its_frame(model):
    frame = frame_for(model)
    frame -= frame.mean(axis=(1, 2), keepdims=True).round()
    whole = run(model, frame, 4)
    h, w = model.window
    for row, col in ((0, 0), (0, whole[0].shape[2] - 1), (whole[0].shape[1] - 1, 3)):
        cut = np.ascontiguousarray(frame[:, 4 * row : 4 * row + h, 4 * col : 4 * col + w])
        there = [a[:, row : row + 1, col : col + 1] for a in whole]
        one = run(model, cut, 4)
        assert one[0].shape[1:] == (1, 1)
        assert (np.abs(away(model, one[0], there[0])) / np.maximum(there[1], 1)).max() < 1e-4
        np.testing.assert_allclose(one[1], there[1], rtol=1e-4)


def test_several_frames_at_once_are_encoded_each_for_itself(model):
    frames = np.stack([frame_for(model, 40), frame_for(model, 40)[:, ::-1, ::-1]])
    graph = encoder_graph(model.weights(), 4)
    together = run_graph(graph, {"frame": frames})
    for index, frame in enumerate(frames):
        alone = run_graph(graph, {"frame": np.ascontiguousarray(frame[None])})
        for one, other in zip(together, alone, strict=True):
            np.testing.assert_allclose(one[index], other[0], atol=2e-5)


def test_brightness_and_contrast_of_a_frame_change_nothing(model):
    frame = frame_for(model)
    frame -= frame.mean(axis=(1, 2), keepdims=True).round()
    assert_equal(model, run(model, 16 * frame + 64, 4), run(model, frame, 4), 1e-3)


@pytest.mark.parametrize("level", [0.0, 3.0, 100.0, 1e4], ids="level {:g}".format)
def test_a_constant_window_has_one_code_at_any_level(model, level):
    """Rounding of a bright, constant patch is no structure; torch and the graph agree on what is constant."""
    h, w = model.window
    frame = frame_for(model)
    frame[:, : 2 * h, : 2 * w] = level * frame.std() + frame.mean()
    nothing = run(model, np.zeros_like(frame), 4)
    flat = (slice(None), slice(0, 1), slice(0, w // 4))
    found, torch_found = run(model, frame, 4), model.map_frame(frame, 4)
    for wanted, graph, of_torch in zip(nothing, found, torch_found, strict=True):
        np.testing.assert_allclose(graph[flat], np.broadcast_to(wanted[:, :1, :1], graph[flat].shape), atol=1e-5)
        np.testing.assert_allclose(of_torch[flat], graph[flat], atol=1e-4)


def test_constant_windows_give_finite_numbers(model):
    frame = np.zeros_like(frame_for(model))
    mean, std = run(model, frame, 4)
    assert np.isfinite(mean).all()
    assert (std > 0).all()


def test_every_graph_passes_the_check_of_the_runtime(model):
    for stride in (1, 2, 3, 4, 8):
        check_graph(encoder_graph(model.weights(), stride), "encoder")


def test_rows_give_the_bits_of_the_whole_frame(model):
    if model.dimensions == 1:
        pytest.skip("a signal has one row")
    frame = frame_for(model)
    graph = encoder_graph(model.weights(), 4)
    whole = run_graph(graph, {"frame": frame[None]})
    height = model.window[0]
    for rows in (1, 2, 5):
        part = run_graph(graph, {"frame": np.ascontiguousarray(frame[None, :, 8 : 8 + height + 4 * (rows - 1)])})
        for one, other in zip(part, whole, strict=True):
            np.testing.assert_array_equal(one, other[:, :, 2 : 2 + rows])


def angle_of(y, x) -> np.ndarray:
    build = GraphBuilder()
    build.node("Identity", atan2(build, "y", "x"), output="angle")
    graph = build.serialise("angle", {"y": ["N"], "x": ["N"]}, {"angle": ["N"]})
    return run_graph(graph, {"y": np.asarray(y, np.float32), "x": np.asarray(x, np.float32)})[0]


def test_atan2_is_exact_all_around():
    angle = np.linspace(-np.pi, np.pi, 20001)[1:-1]
    for radius in (1e-6, 1.0, 1e6):
        y, x = (radius * f(angle) for f in (np.sin, np.cos))
        wanted = np.arctan2(y.astype(np.float32), x.astype(np.float32))
        assert np.abs(angle_of(y, x) - wanted).max() < 5e-7


def test_atan2_on_the_axes():
    y, x = [0, 0, 1, -1, 0, 1, -1], [1, -1, 0, 0, 0, 1, -1]
    wanted = [0, np.pi, np.pi / 2, -np.pi / 2, 0, np.pi / 4, -3 * np.pi / 4]
    np.testing.assert_allclose(angle_of(y, x), wanted, atol=5e-7)
