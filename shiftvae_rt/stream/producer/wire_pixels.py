"""Pixels as the wire carries them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import FrameError
from ...frame import DTYPES

__all__ = ["wire_pixels"]


def wire_pixels(array: ArrayLike) -> NDArray[Any]:
    """Convert `array` to what the wire carries: a dtype of `DTYPES`, little-endian, one to three axes."""
    pixels = np.asarray(array)
    if pixels.dtype.name not in DTYPES:
        raise FrameError(f"expected pixels of dtype {', '.join(DTYPES)}, got {pixels.dtype.name}: convert them first")
    if not 1 <= pixels.ndim <= 3 or pixels.size == 0:
        raise FrameError(f"expected (height, width), (channels, height, width) or a signal, got shape {pixels.shape}")
    return pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)
