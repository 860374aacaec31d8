"""Remove hot and dead pixels from a channel before its spectrum is computed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64

__all__ = ["despike"]


#: A pixel is examined when it is this many noise deviations from the mean of the pixels left and right of it.
SUSPECT = 5.0
#: A pixel is an outlier when its distance from the median of its neighbours exceeds this many noise deviations plus
#: this many interquartile ranges of theirs. The centre of a narrow column (Gaussian of 1 px) is two such ranges away.
AWAY, SPREADS = 5.0, 3.0
#: When more than this share of the pixels are outliers they are structure, and stay.
MOST = 0.05
#: Number of standard deviations within which nine tenths of normal noise lie.
NINE_TENTHS = 1.645


def despike(channel: Float64) -> Float64:
    """Replace isolated outliers by the median of their neighbours.

    Parameters
    ----------
    channel
        float64 ``(height, width)``; height 1 for signals.

    Returns
    -------
    ndarray
        float64 ``(height, width)``: the channel itself if it has no outlier, else a copy.
    """
    height, width = channel.shape
    if width < 3:
        return channel
    bend = np.empty_like(channel)
    bend[:, 1:-1] = channel[:, 1:-1] - 0.5 * (channel[:, :-2] + channel[:, 2:])
    bend[:, 0], bend[:, -1] = channel[:, 0] - channel[:, 1], channel[:, -1] - channel[:, -2]
    np.abs(bend, out=bend)
    noise = float(np.quantile(bend[:: max(1, height // 256)], 0.9)) / NINE_TENTHS
    row, col = np.nonzero(bend > SUSPECT * noise)
    if not len(row):
        return channel
    around = [(dy, dx) for dy in ((-1, 0, 1) if height > 1 else (0,)) for dx in (-2, -1, 0, 1, 2)]
    around = [(dy, dx) for dy, dx in around if (dy or dx) and (height == 1 or abs(dx) < 2)]
    near = np.stack([channel[_mirrored(row + dy, height), _mirrored(col + dx, width)] for dy, dx in around])
    low, middle, high = np.quantile(near, [0.25, 0.5, 0.75], axis=0)
    out = np.abs(channel[row, col] - middle) > AWAY * noise + SPREADS * (high - low)
    if not out.any() or out.sum() > MOST * channel.size:
        return channel
    channel = channel.copy()
    channel[row[out], col[out]] = middle[out]
    return channel


def _mirrored(at: NDArray[np.intp], length: int) -> NDArray[np.intp]:
    """Indices reflected at the ends of an axis, so that an edge pixel is not its own neighbour."""
    return np.asarray(np.where(at < 0, -at, np.where(at >= length, 2 * length - 2 - at, at)))
