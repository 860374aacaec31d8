"""The average under which phases of the lattice are taken, and the noise that it leaves in their gradients."""

from __future__ import annotations

import functools
import math

import numpy as np

from ..array_types import Float64
from ..errors import WindowError
from ..fields import GrainLattice
from .window_grid import WindowGrid

__all__ = ["half_box", "lattice_vectors", "slopes"]

#: Width of the average, in periods of the longest lattice vector: the standard deviation of a Gaussian as wide.
AVERAGED_PERIODS = 1.0


def lattice_vectors(lattice: GrainLattice) -> Float64:
    """Two lattice vectors ``(vector, axis)``, px.

    Raises
    ------
    WindowError
        for lattice vectors that are parallel, or not two.
    """
    vectors = np.asarray(lattice.vectors, float)
    if vectors.shape != (2, 2) or abs(np.linalg.det(vectors)) < 1e-6:
        raise WindowError(f"expected two lattice vectors (y, x) that are not parallel, got {lattice.vectors}")
    return vectors


def half_box(vectors: Float64, stride: int) -> int:
    """Windows on either side of the middle of a box; two boxes, one after the other, are as wide as the Gaussian.

    The longest of ``vectors (n, 2)``, px, counts: those of all grains.
    """
    width = AVERAGED_PERIODS * float(np.hypot(*vectors.T).max()) / stride
    return max(1, round((math.sqrt(6 * width**2 + 1) - 1) / 2))


@functools.lru_cache(maxsize=16)  # a stream of frames asks for the same each time
def slopes(half: int, grid: WindowGrid) -> list[list[float]]:
    """Deviation of the gradient of y and of x, along y and along x, for a deviation of the shift of 1 px; 1 / px.

    The shifts of windows that share pixels share their noise: they are as alike as the windows overlap.
    """
    box = np.ones(2 * half + 1) / (2 * half + 1)
    average = np.convolve(box, box)
    slope = (np.concatenate([average, [0, 0]]) - np.concatenate([[0, 0], average])) / (2 * grid.stride)
    (down, across_y), (along, across_x) = (
        [_noise_under(weights, grid.stride, side) for weights in (slope, average)] for side in grid.window
    )
    return [[down * across_x, along * across_y]] * 2


def _noise_under(weights: Float64, stride: int, window: int) -> float:
    apart = np.abs(np.subtract.outer(np.arange(len(weights)), np.arange(len(weights)))) * stride
    alike = np.maximum(0.0, 1 - apart / window)
    return float(np.sqrt(weights @ alike @ weights))
