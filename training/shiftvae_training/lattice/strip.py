"""Lattice of an area only a few periods wide, fitted to its pixels.

Tiles of six periods do not fit into a narrow strip, and smaller tiles contain its edge, which biases the phases and
with them the period (by 3 % at three periods). Here all waves are fitted together by least squares, to the pixels
within the area alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter, uniform_filter

from shiftvae_rt.array_types import Float64

__all__ = ["fit_in_strip", "is_strip"]


#: An area with fewer periods than this along an axis is a strip.
FEW = 6.0
#: Edge of the area: where the local deviation is this share of the way from that of the lowest tenth of the frame to
#: that of the highest.
ENDS = 0.5
#: Largest number of pixels that are fitted; of larger areas every second, third ... line is used.
MOST_PIXELS = 20_000
#: Largest change of a wave, in periods over the longer side of the area.
FURTHEST = 0.5


def is_strip(where: NDArray[np.bool_], vectors: Float64) -> bool:
    """Tell whether the area ends inside the frame, fewer than six periods of ``vectors (2, 2)`` px apart on an axis.

    A frame that is itself only a few periods wide has no edge that could draw a wave towards it.
    """
    if len(vectors) < 2 or not where.any():
        return False
    longest = float(np.hypot(*vectors.T).max())
    sides = [(float(np.ptp(np.flatnonzero(where.any(axis=1 - axis)))) + 1, where.shape[axis]) for axis in (0, 1)]
    return any(side < FEW * longest and side < length - longest for side, length in sides)


def fit_in_strip(
    channels: list[Float64], reciprocal: Float64, orders: NDArray[np.intp], where: NDArray[np.bool_]
) -> Float64:
    """Refine the reciprocal basis of a lattice in a strip.

    Parameters
    ----------
    channels
        Channels ``(height, width)``, float, mean removed, equally scaled.
    reciprocal
        float64 ``(2, 2)``, (y, x) in cycles per px.
    orders
        int ``(n, 2)``: the waves to fit together, without their conjugates.
    where
        bool ``(height, width)``: the area, accurate to a period.

    Returns
    -------
    ndarray
        float64 ``(2, 2)``: the refined basis, or the given one if there are too few pixels or the fit diverges.
    """
    period = round(float(np.hypot(*np.linalg.pinv(reciprocal)).max()))
    inside = where & _full(channels, period)
    y, x = np.nonzero(inside)
    every = -(-len(y) // MOST_PIXELS)
    if every > 1:
        keep = y % every == 0
        y, x = y[keep], x[keep]
    if len(y) < 8 * (2 * len(orders) + 3):
        return reciprocal
    places = np.stack([y, x], axis=1).astype(float)
    places -= places.mean(axis=0)
    extent = np.ptp(places, axis=0) + 1
    values = np.stack([channel[y, x] for channel in channels], axis=1)
    values -= values.mean(axis=0)
    slopes = np.concatenate([np.ones((len(places), 1)), places / extent], axis=1)

    def left(flat: Float64) -> Float64:
        """Residual of the pixels after a least-squares fit of the waves of this basis."""
        turns = 2 * np.pi * places @ (orders @ (reciprocal + flat.reshape(2, 2) / extent)).T
        design = np.concatenate([slopes, np.cos(turns), np.sin(turns)], axis=1)
        amplitudes = np.linalg.lstsq(design.T @ design, design.T @ values, rcond=1e-9)[0]
        return np.asarray((values - design @ amplitudes).ravel())

    from scipy.optimize import least_squares  # slow to import, and few areas are strips

    found = least_squares(left, np.zeros(4), x_scale=0.05, max_nfev=12, bounds=(-FURTHEST, FURTHEST)).x
    if np.abs(found).max() > 0.99 * FURTHEST:
        return reciprocal
    return np.asarray(reciprocal + np.reshape(found, (2, 2)) / extent)


def _full(channels: list[Float64], period: int) -> NDArray[np.bool_]:
    """Mask ``(H, W)`` of the pixels at least half a period within the part of the frame with high local deviation."""
    size = [min(max(3, period | 1), n) for n in channels[0].shape]
    level = [uniform_filter(channel, size, mode="nearest") for channel in channels]
    square = [uniform_filter(channel * channel, size, mode="nearest") for channel in channels]
    deviation = np.sqrt(np.maximum(np.sum([s - m * m for s, m in zip(square, level, strict=True)], axis=0), 0.0))
    low, high = np.quantile(deviation, [0.1, 0.9])
    if high < 1.5 * low:
        return np.ones(deviation.shape, dtype=bool)
    full = (deviation > low + ENDS * (high - low)).astype(np.uint8)
    return np.asarray(minimum_filter(full, size, mode="nearest") > 0)
