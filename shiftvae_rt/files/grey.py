"""Grey values from colour images. Detectors are grey; colour was added when the picture was exported."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NEARLY_GREY", "to_grey"]

#: Largest difference between two channels of a grey image after lossy compression, relative to the dtype's range.
NEARLY_GREY = 0.02

_REC_601 = (0.299, 0.587, 0.114)


def to_grey(colour: NDArray[Any]) -> tuple[NDArray[Any], str]:
    """Give the grey image behind a colour one.

    Parameters
    ----------
    colour
        ``(..., height, width, channels)`` of 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha) channels. Alpha is dropped.

    Returns
    -------
    pixels, note
        ``(..., height, width)``: the channel itself (same dtype) where all three are equal, their mean (float32) where
        they are equal within `NEARLY_GREY`, else the Rec. 601 luminance (float32); the note says which.
    """
    if colour.shape[-1] == 2:
        return colour[..., 0], "alpha channel dropped"
    red, green, blue = (colour[..., channel] for channel in range(3))
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return red, "RGB with equal channels read as grey"
    rgb = colour[..., :3].astype(np.float32)
    full = np.iinfo(colour.dtype).max if colour.dtype.kind in "ui" else float(np.abs(rgb).max())
    if np.ptp(rgb, axis=-1).max() <= NEARLY_GREY * full:
        return rgb.mean(axis=-1, dtype=np.float32), "RGB with nearly equal channels: mean of the three"
    weights = np.asarray(_REC_601, dtype=np.float32)
    return rgb @ weights, "colour image: luminance 0.299 R + 0.587 G + 0.114 B (Rec. 601)"
