"""The graphs that the runtime uses: the network of `encoder_graph`, without what the C++ core does better.

`encoder_graph` is complete: raw frame in, latents out. Three parts of it are slow, or inexact on raw values, and the
runtime computes them outside the graph:

- The standard deviation of every window, which the C++ core computes exactly.
- The frame's offset. A first layer with kernels that sum to zero depends only on differences between neighbouring
  pixels, so those are its input: exact for counts, whatever steps the frame has. (With a step from 200 to 60000 beside
  windows of deviation 3, a float32 convolution of the raw values loses four digits.)
- The conversion of the network's outputs to latents: many passes over the maps in a graph, one in C++; see `Readout`.

A kernel ``k`` that sums to zero acts on the differences through its cumulative sums: along each line, those of ``k``
itself; down the first column, those of its line sums.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.kernels.readout import Readout

from ..model.encoder_weights import EncoderWeights
from ..model.rounds import Rounds
from .encoder_graph import head, head_layers
from .graph_builder import GraphBuilder
from .rounds_graph import rounds_constants

__all__ = ["readout_of", "runtime_graphs"]

Shapes = dict[str, list[int | str]]


def runtime_graphs(weights: EncoderWeights, strides: Sequence[int], rounds: Rounds | None = None) -> dict[str, bytes]:
    """Members of the model file by name, as serialised graphs.

    A stem of one layer as large as the window shares no features between windows: ``filters.onnx`` is that layer, for
    normalised windows, and ``features.onnx`` the rest. Otherwise ``dense_s<stride>.onnx`` takes any part of a frame,
    and ``layers.onnx`` holds the weights for the native kernels, which compute the same. ``rounds.onnx`` holds the
    constants of `rounds`.
    """
    graphs = {} if rounds is None else {"rounds.onnx": rounds_constants(rounds)}
    if len(weights.stem) == 1:
        return graphs | {"filters.onnx": _filters_graph(weights), "features.onnx": _features_graph(weights)}
    graphs |= {f"dense_s{stride}.onnx": _dense_graph(weights, stride) for stride in strides}
    return graphs | {"layers.onnx": _layers_graph(weights)}


def _filters_graph(weights: EncoderWeights) -> bytes:
    """Graph from normalised ``windows (N, C h w)`` to ``products (N, units)`` with the first layer's filters."""
    build = GraphBuilder()
    stem = weights.stem[0].weight.reshape(len(weights.stem[0].weight), -1)
    build.node("MatMul", "windows", build.constant(np.ascontiguousarray(stem.T)), output="products")
    return build.serialise("filters", {"windows": ["N", stem.shape[1]]}, {"products": ["N", len(stem)]})


def _features_graph(weights: EncoderWeights) -> bytes:
    """Graph from ``products (N, units)`` to ``code (K, N)``."""
    build, x = GraphBuilder(), "products"
    if weights.stem_bias is not None:
        x = build.node("Tanh", build.node("Add", x, build.constant(weights.stem_bias)))
    layers = head_layers(weights)
    for index, (weight, offset) in enumerate(layers):
        if index:
            x = build.node("Tanh", x)
        x = build.node("Gemm", x, build.constant(weight.T), build.constant(offset))
    build.node("Transpose", x, perm=[1, 0], output="code")
    inputs: Shapes = {"products": ["N", len(weights.stem[0].weight)]}
    outputs: Shapes = {"code": [len(layers[-1][1]), "N"]}
    return build.serialise("features", inputs, outputs, {"readout": readout_of(weights).to_json()})


