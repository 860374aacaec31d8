"""The dense encoder as an ONNX graph for any stride, including normalisation and latents.

The network that was trained on single windows runs here as a fully convolutional graph over the frame. This is exact
because of its structure (see `Encoder`): the kernels of the first layer sum to zero and the stem has no bias, so its
output does not depend on a window's mean and is proportional to its contrast. Dividing it by the map of the windows'
standard deviations is then equivalent to normalising every window to mean 0 and variance 1.

At stride ``s`` a layer of dilation ``d`` needs its input only at every ``gcd(s, d)``-th pixel, so the layers before it
run on a coarser grid.
"""

from __future__ import annotations

from math import gcd

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from shiftvae_rt.array_types import Float32

from ..model.encoder_weights import (
    GRAIN,
    LEAST_SLOPE,
    LOG_SCALE,
    LOG_SD,
    WIDEST_PHASE,
    EncoderWeights,
)
from ..model.rounds import Rounds
from .atan2_graph import atan2
from .grain_graph import grain, shift_in_grains
from .graph_builder import GraphBuilder
from .rounds_graph import add_rounds
from .turn_graph import Turned

__all__ = ["encoder_graph", "head", "head_layers", "latents"]

#: Deviation that makes any window constant.
FLAT = 1e30


def encoder_graph(weights: EncoderWeights, stride: int, rounds: Rounds | None = None) -> bytes:
    """Serialised graph: raw ``frame (N, C, H, W)`` to ``mean, std (N, L, rows, cols)``, a window every `stride` px.

    With `rounds` the latents are those that these improve.
    """
    build = GraphBuilder()
    features = _stem(build, weights, stride)
    sd = _window_sd(build, weights, stride)
    raw = head(build, weights, features, sd)
    mean, std = latents(build, weights, raw)
    if rounds is not None:
        mean, std = add_rounds(build, rounds, (mean, sd), stride=stride, channel_scale=weights.channel_scale)
    build.node("Identity", mean, output="mean")
    build.node("Identity", std, output="std")
    shape: list[int | str] = ["N", weights.reported, "rows", "cols"]
    frame: list[int | str] = ["N", len(weights.channel_scale), "H", "W"]
    return build.serialise(f"encoder_s{stride}", {"frame": frame}, {"mean": shape, "std": shape})


def _stem(build: GraphBuilder, weights: EncoderWeights, stride: int) -> str:
    x, grid = "frame", 1  # grid: px between neighbouring values of x
    scale = np.asarray(weights.channel_scale, np.float32)[None, :, None, None]
    dilations = [layer.dilation for layer in weights.stem] + [stride]
    for index, layer in enumerate(weights.stem):
        kernel = layer.weight * scale if index == 0 else layer.weight
        needed = gcd(stride, *dilations[index + 1 :])  # grid of this layer's output, px
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
    return x


def _window_sd(build: GraphBuilder, weights: EncoderWeights, stride: int) -> str:
    """Standard deviation ``(N, 1, rows, cols)`` of every window, computed in float64 as a difference of large sums.

    A window that varies less than the floor, or than `GRAIN` of its level, counts as constant and gets `FLAT`.
    """
    channels = len(weights.channel_scale)
    x = build.node("Cast", "frame", to=TensorProto.DOUBLE)
    if channels > 1:
        x = build.node("Mul", x, build.constant(np.reshape(weights.channel_scale, (1, -1, 1, 1)), np.float64))
    sums = _box_sum(build, x, weights.window, stride)
    squares = _box_sum(build, build.node("Mul", x, x), weights.window, stride)
    count = weights.window[0] * weights.window[1]
    n = build.constant(count, np.float64)
    variance = build.node("Sub", squares, build.node("Div", build.node("Mul", sums, sums), n))
    scale = build.constant((1.0 if channels > 1 else weights.channel_scale[0] ** 2) / count, np.float64)
    variance, square = (_mean_of_channels(build, build.node("Mul", v, scale), channels) for v in (variance, squares))
    grain = build.node("Mul", square, build.constant(GRAIN**2, np.float64))
    least = build.node("Max", grain, build.constant(max(weights.sd_floor**2, 1e-30), np.float64))
    sd = build.node("Sqrt", build.node("Max", variance, least))
    sd = build.node("Where", build.node("Greater", variance, least), sd, build.constant(FLAT, np.float64))
    return build.node("Cast", sd, to=TensorProto.FLOAT)


def _mean_of_channels(build: GraphBuilder, values: str, channels: int) -> str:
    """Mean of ``values (N, C, rows, cols)`` over the channels: one deviation for all of them keeps their ratio."""
    if channels == 1:
        return values
    total, *rest = (build.slice(values, 1, c, end=c + 1) for c in range(channels))
    for part in rest:
        total = build.node("Add", total, part)
    return build.node("Div", total, build.constant(channels, np.float64))


