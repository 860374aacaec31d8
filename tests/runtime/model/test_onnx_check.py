"""A graph is plain, or refused before onnxruntime sees it."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tiny_models import tiny_decoder, tiny_weights

from shiftvae_rt.errors import ModelFileError
from shiftvae_rt.model.onnx_check import OPERATORS, check_graph
from shiftvae_training.graphs.encoder_graph import encoder_graph

X = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
Y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
FLAG = numpy_helper.from_array(np.array(True), "flag")
ONE = numpy_helper.from_array(np.ones(1, np.float32), "one")


def model(*nodes, initializers=(), **options) -> onnx.ModelProto:
    graph = helper.make_graph(list(nodes), "graph", [X], [Y], list(initializers))
    return helper.make_model(graph, **options)


def relu(**options) -> onnx.NodeProto:
    return helper.make_node("Relu", ["x"], ["y"], **options)


def refused(message: str, proto: onnx.ModelProto) -> None:
    with pytest.raises(ModelFileError, match=message) as error:
        check_graph(proto.SerializeToString(), "encoder_s4.onnx")
    assert str(error.value).startswith("encoder_s4.onnx ")
    assert "\n" not in str(error.value)


def test_plain_graphs_pass():
    check_graph(model(relu(), initializers=[ONE]).SerializeToString(), "g")
    check_graph(tiny_decoder(tiny_weights()), "g")
    for options in ({}, {"dimensions": 1}, {"channels": 3}):
        for stride in (1, 2, 4, 8):
            check_graph(encoder_graph(tiny_weights(**options), stride), "g")


def test_the_default_domain_may_be_named():
    check_graph(model(relu(domain="ai.onnx")).SerializeToString(), "g")


@pytest.mark.parametrize("operator", ["Loop", "If", "Scan", "ConstantOfShape", "Expand", "Tile", "LSTM", "relu", ""])
def test_an_operator_outside_the_list_is_refused(operator):
    assert operator not in OPERATORS
    refused("uses the operator .*not on the list", model(helper.make_node(operator, ["x"], ["y"])))


def test_a_foreign_domain_is_refused():
    refused(r"operator com\.microsoft\.Relu", model(relu(domain="com.microsoft")))


def test_one_bad_node_among_good_ones_is_found():
    bad = helper.make_node("NonZero", ["x"], ["z"])
    refused("operator NonZero", model(*[relu()] * 20, bad, *[relu()] * 20))


def test_subgraphs_are_refused():
    branch = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "branch", [], [Y])
    choose = helper.make_node("If", ["flag"], ["y"], then_branch=branch, else_branch=branch)
    refused("holds a subgraph", model(choose, initializers=[FLAG]))
    hidden = relu()
    hidden.attribute.append(helper.make_attribute("body", branch))
    refused("holds a subgraph", model(hidden))
    several = relu()
    several.attribute.append(helper.make_attribute("bodies", [branch, branch]))
    refused("holds a subgraph", model(several))


def test_functions_are_refused():
    function = helper.make_function("own", "f", ["x"], ["y"], [relu()], [helper.make_opsetid("", 17)])
    refused("defines its own functions", model(relu(), functions=[function]))


def test_training_graphs_are_refused():
    proto = model(relu())
    proto.training_info.append(onnx.TrainingInfoProto(algorithm=proto.graph))
    refused("training graphs", proto)


def test_sparse_tensors_are_refused():
    proto = model(relu())
    proto.graph.sparse_initializer.append(onnx.SparseTensorProto(values=ONE, dims=[4]))
    refused("sparse tensors", proto)


def outside(location: bool = True) -> onnx.TensorProto:
    tensor = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4])
    if location:
        tensor.data_location = TensorProto.EXTERNAL
    else:
        tensor.external_data.append(onnx.StringStringEntryProto(key="location", value="/etc/passwd"))
    return tensor


@pytest.mark.parametrize("location", [True, False], ids=["data_location", "external_data"])
def test_external_data_is_refused(location):
    refused("outside the file", model(relu(), initializers=[ONE, outside(location)]))
    constant = relu()
    constant.attribute.append(helper.make_attribute("value", outside(location)))
    refused("outside the file", model(constant))
    several = relu()
    several.attribute.append(
        onnx.AttributeProto(name="values", type=onnx.AttributeProto.TENSORS, tensors=[outside(location)])
    )
    refused("outside the file", model(several))


def test_a_file_without_a_graph_or_with_two_is_refused():
    data = model(relu()).SerializeToString()
    for wrong, count in ((b"", 0), (data + data, 2)):
        with pytest.raises(ModelFileError, match=f"holds {count} graphs instead of one"):
            check_graph(wrong, "g")


def test_a_graph_cut_anywhere_is_refused():
    data = encoder_graph(tiny_weights(), 4)
    graph_ends = len(data) - 4  # the operator set, 4 bytes, comes behind the graph: without it the graph is still whole
    for size in [*range(1, 200), *np.linspace(200, graph_ends - 1, 200).astype(int)]:
        with pytest.raises(ModelFileError):
            check_graph(data[:size], "g")


def test_garbage_is_refused():
    rng = np.random.default_rng(0)
    for size in (1, 2, 10, 100, 1000):
        for _ in range(100):
            with pytest.raises(ModelFileError):
                check_graph(rng.bytes(size), "g")


@pytest.mark.parametrize(
    "data",
    [
        b"\x38\x01",
        b"\x3b\x3c",
        b"\xff" * 12,
        b"\x3a\xff\xff\xff\xff\x0f",
        b"\x3a\x04\x0a\x02\x22\x00",
        b"\x3a\x05\x0a\x03\x22\x01\xff",
    ],
    ids=["number for a graph", "group", "endless number", "longer than the file", "empty operator", "not utf-8"],
)
def test_malformed_messages_are_refused(data):
    with pytest.raises(ModelFileError):
        check_graph(data, "g")
