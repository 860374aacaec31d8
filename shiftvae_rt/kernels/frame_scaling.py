"""Scaling of frames for dense networks: the constant subtracted, and what windows are divided by (C++ kernels)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _core
from .frame_arrays import buffer_for, check_frame, per_channel
from .window_grid import WindowGrid

__all__ = ["LEAST_SD", "frame_centre", "window_deviations"]

#: Least standard deviation that windows are divided by: a constant window becomes zeros.
LEAST_SD = 1e-15


def frame_centre(frame: NDArray[Any], window: tuple[int, int]) -> NDArray[np.float64]:
    """Give the constant ``(C,)`` that is subtracted from each channel of ``frame (C, H, W)`` before it is encoded.

    It is the mean of the lines of the first row of windows; of those alone, so that a frame that arrives line by line
    is treated like a whole one. It is rounded to a multiple of a power of two near a 500th of their range, so that
    counts minus it are exact in float32, and heights in metres lose their offset too. It is 0 for pixels of 8 and 16
    bits, whose sums are exact.
    """
    return np.array(_core.frame_centre(frame, window[0]))


def window_deviations(
    frame: NDArray[Any],
    window: tuple[int, int],
    stride: int,
    *,
    centre: ArrayLike,
    channel_scale: Sequence[float],
    sd_floor: float,
) -> NDArray[np.float32]:
    """Standard deviation of every window, one for all channels, as dense networks are divided by it.

    Parameters
    ----------
    frame, window, stride, centre
        As for `window_statistics`.
    channel_scale
        Factor of each channel.
    sd_floor
        Least deviation, in scaled units, above 0: a constant window becomes zeros.

    Returns
    -------
    ndarray
        ``(rows, cols)`` float32, in scaled units: the root of the mean of the channels' variances.

    Raises
    ------
    FrameError
        for a frame of another shape, dtype or memory layout.
    WindowError
        for a window that does not fit.
    """
    check_frame(frame)
    grid = WindowGrid((frame.shape[1], frame.shape[2]), window, stride)
    out = buffer_for(None, (grid.rows, grid.cols), "deviations")
    _core.window_deviations(frame, grid.window, stride, per_channel(frame, centre), channel_scale, sd_floor, out)
    return out