def _box_sum(build: GraphBuilder, x: str, window: tuple[int, int], stride: int) -> str:
    for axis, size in ((2, window[0]), (3, window[1])):
        if size > 1:
            x = _running_sum(build, x, axis, size, stride)
    return x


def _running_sum(build: GraphBuilder, x: str, axis: int, size: int, stride: int) -> str:
    """Sums of `size` neighbours at every `stride`-th position along `axis`, by blocks and then by doubling."""
    block = gcd(size, stride)
    if block > 1:  # sum blocks first, on the coarse grid; the ends of the slices drop what follows the last whole block
        parts = [
            build.slice(x, axis, k, block, end=k - block + 1 if k < block - 1 else 2**31 - 1) for k in range(block)
        ]
        x = parts[0]
        for part in parts[1:]:
            x = build.node("Add", x, part)
    count, powers, width, total, offset = size // block, x, 1, "", 0
    while count:  # binary digits of the count; `powers` holds sums of `width` blocks, `total` of the first `offset`
        if count & 1:
            total = _add_behind(build, total, powers, axis, offset, width) if total else powers
            offset += width
        count >>= 1
        if count:
            powers = _add_behind(build, powers, powers, axis, width, width)
            width *= 2
    step = stride // block
    return build.slice(total, axis, 0, step) if step > 1 else total


def _add_behind(build: GraphBuilder, first: str, second: str, axis: int, offset: int, width: int) -> str:
    """Sum ``first[i] + second[i + offset]`` at every position where the `width` values of `second` still fit."""
    return build.node("Add", build.slice(first, axis, 0, end=-width), build.slice(second, axis, offset))


def head(build: GraphBuilder, weights: EncoderWeights, x: str, sd: str) -> str:
    """1x1 layers of the head, from the features of windows `x` and their deviations `sd` to the raw outputs.

    A single layer is applied before the division, because its outputs are fewer than the features, unless these turn.
    """
    layers = head_layers(weights)
    if len(layers) == 1 and weights.stem_bias is None and weights.turn is None:
        ((weight, bias),) = layers
        x = build.node("Conv", x, build.constant(weight[:, :, None, None]), kernel_shape=[1, 1])
        return build.node("Add", build.node("Div", x, sd), build.constant(bias[:, None, None]))
    x = build.node("Div", x, sd)
    if weights.stem_bias is not None:
        x = build.node("Tanh", build.node("Add", x, build.constant(weights.stem_bias[:, None, None])))
    turned = None if weights.turn is None else Turned(build, weights.turn, x)
    for index, (weight, bias) in enumerate(layers):
        if turned is not None and index == 0:
            x, weight = turned.features, np.concatenate([weight[:, ::2], weight[:, 1::2]], axis=1)
        if index:
            x = build.node("Tanh", x)
        x = build.node("Conv", x, build.constant(weight[:, :, None, None]), build.constant(bias), kernel_shape=[1, 1])
    return x if turned is None else turned.with_phases(x)


def head_layers(weights: EncoderWeights) -> list[tuple[Float32, Float32]]:
    """Layers of the head; the last one also gives the contribution of anchor and content to the shift, which is linear.

    On a lattice that contribution is in lattice vectors, followed by its part across the lattice in px if the lattice
    does not span the plane; without a lattice it is in px.
    """
    *layers, (weight, bias) = weights.head
    k, axes = len(weights.lattice), weights.dimensions
    first = weights.scores + (3 * k if k else 2 * axes) + 3 * bool(weights.fold) + 2 * bool(weights.scale_prior)
    weight, bias = (_with_order(part, weights, first) for part in (weight, bias))
    content = slice(first + 2 * weights.orders, first + 2 * weights.orders + weights.content)
    anchor, slope = weights.anchor[2 - axes :], weights.anchor_slope[:, 2 - axes :].T
    parts = [np.eye(axes)]
    if k:
        to_cells = np.linalg.pinv(weights.lattice[:, 2 - axes :]).T
        across = np.eye(axes) - weights.lattice[:, 2 - axes :].T @ to_cells
        parts = [to_cells] if k == axes else [to_cells, across]
    mix = np.concatenate(parts)
    extra = mix @ slope @ weight[content]
    extra_bias = mix @ (anchor + slope @ bias[content])
    wide, offset = np.concatenate([weight, extra]), np.concatenate([bias, extra_bias])
    return [*layers, (wide.astype(np.float32), offset.astype(np.float32))]


def _with_order(rows: Float32, weights: EncoderWeights, first: int) -> Float32:
    """Rows of the last layer with those of the order latents, from `first` on, among the content's: means, then sds.

    Real and imaginary part of an amplitude get a deviation each, the same.
    """
    if not weights.orders:
        return rows
    before, parts, widths, mean, width = np.split(
        rows, np.cumsum([first, 2 * weights.orders, weights.orders, weights.content])
    )
    return np.concatenate([before, parts, mean, np.repeat(widths, 2, axis=0), width])


