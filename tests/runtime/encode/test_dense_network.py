"""A dense network in C++: the answers of the graph of the same model; refused if its layers do not fit."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from reference_network import reference_code, softness
from tiny_models import STRIDES, tiny_manifest, tiny_members, tiny_turn, tiny_weights

from shiftvae_rt import FrameError, ModelFile, ModelFileError, _core
from shiftvae_rt.encode.dense_network import DenseNetwork, read_readout
from shiftvae_rt.encode.modulo import Latents, difference
from shiftvae_rt.encode.onnx_graph import OnnxGraph
from shiftvae_rt.encode.routes import DenseRoute, GraphRoute
from shiftvae_rt.kernels.windows import window_statistics
from shiftvae_rt.model.model_file import write_model_file
from shiftvae_training.graphs.encoder_graph import head_layers
from shiftvae_training.graphs.graph_builder import GraphBuilder
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


def layers_graph(numbers, metadata, **declared):
    """Numbers as the outputs of a graph, which declares the shapes that they have."""
    build, outputs = GraphBuilder(), {}
    for index, value in enumerate(numbers):
        build.node("Identity", build.constant(value), output=f"number{index}")
        outputs[f"number{index}"] = list(value.shape)
    return build.serialise("layers", declared, outputs, metadata)


WEIGHTS = tiny_weights()
MEMBERS = tiny_members(WEIGHTS)
NUMBERS = OnnxGraph(MEMBERS["layers.onnx"]).run()
METADATA = {"dilations": "1,2,4", "relu": "true", "turn": "null", "readout": readout_of(WEIGHTS).to_json()}


def changed(index, change):
    return [change(value) if i == index else value for i, value in enumerate(NUMBERS)]


@pytest.fixture
def model_of(tmp_path):
    """Gives the tiny model with another layers.onnx."""

    def write(layers):
        path = tmp_path / "model.svae"
        write_model_file(path, tiny_manifest(WEIGHTS), MEMBERS | {"layers.onnx": layers})
        return ModelFile.read(path)

    return write


def test_numbers_as_they_were_are_taken(model_of):
    assert len(NUMBERS) == len(WEIGHTS.stem) + 2 * len(head_layers(WEIGHTS))
    frame, model = frame_of(tiny_manifest(WEIGHTS)), model_of(layers_graph(NUMBERS, METADATA))
    assert encoded(model, 1, frame)[0].shape == (4, 30, 52)


def turn_text(**changes):
    turn = tiny_turn(2)
    return json.dumps({"orders": turn.orders.tolist(), "phases": turn.phases.tolist()} | changes)


TURNS = [
    ("{}", "missing required field"),
    ("true", "Expected `object | null`"),
    ("{", "truncated"),
    (turn_text(more=1), "unknown field"),
    (turn_text(orders=[[1, 0], [0, 1.5]]), "Expected `int`"),
    ("[]", "Expected"),
    (turn_text(orders=[[1, 0], [0, 1]]), "orders of each pair of features"),
    (turn_text(orders=[[1, 0]] * 16), "turn by themselves alone"),
    (turn_text(orders=[[1, 0], [0]] + [[0, 0]] * 14), "a power of each base"),
    (turn_text(orders=[[1, 0], [0, 1]] + [[0, 17]] * 14), "Expected `int` <= 16"),
    (turn_text(orders=[[1, 0], [0, 1]] + [[0, 2**40]] * 14), "Expected `int` <= 16"),
    (turn_text(phases=[[0, 0], [0, -17]]), "Expected `int` >= -16"),
    (turn_text(phases=[[0, 0]]), "a power of each base"),
    (turn_text(phases=[]), "expected phases of the turn"),
    (turn_text(orders=[[1]] + [[0]] * 15, phases=[[1, 1]]), "a power of each base"),
    (turn_text(orders=[[0, 0, 0]] * 16, phases=[[0, 0, 0]] * 3), "for 1 or 2 vectors"),
]


@pytest.mark.parametrize(
    ("numbers", "metadata", "message"),
    [
        (changed(1, lambda v: v[:, :-1]), METADATA, "a layer does not take what the one before gives"),
        (changed(2, lambda v: v[:-1]), METADATA, "a layer does not take what the one before gives"),
        (changed(3, lambda v: v[:, :-1]), METADATA, "a layer does not take what the one before gives"),
        (changed(5, lambda v: v[:, 1:]), METADATA, "a layer does not take what the one before gives"),
        (changed(0, lambda v: v[:, :1]), METADATA, "the first layer does not take differences"),
        (changed(0, lambda v: v[0]), METADATA, "expected weights of 4 axes"),
        (changed(3, lambda v: v[0]), METADATA, "expected weights of 2 axes"),
        (changed(4, lambda v: v[:-1]), METADATA, "expected bias as a contiguous array of shape"),
        (changed(1, lambda v: v[:, :, :0]), METADATA, "expected weights of 4 axes"),
        (NUMBERS[:-1], METADATA, "argument 2 is shorter"),
        (NUMBERS[:2], METADATA, "argument 2 is longer"),
        (NUMBERS[:3], METADATA, "at least one layer in the stem and one in the head"),
        (NUMBERS, METADATA | {"dilations": "1,2"}, "argument 2 is shorter"),
        (NUMBERS[:-1], METADATA | {"dilations": "1,2"}, "expected weights of 2 axes"),
        (NUMBERS, METADATA | {"dilations": "2,2,4"}, "the first layer does not take differences"),
        (NUMBERS, METADATA | {"dilations": "1,0,4"}, "expected a dilation of 1 to 4096 px"),
        (NUMBERS, METADATA | {"dilations": "1,2,many"}, "invalid literal"),
        (NUMBERS, METADATA | {"dilations": ""}, "invalid literal"),
        *((NUMBERS, {k: v for k, v in METADATA.items() if k != name}, name) for name in ("dilations", "relu", "turn")),
        (NUMBERS, METADATA | {"relu": "1"}, "Expected `bool`"),
        (NUMBERS, METADATA | {"relu": ""}, "truncated"),
        *((NUMBERS, METADATA | {"turn": turn}, message) for turn, message in TURNS),
    ],
)
def test_layers_that_do_not_fit_are_refused(model_of, numbers, metadata, message):
    model = model_of(layers_graph(numbers, metadata))
    with pytest.raises(
        ModelFileError, match=rf"model\.svae: layers\.onnx is wrong .*{message}.*export the model again"
    ):
        DenseNetwork(model, 1)


def test_another_window_than_the_manifest_says_is_refused(model_of):
    model = model_of(layers_graph(NUMBERS, METADATA | {"dilations": "1,2,3"}))
    with pytest.raises(
        ModelFileError, match=r"layers\.onnx sees windows of \(14, 14\) px, the manifest says \(16, 16\)"
    ):
        DenseNetwork(model, 1)


def test_other_channels_than_the_manifest_says_are_refused(model_of):
    model = model_of(layers_graph(changed(0, lambda v: np.concatenate([v, v], axis=1)), METADATA))
    with pytest.raises(ModelFileError, match=r"layers\.onnx is wrong .*each of 2 channel\(s\).* got 1 "):
        DenseNetwork(model, 1)


def test_another_number_of_planes_than_the_readout_means_is_refused(model_of):
    numbers = [*NUMBERS[:-2], NUMBERS[-2][:-1], NUMBERS[-1][:-1]]
    with pytest.raises(ModelFileError, match=r"gives 11 planes, its readout expects 12.*export the model again"):
        DenseNetwork(model_of(layers_graph(numbers, METADATA)), 1)


def test_layers_without_a_readout_are_refused(model_of):
    model = model_of(layers_graph(NUMBERS, {"dilations": "1,2,4"}))
    for read in (read_readout, lambda model: DenseNetwork(model, 1)):
        with pytest.raises(ModelFileError, match=r"layers\.onnx .*readout"):
            read(model)


def test_a_readout_that_means_nothing_is_refused(model_of):
    model = model_of(layers_graph(NUMBERS, METADATA | {"readout": "{}"}))
    with pytest.raises(ModelFileError, match=r"layers\.onnx: its readout is wrong"):
        DenseNetwork(model, 1)


def test_layers_that_want_inputs_are_refused(model_of):
    with pytest.raises(ModelFileError, match=r"layers\.onnx is wrong"):
        DenseNetwork(model_of(layers_graph(NUMBERS, METADATA, differences=[1, 2])), 1)


def test_layers_that_are_not_float32_are_refused(model_of):
    graph = onnx.load_from_string(layers_graph(NUMBERS, METADATA))
    graph.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(NUMBERS[0].astype(np.float64), "c0"))
    graph.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    with pytest.raises(ModelFileError, match=r"layers\.onnx is wrong"):
        DenseNetwork(model_of(graph.SerializeToString()), 1)


@pytest.mark.parametrize("dilations", ["1,2,-4", "1,2,100000000000000000000"])
def test_dilations_that_are_no_sizes_are_refused(model_of, dilations):
    model = model_of(layers_graph(NUMBERS, METADATA | {"dilations": dilations}))
    with pytest.raises(ModelFileError, match=r"layers\.onnx is wrong"):
        DenseNetwork(model, 1)


FIRST, SECOND = np.ones((5, 2, 4, 3), np.float32), np.ones((16, 5, 3, 3), np.float32)  # windows of 8 px
HEAD, BIAS = np.ones((5, 16), np.float32), np.ones(5, np.float32)
#: A shift along one axis and its log deviation, a content and its own, and an offset of the shift.
PLANES = _core.Readout(
    axes=1, vectors=[], planar_px=1, planar_reach_px=0, angle_period=0, scale_prior=0, content=1, further=[]
)


def kernel_of(
    first=FIRST, second=SECOND, head=HEAD, bias=BIAS, *, dilation=2, stride=1, scale=(1.0,), floor=1.0, turn=None
):
    stem = [(first, 1), (second, dilation)]
    return _core.DenseModel(stem, turn is None, turn, [(head, bias)], stride, PLANES, scale, floor)


def test_a_kernel_says_what_it_takes():
    kernel = kernel_of(np.ones((5, 6, 4, 2), np.float32), scale=(1.0, 2.0, 3.0))
    assert (kernel.channels, kernel.window) == (3, (8, 7))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"first": FIRST[0]}, r"expected weights of 4 axes, got \(2, 4, 3\) float32"),
        ({"first": FIRST[:, :1]}, "not contiguous"),
        ({"first": np.ones((5, 3, 4, 3), np.float32)}, "the first layer does not take differences"),
        ({"second": SECOND[..., ::-1]}, "not contiguous"),
        ({"second": SECOND[:0]}, "expected weights of 4 axes"),
        ({"second": np.ones((16, 4, 3, 3), np.float32)}, "does not take what the one before gives"),
        ({"second": np.ones((16, 5, 1, 5000), np.float32)}, "is too large"),
        ({"head": HEAD[0]}, "expected weights of 2 axes"),
        ({"head": np.ones((5, 15), np.float32)}, "does not take what the one before gives"),
        ({"head": HEAD[:4].copy(), "bias": BIAS[:4].copy()}, "gives 4 planes, its readout expects 5"),
        ({"bias": BIAS[:3]}, r"expected bias as a contiguous array of shape \(5\), got \(3\) float32"),
        ({"bias": HEAD}, "expected bias"),
        ({"dilation": 0}, "expected a dilation of 1 to 4096 px"),
        ({"dilation": 5000}, "expected a dilation of 1 to 4096 px"),
        ({"stride": 0}, "expected a stride of 1 to 4096 px"),
        ({"stride": 5000}, "expected a stride of 1 to 4096 px"),
        ({"scale": (1.0, 1.0)}, r"a scale for each of 1 channel\(s\).*got 2"),
        ({"floor": 0.0}, "an sd_floor above 0"),
        ({"floor": np.nan}, "an sd_floor above 0"),
    ],
)
def test_a_kernel_refuses_numbers_that_do_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        kernel_of(**arguments)


@pytest.mark.parametrize("name", ["first", "head", "bias"])
def test_a_kernel_refuses_numbers_that_are_not_float32(name):
    given = {"first": FIRST, "head": HEAD, "bias": BIAS}[name]
    with pytest.raises(TypeError):
        kernel_of(**{name: given.astype(np.float64)})


def stream_of(width=20, step=1, centre=1):
    return _core.DenseRows(kernel_of(), width, step, np.zeros(centre))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        *(({"width": width}, f"expected lines of 8 to {2**24} px .*, got {width}") for width in (0, 7, 2**24 + 1)),
        ({"step": 0}, "a step of 1 or more, got 20 and 0"),
        ({"centre": 2}, r"expected centre as a contiguous array of shape \(1\)"),
    ],
)
def test_a_stream_refuses_what_it_cannot_begin_with(arguments, message):
    with pytest.raises(ValueError, match=message):
        stream_of(**arguments)


LINES, ROWS = np.ones((1, 9, 20), np.uint16), np.ones((2, 2, 13), np.float32)


@pytest.mark.parametrize(
    ("lines", "top", "mean", "sd", "message"),
    [
        (LINES[0], 0, ROWS, ROWS, "expected a frame of shape"),
        (LINES[:, :0], 0, ROWS, ROWS, "expected a frame of shape"),
        (LINES[:, :, :-1], 0, ROWS, ROWS, "of the channels, width and dtype of those before"),
        (np.ones((2, 9, 20), np.uint16), 0, ROWS, ROWS, "of the channels, width and dtype of those before"),
        (LINES.astype(np.int64), 0, ROWS, ROWS, "expected pixels of dtype"),
        (LINES.astype(">u2"), 0, ROWS, ROWS, "expected pixels of dtype"),
        (LINES[:, :, ::-1], 0, ROWS, ROWS, "adjacent in memory"),
        (LINES[:, :8], 0, ROWS, ROWS, "expected lines from line 0 or before it to 9, got 8 from line 0"),
        (LINES, 1, ROWS, ROWS, "expected lines from line 0 or before it to 9, got 9 from line 1"),
        (LINES, 0, ROWS[0], ROWS, r"expected mean as a contiguous array of shape \(2, 1, 13\)"),
        (LINES, 0, ROWS[:, :0], ROWS, r"expected mean as a contiguous array of shape \(2, 1, 13\)"),
        (LINES, 0, ROWS[:1], ROWS, r"expected mean as a contiguous array of shape \(2, 2, 13\)"),
        (LINES, 0, ROWS, ROWS[:, :1], r"expected sd as a contiguous array of shape \(2, 2, 13\)"),
        (LINES, 0, ROWS, ROWS.T, r"expected sd as a contiguous array of shape \(2, 2, 13\)"),
    ],
)
def test_a_stream_refuses_arrays_that_do_not_fit_and_goes_on(lines, top, mean, sd, message):
    stream = stream_of()
    with pytest.raises(ValueError, match=message):
        stream.push(lines, top, mean, sd)
    assert stream.push(LINES, 0, ROWS.copy(), ROWS.copy())


def test_a_stream_does_not_write_what_is_read_only():
    mean = ROWS.copy()
    mean.flags.writeable = False
    with pytest.raises(ValueError, match="not writeable"):
        stream_of().push(LINES, 0, mean, ROWS.copy())


def test_lines_of_another_dtype_cannot_follow():
    stream, one = stream_of(), np.ones((2, 1, 13), np.float32)
    assert stream.push(LINES[:, :8], 0, one, one.copy())
    with pytest.raises(ValueError, match=r"dtype of those before, got \(1, 9, 20\) int16"):
        stream.push(LINES.astype(np.int16), 0, one, one.copy())
    assert stream.first_line == 1
    assert stream.push(LINES[:, 1:], 1, one, one.copy())


def test_a_stream_keeps_its_network():
    stream, mean, sd = stream_of(), ROWS.copy(), ROWS.copy()
    assert stream.push(LINES, 0, mean, sd)
    np.testing.assert_array_equal(mean[0], 2)  # the biases of shift and offset: the lines have no differences
    np.testing.assert_array_equal(mean[1], 1)


def test_a_stream_is_of_no_use_after_differences_beyond_float32():
    stream, lines = stream_of(), np.zeros((1, 9, 20))
    lines[0, 3, 4] = 1e300
    assert not stream.push(lines, 0, ROWS.copy(), ROWS.copy())
    with pytest.raises(RuntimeError, match="terminated"):
        stream.push(lines, 0, ROWS.copy(), ROWS.copy())


def test_a_push_after_stop_fails():
    stream = stream_of()
    stream.stop()
    with pytest.raises(RuntimeError, match="terminated"):
        stream.push(LINES, 0, ROWS.copy(), ROWS.copy())


EYE = [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("turn", "message"),
    [
        (([[1, 0]] * 8, EYE), "turn by themselves alone"),
        ((EYE + [[0, 17]] * 6, EYE), "orders and phases of a turn are -16 to 16"),
        ((EYE + [[0, 0]] * 6, [[1, 0], [-17, 1]]), "orders and phases of a turn are -16 to 16"),
        ((EYE + [[0, 0]] * 7, EYE), "orders of each pair of features"),
        (([[1]] + [[0]] * 7, EYE), "a power of each base"),
        ((EYE, []), "expected phases"),
    ],
)
def test_a_kernel_refuses_a_turn_that_does_not_fit(turn, message):
    assert kernel_of(turn=(EYE + [[0, 0]] * 6, EYE)).channels == 1
    with pytest.raises(ValueError, match=message):
        kernel_of(turn=turn)
