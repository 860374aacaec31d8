"""A dense network in C++: the answers of the graph of the same model; refused if its layers do not fit."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import onnx
import pytest
from tiny_models import STRIDES, tiny_manifest, tiny_members, tiny_weights

from shiftvae_rt import FrameError, ModelFile, ModelFileError, _core
from shiftvae_rt.encode.dense_network import DenseNetwork, read_readout
from shiftvae_rt.encode.onnx_graph import OnnxGraph
from shiftvae_rt.kernels.windows import difference_frame
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


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dense")
    networks = {
        "one channel": tiny_weights(),
        "three channels": tiny_weights(channels=3),
        "odd": odd_weights(),
        "signal": tiny_weights(dimensions=1),
        "signal, two channels": tiny_weights(dimensions=1, channels=2),
    }
    slope, found = np.array([[0.3, -0.2], [0.1, 0.4]]), {}  # so that every plane of the code varies
    for name, weights in networks.items():
        path, sloping = folder / f"{name}.svae", replace(weights, anchor_slope=slope)
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


def deviations_of(frame, window, stride):
    shape = [(size - side) // stride + 1 for size, side in zip(frame.shape[1:], window, strict=True)]
    return np.random.default_rng(4).uniform(5, 20, shape).astype(np.float32)


NAMES = ["one channel", "three channels", "odd", "signal", "signal, two channels"]


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("name", NAMES)
def test_the_code_is_that_of_the_graph(models, name, stride):
    model = models[name]
    frame = frame_of(model.manifest)
    sd = deviations_of(frame, model.manifest.window, stride)
    found = DenseNetwork(model, stride).begin(frame.shape[2]).push(frame, sd)
    differences, _ = difference_frame(frame)
    if model.manifest.dimensions == 1:
        differences = np.ascontiguousarray(differences[::2])
    graph = OnnxGraph(model.graph(f"dense_s{stride}.onnx"))
    (expected,) = graph.run(differences=differences[None], sd=sd[None, None])
    assert found.shape == expected.shape[1:]
    spread = expected[0].std((1, 2), keepdims=True, dtype=np.float64)
    # both are that far from float64: spreads are small beside the values
    assert np.abs((found - expected[0].astype(np.float64)) / spread).max() < 2e-5


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("name", ["one channel", "three channels"])
def test_lines_in_parts_give_the_bits_of_all_at_once(models, name, stride):
    model = models[name]
    frame = frame_of(model.manifest, "float32")
    sd, network = deviations_of(frame, model.manifest.window, stride), DenseNetwork(model, stride)
    stream, parts, row = network.begin(67), [], 0
    for top, end in pairwise([0, 1, 15, 16, 17, 30, 45]):
        until = max(0, (end - 16) // stride + 1)
        parts.append(stream.push(frame[:, top:end], sd[row:until]))
        row = until
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), network.begin(67).push(frame, sd))


def test_the_readout_is_that_of_the_file(models):
    assert DenseNetwork(models["odd"], 1).readout == readout_of(odd_weights()) == read_readout(models["odd"])


def test_differences_beyond_float32_are_refused(models):
    frame = np.zeros((1, 20, 40))
    frame[0, 3, 4] = 1e300
    with pytest.raises(FrameError, match="more than float32 can hold"):
        DenseNetwork(models["one channel"], 1).begin(40).push(frame, np.ones((5, 25), np.float32))


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
METADATA = {"dilations": "1,2,4", "readout": readout_of(WEIGHTS).to_json()}


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
    assert DenseNetwork(model, 1).begin(67).push(frame, deviations_of(frame, (16, 16), 1)).shape == (12, 30, 52)


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
        (NUMBERS, {"readout": METADATA["readout"]}, "dilations"),
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
    with pytest.raises(ModelFileError, match=r"layers\.onnx sees 1 .* windows of \(14, 14\) px.* 1 and \(16, 16\)"):
        DenseNetwork(model, 1)


def test_other_channels_than_the_manifest_says_are_refused(model_of):
    model = model_of(layers_graph(changed(0, lambda v: np.concatenate([v, v], axis=1)), METADATA))
    with pytest.raises(ModelFileError, match=r"layers\.onnx sees 2 channel\(s\).*the manifest says 1"):
        DenseNetwork(model, 1)


def test_another_number_of_planes_than_the_readout_means_is_refused(model_of):
    numbers = [*NUMBERS[:-2], NUMBERS[-2][:-1], NUMBERS[-1][:-1]]
    with pytest.raises(ModelFileError, match=r"layers\.onnx gives 11 planes, expected 12: export the model again"):
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
HEAD, BIAS = np.ones((4, 16), np.float32), np.ones(4, np.float32)


def kernel_of(first=FIRST, second=SECOND, head=HEAD, bias=BIAS, *, dilation=2, stride=1):
    return _core.DenseNetwork([(first, 1), (second, dilation)], [(head, bias)], stride)


def test_a_kernel_says_what_it_takes_and_gives():
    kernel = kernel_of(np.ones((5, 6, 4, 2), np.float32))
    assert (kernel.channels, kernel.window, kernel.planes) == (3, (8, 7), 4)


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
        ({"head": np.ones((4, 15), np.float32)}, "does not take what the one before gives"),
        ({"bias": BIAS[:3]}, r"expected bias as a contiguous array of shape \(4\), got \(3\) float32"),
        ({"bias": HEAD}, "expected bias"),
        ({"dilation": 0}, "expected a dilation of 1 to 4096 px"),
        ({"dilation": 5000}, "expected a dilation of 1 to 4096 px"),
        ({"stride": 0}, "expected a stride of 1 to 4096 px"),
        ({"stride": 5000}, "expected a stride of 1 to 4096 px"),
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


@pytest.mark.parametrize("width", [0, 7, 2**24 + 1])
def test_lines_that_are_too_short_or_long_for_a_stream_are_refused(width):
    with pytest.raises(ValueError, match=f"expected lines of 8 to {2**24} px, got {width}"):
        _core.DenseStream(kernel_of(), width)


LINES, DEVIATION, CODE = np.ones((1, 9, 20), np.uint16), np.ones((2, 13), np.float32), np.ones((4, 2, 13), np.float32)


@pytest.mark.parametrize(
    ("lines", "deviation", "code", "message"),
    [
        (LINES[0], DEVIATION, CODE, "expected a frame of shape"),
        (LINES[:, :0], DEVIATION, CODE, "expected a frame of shape"),
        (LINES[:, :, :-1], DEVIATION, CODE, "of the channels, width and dtype of those before"),
        (np.ones((2, 9, 20), np.uint16), DEVIATION, CODE, "of the channels, width and dtype of those before"),
        (LINES.astype(np.int64), DEVIATION, CODE, "expected pixels of dtype"),
        (LINES.astype(">u2"), DEVIATION, CODE, "expected pixels of dtype"),
        (LINES[:, :, ::-1], DEVIATION, CODE, "adjacent in memory"),
        (LINES, DEVIATION[:1], CODE, r"expected deviation as a contiguous array of shape \(2, 13\)"),
        (LINES, DEVIATION.T, CODE, r"expected deviation as a contiguous array of shape \(2, 13\)"),
        (LINES, DEVIATION, CODE[:3], r"expected code as a contiguous array of shape \(4, 2, 13\)"),
        (LINES, DEVIATION, CODE[:, :1], r"expected code as a contiguous array of shape \(4, 2, 13\)"),
    ],
)
def test_a_stream_refuses_arrays_that_do_not_fit_and_goes_on(lines, deviation, code, message):
    stream = _core.DenseStream(kernel_of(), 20)
    with pytest.raises(ValueError, match=message):
        stream.push(lines, deviation, code)
    assert stream.push(LINES, DEVIATION, np.empty_like(CODE))


def test_a_stream_does_not_write_what_is_read_only():
    code = CODE.copy()
    code.flags.writeable = False
    with pytest.raises(ValueError, match="not writeable"):
        _core.DenseStream(kernel_of(), 20).push(LINES, DEVIATION, code)


def test_lines_of_another_dtype_cannot_follow():
    stream, none = _core.DenseStream(kernel_of(), 20), np.empty((0, 13), np.float32)
    assert stream.push(LINES[:, :3], none, np.empty((4, 0, 13), np.float32))
    with pytest.raises(ValueError, match=r"dtype of those before, got \(1, 6, 20\) int16"):
        stream.push(LINES[:, 3:].astype(np.int16), DEVIATION, CODE.copy())
    assert stream.push(LINES[:, 3:], DEVIATION, CODE.copy())


def test_a_stream_keeps_its_network():
    stream = _core.DenseStream(kernel_of(), 20)
    code = np.empty_like(CODE)
    assert stream.push(LINES, DEVIATION, code)
    np.testing.assert_array_equal(code, 1)  # the biases: the lines have no differences


def test_a_push_after_stop_fails(models):
    stream = DenseNetwork(models["one channel"], 1).begin(67)
    frame = frame_of(models["one channel"].manifest)
    stream.stop()
    with pytest.raises(RuntimeError, match="terminated"):
        stream.push(frame, deviations_of(frame, (16, 16), 1))