def _dense_graph(weights: EncoderWeights, stride: int) -> bytes:
    """Graph from ``differences (N, 2 C, H, W - 1)`` and ``sd (N, 1, rows, cols)`` to ``code (N, K, rows, cols)``."""
    build, x, grid = GraphBuilder(), "differences", 1  # grid: px between neighbouring values of x
    dilations = [layer.dilation for layer in weights.stem]
    for index, layer in enumerate(weights.stem):
        kernel = layer.weight if index else _kernel_of_differences(weights)
        needed = gcd(stride, *dilations[index + 1 :])  # coarsest grid that later layers and the stride allow, px
        step, dilation = needed // grid, layer.dilation // grid
        flat = weights.dimensions == 1
        x = build.node(
            "Conv",
            x,
            build.constant(kernel),
            kernel_shape=list(kernel.shape[2:]),
            strides=[1 if flat else step, step],
            dilations=[1 if flat else dilation, dilation],
        )
        if weights.stem_relu:
            x = build.node("Relu", x)
        grid = needed
    build.node("Identity", head(build, weights, x, "sd"), output="code")
    inputs: Shapes = {"differences": ["N", _inputs(weights), "H", "W"], "sd": ["N", 1, "rows", "cols"]}
    outputs: Shapes = {"code": ["N", len(head_layers(weights)[-1][1]), "rows", "cols"]}
    return build.serialise(f"dense_s{stride}", inputs, outputs)


def _layers_graph(weights: EncoderWeights) -> bytes:
    """Graph without inputs; its outputs are the kernels of the stem, the first for differences, and the head's layers.

    The metadata hold the dilation of each kernel, whether ReLU follows it, the turn (null if there is none), and the
    readout of the code.
    """
    build, outputs = GraphBuilder(), Shapes()

    def add(name: str, value: NDArray[Any]) -> None:
        build.node("Identity", build.constant(value), output=name)
        outputs[name] = list(value.shape)

    for index, layer in enumerate(weights.stem):
        add(f"stem{index}", layer.weight if index else _kernel_of_differences(weights))
    for index, (weight, bias) in enumerate(head_layers(weights)):
        add(f"head{index}_weight", weight)
        add(f"head{index}_bias", bias)
    turn = None if weights.turn is None else {n: getattr(weights.turn, n).tolist() for n in ("orders", "phases")}
    metadata = {
        "dilations": ",".join(str(layer.dilation) for layer in weights.stem),
        "relu": json.dumps(weights.stem_relu),
        "turn": json.dumps(turn),
        "readout": readout_of(weights).to_json(),
    }
    return build.serialise("layers", {}, outputs, metadata)


def readout_of(weights: EncoderWeights) -> Readout:
    """Readout of the code for the runtime: it computes the same as `latents` in the graph."""
    return Readout(
        axes=weights.dimensions,
        vectors=tuple(tuple(vector[2 - weights.dimensions :]) for vector in weights.lattice.tolist()),
        planar_px=float(weights.planar_prior_px),
        planar_reach_px=float(weights.planar_reach_px),
        angle_period=360 / weights.fold if weights.fold else 0.0,
        scale_prior=float(weights.scale_prior),
        content=2 * weights.orders + weights.content,
        further=()
        if weights.cells is None
        else tuple(((a[0], a[1]), (b[0], b[1])) for a, b in weights.cells[1:].tolist()),
    )


def _inputs(weights: EncoderWeights) -> int:
    return len(weights.channel_scale) * (1 if weights.dimensions == 1 else 2)


def _kernel_of_differences(weights: EncoderWeights) -> NDArray[np.float32]:
    """Kernels of the first layer on differences: ``(out, 2 C, h, w - 1)``, or ``(out, C, 1, w - 1)`` for a signal."""
    kernel = weights.stem[0].weight.astype(np.float64) * np.reshape(weights.channel_scale, (1, -1, 1, 1))
    right = np.cumsum(kernel[..., ::-1], axis=3)[..., ::-1]  # sum of each pixel and all to its right
    along = right[..., 1:]
    if weights.dimensions == 1:
        return along.astype(np.float32)
    down = np.zeros_like(along)
    down[:, :, 1:, 0] = np.cumsum(right[:, :, ::-1, 0], axis=2)[:, :, ::-1][:, :, 1:]
    kernels = np.stack([along, down], axis=2)
    return kernels.reshape(len(kernel), -1, *kernels.shape[3:]).astype(np.float32)
