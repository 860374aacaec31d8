"""Layers of foreign networks as nodes of an ONNX graph."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..graphs.graph_builder import GraphBuilder
from .foreign import Layer
from .functions import softplus

__all__ = ["activate", "array", "biased", "leaky", "linear", "multiplied"]

#: Slope below 0 of torch's default leaky ReLU.
SLOPE = 0.01


def linear(build: GraphBuilder, layer: Layer, x: str) -> str:
    """Add a linear layer on the last axis of `x`."""
    return biased(build, layer, multiplied(build, layer, x))


def multiplied(build: GraphBuilder, layer: Layer, x: str, output: str | None = None) -> str:
    """Add a linear layer without its bias."""
    return build.node("MatMul", x, build.constant(np.ascontiguousarray(array(layer[0]).T)), output=output)


def biased(build: GraphBuilder, layer: Layer, x: str) -> str:
    """Add the bias of a linear layer."""
    return build.node("Add", x, build.constant(array(layer[1])))


def activate(build: GraphBuilder, name: str, x: str) -> str:
    """Add the activation `name`, one of `foreign.ACTIVATIONS`."""
    if name == "lrelu":
        return leaky(build, x, SLOPE)
    if name == "softplus":
        return softplus(build, x)
    return build.node({"tanh": "Tanh", "relu": "Relu"}[name], x)


def leaky(build: GraphBuilder, x: str, slope: float) -> str:
    """Add a leaky ReLU: `x` with its negative part times `slope`."""
    return build.node("Max", x, build.node("Mul", x, build.constant(slope)))


def array(tensor: Tensor) -> NDArray[np.float32]:
    """Tensor as a float32 array."""
    found: NDArray[np.float32] = tensor.detach().float().numpy()
    return found
