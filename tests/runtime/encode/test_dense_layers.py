"""Layers of a model file: numbers, sizes and metadata that do not fit are refused."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from tiny_models import tiny_manifest, tiny_members, tiny_turn, tiny_weights

from shiftvae_rt import ModelFile, ModelFileError
from shiftvae_rt.encode.dense_network import DenseNetwork, read_readout
from shiftvae_rt.encode.onnx_graph import OnnxGraph
from shiftvae_rt.encode.routes import DenseRoute
from shiftvae_rt.model.model_file import write_model_file
from shiftvae_training.graphs.encoder_graph import head_layers
from shiftvae_training.graphs.graph_builder import GraphBuilder
from shiftvae_training.graphs.runtime_graphs import readout_of


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
    route = DenseRoute(model_of(layers_graph(NUMBERS, METADATA)), 1)
    assert route.encode(np.zeros((1, 45, 67), np.uint16), np.zeros(1))[0].shape == (4, 30, 52)


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
