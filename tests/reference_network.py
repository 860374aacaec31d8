"""A dense encoder in float64, layer by layer as the formulas say: what graphs and kernels are compared with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shiftvae_training.graphs.encoder_graph import head_layers
from shiftvae_training.model.encoder_weights import EncoderWeights, Turn

Float64 = NDArray[np.float64]


def reference_code(weights: EncoderWeights, frame: NDArray[Any], sd: NDArray[Any], stride: int) -> Float64:
    """Code ``(planes, rows, cols)`` of ``frame (C, H, W)`` with the windows' deviations ``sd (rows, cols)``."""
    x = reference_features(weights, frame, sd, stride)
    phasors = np.ones((0, *sd.shape))
    if weights.turn is not None:
        x, phasors = turned(weights.turn, x)
    for index, (weight, bias) in enumerate(head_layers(weights)):
        x = np.tensordot(weight.astype(np.float64), np.tanh(x) if index else x, axes=1) + bias[:, None, None]
    if weights.turn is not None:
        k = len(weights.turn.phases)
        phases = (x[:k] + 1j * x[k : 2 * k]) * products(phasors, weights.turn.phases)
        x = np.concatenate([phases.real, phases.imag, x[2 * k :]])
    return x


def reference_features(weights: EncoderWeights, frame: NDArray[Any], sd: NDArray[Any], stride: int) -> Float64:
    """Features ``(channels, rows, cols)`` after the division."""
    x = frame * np.reshape(weights.channel_scale, (-1, 1, 1)).astype(np.float64)
    for layer in weights.stem:
        x = convolved(x, layer.weight.astype(np.float64), layer.dilation)
        x = np.maximum(x, 0) if weights.stem_relu else x
    return x[:, :: 1 if weights.dimensions == 1 else stride, ::stride] / sd


def softness(weights: EncoderWeights, frame: NDArray[Any], sd: NDArray[Any], stride: int) -> Float64:
    """How much more than others a rounding changes the code of a window ``(rows, cols)``: its phasor may be short."""
    if weights.turn is None:
        return np.ones(sd.shape)
    return softness_of(weights.turn, reference_features(weights, frame, sd, stride))


def softness_of(turn: Turn, x: Float64) -> Float64:
    """`softness` of the windows with the features `x`."""
    k = len(turn.phases)
    bases = np.abs(x[: 2 * k : 2] + 1j * x[1 : 2 * k : 2])
    most = max(1, int(np.abs(turn.orders).max()), int(np.abs(turn.phases).max()))
    return 1 + most * np.sqrt((x**2).mean(axis=0)) / np.maximum(bases.min(axis=0), 1e-15)


def turned(turn: Turn, x: Float64) -> tuple[Float64, NDArray[np.complex128]]:
    """Features that are turned, and the phasors of the bases."""
    z, k = x[::2] + 1j * x[1::2], turn.orders.shape[1]
    size = np.abs(z[:k])
    phasors = np.where(size**2 < 1e-30, 1, z[:k].conj() / np.maximum(size, 1e-15))
    t = z * products(phasors, turn.orders)
    return np.stack([t.real, t.imag], axis=1).reshape(x.shape), phasors


def products(phasors: NDArray[np.complex128], powers: NDArray[np.int64]) -> NDArray[np.complex128]:
    """For each row of ``powers (n, k)`` the product of ``phasors (k, rows, cols)`` in these powers."""
    return np.stack([np.prod(phasors ** row[:, None, None].astype(float), axis=0) for row in powers])


def convolved(x: Float64, kernel: Float64, dilation: int) -> Float64:
    """``(units, H - ..., W - ...)`` of ``x (in, H, W)`` and ``kernel (units, in, h, w)``."""
    high, wide = ((n - 1) * dilation for n in kernel.shape[2:])
    out = np.zeros((len(kernel), x.shape[1] - high, x.shape[2] - wide))
    for i in range(kernel.shape[2]):
        for j in range(kernel.shape[3]):
            part = x[:, i * dilation :, j * dilation :][:, : out.shape[1], : out.shape[2]]
            out += np.tensordot(kernel[:, :, i, j], part, axes=1)
    return out