def latents(build: GraphBuilder, weights: EncoderWeights, raw: str) -> tuple[str, str]:
    """Maps of mean and deviation: shift in px, grain, rotation in degrees, scale in per cent, order, content."""
    k, m, axes, at = len(weights.lattice), 2 * weights.orders + weights.content, weights.dimensions, 0

    def take(count: int) -> str:
        nonlocal at
        at += count
        return build.slice(raw, 1, at - count, end=at)

    def mix(matrix: NDArray[np.float64], x: str) -> str:
        parts = [
            build.node("Mul", build.slice(x, 1, j, end=j + 1), build.constant(column[:, None, None]))
            for j, column in enumerate(matrix.T)
        ]
        return parts[0] if len(parts) == 1 else build.node("Add", *parts)

    further = [grain(build, take(weights.scores), weights.scores)] if weights.cells is not None else []
    code = [take(k) for _ in range(3)] if k else [take(axes) for _ in range(2)]
    further += [_angle(build, take(3), weights.fold)] if weights.fold else []
    further += [_magnification(build, take(2), weights.scale_prior)] if weights.scale_prior else []
    content, content_sd = (take(m), build.node("Exp", build.clip(take(m), *LOG_SD))) if m else ("", "")
    moved = take(k or axes)
    if k:
        lattice, (cosine, sine, log_width) = weights.lattice[:, 2 - axes :], code
        turns = build.node("Mul", atan2(build, sine, cosine), build.constant(1 / (2 * np.pi)))
        turns = build.node("Add", turns, moved)
        place = build.node("Sub", turns, build.node("Round", turns))  # in the cell around the centre
        width = build.node("Exp", build.clip(log_width, -8.0, float(np.log(WIDEST_PHASE))))
        width = build.node("Mul", width, width)
        if weights.cells is not None:
            shift, shift_sd = shift_in_grains(build, weights.cells, further[0][0], place, width)
        else:
            shift, shift_sd = mix(lattice.T, place), mix((lattice.T / (2 * np.pi)) ** 2, width)
        if k != axes:
            shift = build.node("Add", shift, take(axes))
        shift_sd = build.node("Sqrt", shift_sd)
    else:
        shift, shift_sd = _planar(build, weights, *code)
        shift = build.node("Add", shift, moved)
    means, sds = [shift, *(mean for mean, _ in further)], [shift_sd, *(sd for _, sd in further)]
    if m:
        means, sds = [*means, content], [*sds, content_sd]
    if len(means) == 1:
        return shift, shift_sd
    return build.node("Concat", *means, axis=1), build.node("Concat", *sds, axis=1)


def _planar(build: GraphBuilder, weights: EncoderWeights, u: str, log_sd: str) -> tuple[str, str]:
    """Planar shift in px: mean and standard deviation, see `PlanarShift`."""
    unit, reach = build.constant(weights.planar_prior_px), weights.planar_reach_px
    sd = build.node("Mul", build.node("Exp", build.clip(log_sd, -8.0, 1.0)), unit)
    if not reach:
        return build.node("Mul", u, unit), sd
    bent = build.node("Tanh", build.node("Mul", u, build.constant(weights.planar_prior_px / reach)))
    slope = build.node("Sub", build.constant(1.0), build.node("Mul", bent, bent))
    sd = build.node("Mul", sd, build.node("Max", slope, build.constant(LEAST_SLOPE)))
    return build.node("Mul", bent, build.constant(reach)), sd


def _angle(build: GraphBuilder, code: str, fold: int) -> tuple[str, str]:
    """Rotation in degrees: mean and standard deviation, see `Rotation`."""
    cosine, sine, log_width = (build.slice(code, 1, i, end=i + 1) for i in range(3))
    degrees = build.constant(180 / (np.pi * fold))
    width = build.node("Exp", build.clip(log_width, -8.0, float(np.log(WIDEST_PHASE))))
    return build.node("Mul", atan2(build, sine, cosine), degrees), build.node("Mul", width, degrees)


def _magnification(build: GraphBuilder, code: str, prior: float) -> tuple[str, str]:
    """Scale in per cent: mean and standard deviation, see `Scale`."""
    mean, log_sd = (build.slice(code, 1, i, end=i + 1) for i in range(2))
    times = build.node("Exp", build.clip(build.node("Mul", mean, build.constant(prior)), *LOG_SCALE))
    times = build.node("Mul", times, build.constant(100.0))
    sd = build.node("Mul", build.node("Exp", build.clip(log_sd, *LOG_SD)), build.constant(prior))
    return build.node("Sub", times, build.constant(100.0)), build.node("Mul", sd, times)
