"""A frame that comes in rectangles, in any order: its lines become valid from the top as they fill."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rectangles"]


class Rectangles:
    """Puts the rectangles of one frame in their places.

    Parameters
    ----------
    shape
        Of the frame: ``(height, width)`` or ``(channels, height, width)``.
    dtype
        Of its pixels.

    Attributes
    ----------
    pixels
        The frame; what lies below `valid_rows` is not all there.
    valid_rows
        Lines from the top that are there from their first to their last pixel.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.pixels: NDArray[Any] = np.empty(shape, dtype)
        self.valid_rows = 0
        self._there = np.zeros(shape[-2:], np.bool_)
        self._filled = np.zeros(shape[-2], np.int64)  # pixels of each line that are there

    def place(self, rectangle: NDArray[Any], y: int, x: int) -> bool:
        """Copy a rectangle in, its first pixel to ``(y, x)``; False, and nothing changes, where pixels are already."""
        rows, cols = rectangle.shape[-2:]
        there = self._there[y : y + rows, x : x + cols]
        if there.any():
            return False
        there[...] = True
        self.pixels[..., y : y + rows, x : x + cols] = rectangle
        self._filled[y : y + rows] += cols
        lacking = np.flatnonzero(self._filled[self.valid_rows :] < self._there.shape[1])
        self.valid_rows = self.valid_rows + int(lacking[0]) if len(lacking) else len(self._filled)
        return True
