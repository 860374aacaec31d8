"""Features that turn with the lattice: graphs and formulas agree, at every stride and for any powers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from reference_network import reference_code, softness
from tiny_models import tiny_turn, tiny_weights

from shiftvae_rt.encode.modulo import modulo_lattice
from shiftvae_rt.encode.onnx_graph import run_graph
from shiftvae_rt.kernels.windows import difference_frame, window_statistics
from shiftvae_rt.model.onnx_check import check_graph
from shiftvae_training.graphs.encoder_graph import encoder_graph
from shiftvae_training.graphs.runtime_graphs import readout_of, runtime_graphs
from shiftvae_training.model.encoder_weights import Turn

STRIDES = (1, 2, 4, 8)


def lines_weights():
    """One lattice vector in the plane, so one base; powers up to 16."""
    like = tiny_weights(turning=True)
    weight, bias = like.head[-1]
    turn = tiny_turn(1, most=16)
    return replace(like, lattice=like.lattice[:1], head=(like.head[0], (weight[:7], bias[:7])), turn=turn)


def one_layer_weights():
    """A head of one layer, which without a turn is applied before the division."""
    like = tiny_weights(turning=True)
    return replace(like, head=((like.head[1][0], like.head[1][1]),))


MODELS = {
    "two bases": tiny_weights(turning=True),
    "two channels": tiny_weights(turning=True, channels=2),
    "powers up to 16": replace(tiny_weights(turning=True), turn=tiny_turn(2, most=16)),
    "powers of 1": replace(tiny_weights(turning=True), turn=tiny_turn(2, most=1)),
    "phases stay": replace(tiny_weights(turning=True), turn=Turn(tiny_turn(2).orders, np.zeros((2, 2), np.int64))),
    "one base": lines_weights(),
    "signal": tiny_weights(turning=True, dimensions=1),
    "one layer in the head": one_layer_weights(),
    "no ReLU and no turn": replace(tiny_weights(), stem_relu=False),
}


@pytest.fixture(params=MODELS, ids=list(MODELS))
def weights(request):
    return MODELS[request.param]


def frame_of(weights, dtype="uint16"):
    height = 1 if weights.dimensions == 1 else 45
    return np.random.default_rng(3).poisson(100, (len(weights.channel_scale), height, 67)).astype(dtype)


def deviations_of(weights, frame, stride):
    _, sd = window_statistics(frame, weights.window, stride)
    return np.sqrt((sd.astype(np.float64) ** 2).mean(axis=0)).astype(np.float32)


@pytest.mark.parametrize("stride", STRIDES)
def test_the_code_is_that_of_the_formulas(weights, stride):
    frame = frame_of(weights)
    sd = deviations_of(weights, frame, stride)
    differences = np.ascontiguousarray(difference_frame(frame)[0][:: 3 - weights.dimensions])
    graph = runtime_graphs(weights, [stride])[f"dense_s{stride}.onnx"]
    (code,) = run_graph(graph, {"differences": differences[None], "sd": sd[None, None]})
    wanted = reference_code(weights, frame, sd, stride)
    off = (code[0] - wanted) / softness(weights, frame, sd, stride)
    assert np.abs(off).max() < 2e-6 * np.abs(wanted).max()


@pytest.mark.parametrize("stride", STRIDES)
def test_the_latents_are_those_of_the_formulas(weights, stride):
    frame = frame_of(weights, "float32") - 100
    sd = deviations_of(weights, frame, stride)
    mean, std = run_graph(encoder_graph(weights, stride), {"frame": frame[None]})
    code = reference_code(weights, frame, sd, stride)
    wanted_mean, wanted_std = readout_of(weights).read(code.astype(np.float32))
    off = mean[0] - wanted_mean.astype(np.float64)
    axes = weights.dimensions
    off[:axes] = modulo_lattice(off[:axes], weights.lattice)
    k = len(weights.lattice)
    # a phase is as uncertain as its cosine and sine are small
    soft = softness(weights, frame, sd, stride) / np.minimum(1, np.hypot(code[:k], code[k : 2 * k]).min(axis=0))
    assert np.abs(off / soft).max() < 3e-5
    assert np.abs((std[0] - wanted_std) / np.maximum(wanted_std, 1e-3) / soft).max() < 3e-5


def test_a_frame_that_moves_by_a_pixel_moves_the_latents_alone(weights):
    """The phasors of a window depend on nothing but its own pixels."""
    frame = frame_of(weights, "float32") - 100
    graph = encoder_graph(weights, 1)
    whole, moved = (run_graph(graph, {"frame": np.ascontiguousarray(f)[None]}) for f in (frame, frame[:, :, 1:]))
    for one, other in zip(whole, moved, strict=True):
        off = one[..., 1:] - other
        off[:, : weights.dimensions] = modulo_lattice(off[0, : weights.dimensions], weights.lattice)
        assert np.median(np.abs(off)) < 1e-5


def test_rows_have_the_bits_of_the_whole_frame(weights):
    if weights.dimensions == 1:
        pytest.skip("a signal has one row")
    frame = frame_of(weights, "float32") - 100
    graph = encoder_graph(weights, 4)
    whole = run_graph(graph, {"frame": frame[None]})
    for rows in (1, 2, 5):
        part = run_graph(graph, {"frame": np.ascontiguousarray(frame[None, :, 8 : 8 + 16 + 4 * (rows - 1)])})
        for one, other in zip(part, whole, strict=True):
            np.testing.assert_array_equal(one, other[:, :, 2 : 2 + rows])


@pytest.mark.parametrize("level", [0.0, 1e4])
def test_a_constant_window_turns_nothing(weights, level):
    frame = np.full(frame_of(weights).shape, level, np.float32)
    mean, std = run_graph(encoder_graph(weights, 4), {"frame": frame[None]})
    code = reference_code(weights, np.zeros_like(frame), np.ones(mean.shape[2:]), 4)
    wanted_mean, wanted_std = readout_of(weights).read(code.astype(np.float32))
    np.testing.assert_allclose(mean[0], wanted_mean, atol=1e-5)
    np.testing.assert_allclose(std[0], wanted_std, rtol=1e-5)


def test_every_graph_passes_the_check_of_the_runtime(weights):
    for name, graph in runtime_graphs(weights, STRIDES).items():
        check_graph(graph, name)
    check_graph(encoder_graph(weights, 4), "encoder")


def test_the_phase_follows_a_shift_of_a_lattice_exactly():
    """Bases that are Fourier coefficients, and no other features: the phase is theirs."""
    weights = tiny_weights(turning=True)
    y, x = np.mgrid[:8, :8]
    waves = [np.exp(2j * np.pi * p / 8) for p in (y, x)]
    kernel = np.zeros((32, 1, 8, 8), np.float32)
    for base, wave in enumerate(waves):
        kernel[2 * base, 0], kernel[2 * base + 1, 0] = wave.real, wave.imag
    first, second = weights.head
    head = ((np.zeros_like(first[0]), first[1]), (np.zeros_like(second[0]), np.array([1, 1, 0, 0, *second[1][4:]])))
    stem = (replace(weights.stem[0], weight=kernel), replace(weights.stem[1], weight=np.eye(32)[:, :, None, None]))
    weights = replace(
        weights,
        window=(8, 8),
        stem=(stem[0], replace(stem[1], weight=stem[1].weight.astype(np.float32))),
        head=tuple((w, b.astype(np.float32)) for w, b in head),
        lattice=np.array([[8.0, 0.0], [0.0, 8.0]]),
        turn=Turn(np.eye(16, 2, dtype=np.int64), -np.eye(2, dtype=np.int64)),
    )
    y, x = np.mgrid[:30, :30]
    frame = (np.cos(2 * np.pi * (y - 1.3) / 8) + np.cos(2 * np.pi * (x - 2.6) / 8)).astype(np.float32)
    mean, _ = run_graph(encoder_graph(weights, 1), {"frame": frame[None, None]})
    rows, cols = np.mgrid[: mean.shape[2], : mean.shape[3]]
    for axis, off in enumerate((1.3 - rows, 2.6 - cols)):
        left = mean[0, axis] - off
        np.testing.assert_allclose(left - 8 * np.round(left / 8), 0, atol=1e-4)
