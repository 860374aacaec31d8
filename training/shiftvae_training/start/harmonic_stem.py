"""Kernels of a stem that measures waves, in closed form.

A chain of small convolutions without ReLU is a bank of filters as large as the window that factorises. Layer by layer,
the kernels are the principal components of the waves, in the metric of the noise that the layers below let through. The
last ones measure a wave each, with the least noise and the least leakage from the other waves (linearly constrained
minimum variance: Frost, Proc. IEEE 60 (1972) 926).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64

from ..model.encoder_families import Layer
from .waves import Waves

__all__ = ["harmonic_kernels"]

Complex = NDArray[np.complex128]

#: Least weight of a wave in the choice of kernels, as a share of the largest.
LEAST_WEIGHT = 0.01
#: White noise that is added to that of the inputs, which can be linearly dependent, as a share of its mean.
RIDGE = 1e-2
#: Condition above which the two phases of a wave cannot be told apart.
MOST_CONDITION = 1e3


def harmonic_kernels(plan: Sequence[Layer], window: tuple[int, int], channels: int, waves: Waves) -> list[Float64]:
    """Kernels ``(out, in, h, w)`` of the layers of `plan`, of which the last give the coefficients that are measured.

    The first layer's kernels sum to zero. The last layer gives real and imaginary parts in turn, with phase 0 at the
    window's centre, each with the noise of a pixel.
    """
    kernels: list[Float64] = []
    reach = (1, 1)
    filters = np.eye(channels)[:, :, None, None]  # what each input of a layer sees of the window's pixels
    for index, layer in enumerate(plan):
        size = (1 if window[0] == 1 else layer.size, layer.size)
        wider = (reach[0] + (size[0] - 1) * layer.dilation, reach[1] + (size[1] - 1) * layer.dilation)
        seen = np.zeros((len(filters), *size, channels, *wider))
        for i, j in np.ndindex(*size):
            y, x = i * layer.dilation, j * layer.dilation
            seen[:, i, j, :, y : y + reach[0], x : x + reach[1]] = filters
        if index == 0:
            seen -= seen.mean(axis=(1, 2), keepdims=True)
        inputs = seen.reshape(-1, channels * math.prod(wider))
        response, noise = inputs @ _images(waves, channels, wider).T, inputs @ inputs.T
        noise += RIDGE * np.trace(noise) / len(noise) * np.eye(len(noise))
        if index < len(plan) - 1:
            kernel = _principal(response, noise, waves, layer.width)
        else:
            kernel = _measuring(response, noise, waves)
        filters, reach = (kernel @ inputs).reshape(-1, channels, *wider), wider
        kernels.append(kernel.reshape(-1, *seen.shape[:3]))
    return kernels


def _images(waves: Waves, channels: int, size: tuple[int, int]) -> Complex:
    """Waves ``(n, C h w)`` of modulus 1 in their channels."""
    y, x = (np.arange(n) - (n - 1) / 2 for n in size)
    turns = waves.vectors[:, :1, None] * y[:, None] + waves.vectors[:, 1:, None] * x
    images = np.zeros((len(waves.vectors), channels, *size), complex)
    images[np.arange(len(images)), waves.channel] = np.exp(2j * math.pi * turns)
    return images.reshape(len(images), -1)


def _covariance(response: Complex, power: Float64) -> Float64:
    """Covariance ``(inputs, inputs)`` of real waves of random phase, with ``response (inputs, n)``."""
    scaled = response * np.sqrt(2 * power)
    return np.asarray(scaled.real @ scaled.real.T + scaled.imag @ scaled.imag.T)


def _principal(response: Complex, noise: Float64, waves: Waves, count: int) -> Float64:
    """Principal components ``(count, inputs)`` of the waves, which pass the noise with gain 1.

    Of fewer inputs there are fewer; they are repeated.
    """
    root = np.linalg.inv(np.linalg.cholesky(noise))
    weight = waves.weight / waves.weight.max() + LEAST_WEIGHT
    axes = np.linalg.eigh(root @ _covariance(response, weight) @ root.T)[1].T[::-1]
    return np.asarray(axes[np.arange(count) % len(axes)] @ root)


def _measuring(response: Complex, noise: Float64, waves: Waves) -> Float64:
    """Filters ``(2 m, inputs)`` for the real and imaginary parts of the coefficients that are measured.

    With many channels the layers below cannot pass every wave. A wave of which they pass one phase or none has filters
    of zeros: it is not measured.
    """
    total = waves.noise * noise + _covariance(response, waves.power)
    rows = []
    for wave in waves.measured:
        both = np.stack([response[:, wave], response[:, wave].conj()], axis=1)
        if np.linalg.cond(both) > MOST_CONDITION:
            rows += [np.zeros(len(noise))] * 2
            continue
        solved = np.linalg.solve(total, both)
        row = np.linalg.solve((both.conj().T @ solved).T, np.array([1.0, 0.0])) @ solved.conj().T
        row /= math.sqrt((row @ noise @ row.conj()).real / 2)
        rows += [row.real, row.imag]
    return np.array(rows)
