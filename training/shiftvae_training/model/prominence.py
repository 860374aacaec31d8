"""Topographic prominence of the maxima of an image: the least descent on a path to a higher maximum.

A faint column between bright ones may lie below the median of the image, and still be a separate hill. Prominence is
compared with the noise, estimated from fourth differences along both axes, to which slopes and columns contribute
little.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64

__all__ = ["fine_noise", "prominent_maxima"]


#: Fourth difference. Along both axes it gives a 40th of the height of a Gaussian of 2 px, and 70 noise deviations.
FOURTH = np.array([1.0, -4.0, 6.0, -4.0, 1.0])
#: Median of the magnitude of a normal deviate.
MEDIAN = 0.6745


def prominent_maxima(image: Float64, least: float) -> NDArray[np.intp]:
    """Maxima of ``image (H, W)`` with a prominence of at least `least`, ``(n, 2)`` row and column, highest first.

    The highest has the range of the image as its prominence. Maxima on the edge are left out.
    """
    height, width = image.shape
    values, order = image.ravel(), np.argsort(-image, axis=None, kind="stable")
    hill = np.full(image.size, -1)  # highest pixel of the hill that a pixel belongs to; -1 until it is reached
    joined: dict[int, int] = {}
    prominence: dict[int, float] = {}

    def top_of(pixel: int) -> int:
        top = int(hill[pixel])
        while joined[top] != top:
            top = joined[top]
        return top

    for pixel in order.tolist():
        y, x = divmod(pixel, width)
        beside = [
            top_of(row * width + col)
            for row in range(max(0, y - 1), min(height, y + 2))
            for col in range(max(0, x - 1), min(width, x + 2))
            if hill[row * width + col] >= 0
        ]
        highest = max(beside, key=values.__getitem__, default=pixel)
        hill[pixel], joined[highest] = highest, highest
        for other in set(beside) - {highest}:  # two hills meet at this pixel: the lower one ends
            joined[other], prominence[other] = highest, float(values[other] - values[pixel])
    prominence[int(order[0])] = float(np.ptp(values))
    found = [(-values[pixel], *divmod(pixel, width)) for pixel, rise in prominence.items() if rise >= max(least, 1e-12)]
    inner = [(y, x) for _, y, x in sorted(found) if 0 < x < width - 1 and (height == 1 or 0 < y < height - 1)]
    return np.array(inner, dtype=np.intp).reshape(-1, 2)


def fine_noise(image: Float64) -> float:
    """Standard deviation of the white noise in ``image (H, W)``; H = 1 for a line. 0 if the image is too small."""
    kernel = FOURTH[None] if len(image) == 1 else np.outer(FOURTH, FOURTH)
    if any(n < k for n, k in zip(image.shape, kernel.shape, strict=True)):
        return 0.0
    windows = np.lib.stride_tricks.sliding_window_view(image, kernel.shape)
    differences = np.abs(np.einsum("ijkl,kl->ij", windows, kernel))
    return float(np.median(differences) / MEDIAN / np.linalg.norm(kernel))
