"""The graphs of an imported encoder: over single windows for the runtime, over whole frames for any program.

Such a network treats each window separately (its first layer has a bias and does not sum to zero, and each window may
have its own scaling), so windows share no work; the graph over frames cuts the windows itself.
"""

from __future__ import annotations

import math

import numpy as np

from shiftvae_rt.model.manifest import Intensity

from ..graphs.graph_builder import END, GraphBuilder
from .foreign import CONVOLUTION_SLOPE, ForeignModel
from .functions import cosine_and_sine, softplus
from .layers import (
    activate,
    array,
    biased,
    leaky,
    linear,
    multiplied,
)

__all__ = ["frame_graph", "window_graphs"]

Shape = list[int | str]


def window_graphs(model: ForeignModel) -> dict[str, bytes]:
    """Graphs by name that the runtime evaluates on scaled ``windows (N, h w)``.

    ``windows.onnx`` gives ``mean, std (L, N)``. If the first layer is dense, there is instead ``filters.onnx``, that
    layer without its bias, and ``features.onnx``, the rest of the network from its ``products (N, units)`` on.
    """
    shape: Shape = ["N", math.prod(model.window)]
    if model.convolutions or not model.dense:
        return {"windows.onnx": _latents_graph(model, "windows", shape, from_products=False)}
    build = GraphBuilder()
    products: Shape = ["N", len(model.dense[0][1])]
    multiplied(build, model.dense[0], "windows", output="products")
    filters = build.serialise("filters", {"windows": shape}, {"products": products})
    return {"filters.onnx": filters, "features.onnx": _latents_graph(model, "products", products, from_products=True)}


def _latents_graph(model: ForeignModel, name: str, shape: Shape, *, from_products: bool) -> bytes:
    build = GraphBuilder()
    maps: Shape = [len(model.names), "N"]
    latents = _encode(build, model, name, from_products=from_products)
    for output, found in zip(("mean", "std"), latents, strict=True):
        build.node("Transpose", found, perm=[1, 0], output=output)
    return build.serialise(name, {name: shape}, {"mean": maps, "std": maps})


def frame_graph(model: ForeignModel, intensity: Intensity, stride: int) -> bytes:
    """Graph from raw ``frame (N, 1, H, W)`` to ``mean, std (N, L, rows, cols)``, with a window every `stride` px."""
    build = GraphBuilder()
    cut = _cut(build, _affine(build, intensity, "frame"), model.window, stride)
    places = build.slice(build.node("Shape", cut), 0, 0, end=3)
    flat = build.node("Reshape", cut, build.constant([-1, math.prod(model.window)], np.int64))
    if intensity.normalisation == "minmax":
        flat = _to_unit(build, flat)
    shape = build.node("Concat", places, build.constant([len(model.names)], np.int64), axis=0)
    for name, found in zip(("mean", "std"), _encode(build, model, flat), strict=True):
        build.node("Transpose", build.node("Reshape", found, shape), perm=[0, 3, 1, 2], output=name)
    maps: list[int | str] = ["N", len(model.names), "rows", "cols"]
    return build.serialise(f"encoder_s{stride}", {"frame": ["N", 1, "H", "W"]}, {"mean": maps, "std": maps})


def _affine(build: GraphBuilder, intensity: Intensity, x: str) -> str:
    if intensity.normalisation != "none" or (intensity.channel_offset, intensity.channel_scale) == ((0.0,), (1.0,)):
        return x
    x = build.node("Sub", x, build.constant(intensity.channel_offset[0]))
    return build.node("Mul", x, build.constant(intensity.channel_scale[0]))


def _cut(build: GraphBuilder, x: str, window: tuple[int, int], stride: int) -> str:
    """All windows ``(N, rows, cols, h, w)``: the pixels at one position of the windows are a slice of the frame."""
    h, w = window
    lines = [build.slice(x, 2, i, stride, end=i + 1 - h or END) for i in range(h)]
    x = build.node("Concat", *lines, axis=1) if h > 1 else lines[0]
    columns = []
    for j in range(w):
        column = build.slice(x, 3, j, stride, end=j + 1 - w or END)
        columns.append(build.node("Unsqueeze", column, build.constant([2], np.int64)))
    return build.node("Transpose", build.node("Concat", *columns, axis=2), perm=[0, 3, 4, 1, 2])


