"""The constant that is subtracted from a frame before it is encoded, so that float32 keeps its digits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NO_CENTRE", "frame_centre"]

#: The centre of frames of 8 and 16 bit, whose sums are exact without one.
NO_CENTRE = np.zeros(())


def frame_centre(pixels: NDArray[Any], window: tuple[int, int]) -> NDArray[np.float64]:
    """Give the constant ``(C,)`` that is subtracted from each channel of ``pixels (C, H, W)``.

    It is the mean of the lines of the first row of windows; of those alone, so that a frame that arrives line by line
    is treated like a whole one. It is rounded to a multiple of a power of two near a 500th of their range, so that
    counts minus it are exact in float32, and heights in metres lose their offset too.
    """
    first = pixels[:, : window[0]]
    centre: NDArray[np.float64] = first.mean(axis=(1, 2), dtype=np.float64)
    extent = first.max(axis=(1, 2)).astype(np.float64) - first.min(axis=(1, 2))
    grain = np.ldexp(1.0, np.frexp(extent)[1] - 9)
    rounded: NDArray[np.float64] = np.where(extent > 0, np.rint(centre / grain) * grain, first[:, 0, 0])
    return rounded
