"""Builder of ONNX graphs: nodes and constants of a graph under construction."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["GraphBuilder"]

OPSET = 17
IR_VERSION = 8
END = 2**31 - 1


class GraphBuilder:
    """Builder of one graph; every method but `serialise` adds to the graph and returns the name of its output."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []

    def constant(self, value: object, dtype: type = np.float32) -> str:
        """Add a constant tensor."""
        name = f"c{len(self._initializers)}"
        self._initializers.append(numpy_helper.from_array(np.array(value, dtype=dtype, order="C"), name))
        return name

    def node(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add one operator of the standard ONNX domain."""
        output = output or f"n{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def slice(self, x: str, axis: int, start: int, step: int = 1, end: int = END) -> str:
        """Add the slice ``x[start:end:step]`` along `axis`."""
        bounds = [self.constant([v], np.int64) for v in (start, end, axis, step)]
        return self.node("Slice", x, *bounds)

    def clip(self, x: str, low: float, high: float) -> str:
        """Add `x` clipped to `low` and `high`."""
        return self.node("Clip", x, self.constant(low), self.constant(high))

    def serialise(
        self,
        name: str,
        inputs: dict[str, list[int | str]],
        outputs: dict[str, list[int | str]],
        metadata: dict[str, str] | None = None,
    ) -> bytes:
        """Check and serialise the model; `inputs` and `outputs` map names to shapes, all float32."""
        graph = helper.make_graph(self._nodes, name, _values(inputs), _values(outputs), self._initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        helper.set_model_props(model, metadata or {})
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString())


def _values(shapes: dict[str, list[int | str]]) -> list[onnx.ValueInfoProto]:
    return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