def _to_unit(build: GraphBuilder, x: str) -> str:
    """Scale each row of ``x (M, pixels)`` to 0..1; a constant row becomes zeros."""
    low, high = (build.node(f"Reduce{name}", x, axes=[1], keepdims=1) for name in ("Min", "Max"))
    extent = build.node("Max", build.node("Sub", high, low), build.constant(1e-30))
    return build.node("Div", build.node("Sub", x, low), extent)


def _encode(build: GraphBuilder, model: ForeignModel, x: str, *, from_products: bool = False) -> tuple[str, str]:
    """Reported mean and deviation ``(M, L)`` of scaled windows ``x (M, h w)``, or of their products."""
    if model.convolutions:
        x = build.node("Reshape", x, build.constant([-1, 1, *model.window], np.int64))
        for weight, bias in model.convolutions:
            kernel, pads = array(weight), [int(n > 1) for n in weight.shape[2:]]
            x = build.node("Conv", x, build.constant(kernel), build.constant(array(bias)), pads=pads * 2)
            x = leaky(build, x, CONVOLUTION_SLOPE)
        x = build.node("Reshape", x, build.constant([-1, model.mean[0].shape[1]], np.int64))
    for index, layer in enumerate(model.dense):
        x = x if from_products and not index else multiplied(build, layer, x)
        x = activate(build, model.activation, biased(build, layer, x))
    mean, raw = (linear(build, layer, x) for layer in (model.mean, model.deviation))
    return _reported(build, model, mean, softplus(build, raw) if model.softplus else build.node("Exp", raw))


def _reported(build: GraphBuilder, model: ForeignModel, mean: str, std: str) -> tuple[str, str]:
    """Reported mean and deviation ``(M, L)``: the graph of `ForeignModel.report`."""
    at, parts = 0, {}
    for letter in (*model.invariances, "z") if model.content else model.invariances:
        count = {"t": model.axes, "z": model.content}.get(letter, 1)
        parts[letter] = tuple(build.slice(x, 1, at, end=at + count) for x in (mean, std))
        at += count
    means, stds, size = [], [], ""
    if "s" in parts:
        prior = build.constant(model.scale_prior)
        size = build.node("Add", build.constant(1.0), build.node("Mul", parts["s"][0], prior))
    if "t" in parts:
        shift, shift_std = _shift(build, model, parts)
        means.append(build.node("Div", shift, size) if size else shift)
        stds.append(build.node("Div", shift_std, size) if size else shift_std)
    if "r" in parts:
        for x, found in zip(parts["r"], (means, stds), strict=True):
            found.append(build.node("Mul", x, build.constant(180 / np.pi)))
    if "s" in parts:
        less = build.node("Sub", build.constant(1.0), size)
        means.append(build.node("Mul", build.node("Div", less, size), build.constant(100.0)))
        grown = build.node("Mul", parts["s"][1], build.constant(100 * model.scale_prior))
        stds.append(build.node("Div", grown, build.node("Mul", size, size)))
    if "z" in parts:
        means.append(parts["z"][0])
        stds.append(parts["z"][1])
    return tuple(build.node("Concat", *found, axis=1) for found in (means, stds))  # type: ignore[return-value]


def _shift(build: GraphBuilder, model: ForeignModel, parts: dict[str, tuple[str, ...]]) -> tuple[str, str]:
    """Mean and deviation of the shift in px, for a motif of scale 1."""
    shift, std = parts["t"]
    half = np.asarray(model.half_px)
    if "r" not in parts:
        signs = np.array([-1.0, 1.0])[2 - model.axes :]
        return build.node("Mul", shift, build.constant(signs * half)), build.node("Mul", std, build.constant(half))
    (y, y_std), (x, x_std) = (tuple(build.slice(v, 1, i, end=i + 1) for v in (shift, std)) for i in (0, 1))
    cos, sin = cosine_and_sine(build, parts["r"][0])

    def mix(a: str, first: str, b: str, second: str, operator: str = "Add") -> str:
        return build.node(operator, build.node("Mul", a, first), build.node("Mul", b, second))

    def squared(v: str) -> str:
        return build.node("Mul", v, v)

    cos2, sin2, y2, x2 = (squared(v) for v in (cos, sin, y_std, x_std))
    down = build.node("Neg", mix(y, cos, x, sin))
    right = mix(x, cos, y, sin, "Sub")
    spread = [build.node("Sqrt", mix(y2, a, x2, b)) for a, b in ((cos2, sin2), (sin2, cos2))]
    px = build.constant(half)
    return (
        build.node("Mul", build.node("Concat", down, right, axis=1), px),
        build.node("Mul", build.node("Concat", *spread, axis=1), px),
    )
