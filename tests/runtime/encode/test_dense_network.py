"""A dense network in C++ gives the answers of the graph of the same model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from reference_network import reference_code, softness
from tiny_models import STRIDES, tiny_manifest, tiny_members, tiny_weights

from shiftvae_rt import FrameError, ModelFile, _core
from shiftvae_rt.encode.dense_network import read_readout
from shiftvae_rt.encode.modulo import Latents, difference
from shiftvae_rt.encode.routes import DenseRoute, GraphRoute
from shiftvae_rt.kernels.windows import window_statistics
from shiftvae_rt.model.model_file import write_model_file
from shiftvae_training.graphs.runtime_graphs import readout_of
from shiftvae_training.model.encoder_weights import StemLayer


def odd_weights():
    """Units that are no multiple of 16, a kernel of two taps and one of one, and one layer in the head: 12 px."""
    rng, stem, before = np.random.default_rng(0), [], 2
    for units, size, dilation in ((21, 8, 1), (33, 2, 4), (5, 1, 8)):
        kernel = rng.normal(size=(units, before, size, size)) / size
        kernel -= 0 if stem else kernel.mean((2, 3), keepdims=True)
        stem.append(StemLayer(kernel.astype(np.float32), dilation))
        before = units
    like = tiny_weights(channels=2)
    head = ((rng.normal(size=(10, 5)) / 2).astype(np.float32), like.head[-1][1])
    return replace(like, window=(12, 12), stem=tuple(stem), head=(head,), channel_scale=(0.5, 0.75))


#: So that every plane of the code varies.
SLOPE = np.array([[0.3, -0.2], [0.1, 0.4]])
#: Their bases are complex numbers that may come near 0, where a rounding turns them far.
TURNING = {
    "turning": tiny_weights(turning=True),
    "turning, three channels": tiny_weights(turning=True, channels=3),
    "turning signal": tiny_weights(turning=True, dimensions=1),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dense")
    networks = {
        "one channel": tiny_weights(),
        "three channels": tiny_weights(channels=3),
        "odd": odd_weights(),
        "signal": tiny_weights(dimensions=1),
        "signal, two channels": tiny_weights(dimensions=1, channels=2),
        **TURNING,
    }
    found = {}
    for name, weights in networks.items():
        path, sloping = folder / f"{name}.svae", replace(weights, anchor_slope=SLOPE)
        write_model_file(path, tiny_manifest(sloping), tiny_members(sloping))
        found[name] = ModelFile.read(path)
    return found


@pytest.fixture(params=_core.isas())
def isa(request):
    before = _core.isa()
    _core.use_isa(request.param)
    yield request.param
    _core.use_isa(before)


def frame_of(manifest, dtype="uint16"):
    height = 1 if manifest.dimensions == 1 else 45
    return np.random.default_rng(3).poisson(100, (manifest.channels, height, 67)).astype(dtype)


NAMES = ["one channel", "three channels", "odd", "signal", "signal, two channels"]


def encoded(model, stride, frame):
    """Mean and std of every window, from lines that come at once."""
    return DenseRoute(model, stride).encode(frame, np.zeros(len(frame)))


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("name", NAMES)
def test_the_latents_are_those_of_the_graph(models, name, stride):
    model = models[name]
    frame = frame_of(model.manifest)
    wanted = GraphRoute(model, stride, provider="onnxruntime").encode(frame, np.zeros(len(frame)))
    off, off_std = difference(encoded(model, stride, frame), wanted, Latents.of(model.manifest))
    axes = model.manifest.dimensions
    # here and there the phase of a random network is close to undefined
    assert np.quantile(np.abs(off[:axes]), 0.99) < 1e-4
    assert (np.abs(off[axes:]) / wanted[0][axes:].std((1, 2), keepdims=True)).max() < 2e-5
    assert (np.abs(off_std) / wanted[1]).max() < 1e-4


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("name", TURNING)
def test_the_latents_of_features_that_turn_are_those_of_the_formulas(models, name, stride):
    weights, frame = replace(TURNING[name], anchor_slope=SLOPE), frame_of(models[name].manifest)
    _, sd = window_statistics(frame, weights.window, stride)
    sd = np.sqrt((sd.astype(np.float64) ** 2).mean(axis=0))
    code = reference_code(weights, frame, sd, stride)
    wanted = readout_of(weights).read(code.astype(np.float32))
    off, off_std = difference(encoded(models[name], stride, frame), wanted, Latents.of(models[name].manifest))
    k, axes = len(weights.lattice), weights.dimensions
    soft = softness(weights, frame, sd, stride)
    assert np.abs(off[axes:] / soft).max() < 1e-5
    assert np.abs(off_std / wanted[1] / soft).max() < 2e-5
    # a phase is as uncertain as its cosine and sine are small
    assert np.abs(off[:axes] / soft * np.minimum(1, np.hypot(code[:k], code[k : 2 * k]).min(axis=0))).max() < 3e-5


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("name", ["one channel", "three channels", "turning"])
def test_lines_in_parts_give_the_bits_of_all_at_once(models, name, stride):
    frame = frame_of(models[name].manifest, "float32")
    stream, parts, row = DenseRoute(models[name], stride).rows(67, np.zeros(len(frame))), [], 0
    for end in (16, 17, 30, 45):
        until = (end - 16) // stride + 1
        if until > row:
            parts.append(stream.push(frame[:, : (until - 1) * stride + 16], 0, until - row))
        row = until
    for part, whole in zip(zip(*parts, strict=True), encoded(models[name], stride, frame), strict=True):
        np.testing.assert_array_equal(np.concatenate(part, axis=1), whole)


def test_the_readout_is_that_of_the_file(models):
    assert readout_of(odd_weights()) == read_readout(models["odd"])


def test_differences_beyond_float32_are_refused(models):
    frame = np.zeros((1, 20, 40))
    frame[0, 3, 4] = 1e300
    with pytest.raises(FrameError, match="more than float32 can hold"):
        encoded(models["one channel"], 1, frame)
