"""A frame that arrives in rectangles, in any order: its lines become valid from the top as they fill."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rectangles"]


class Rectangles:
    """Assembles one frame from its rectangles.

    Parameters
    ----------
    shape
        Shape of the frame: ``(height, width)`` or ``(channels, height, width)``.
    dtype
        Dtype of its pixels.

    Attributes
    ----------
    pixels
        The frame; lines from `valid_rows` on are incomplete.
    valid_rows
        Number of lines, counted from the top, of which every pixel has arrived.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.pixels: NDArray[Any] = np.empty(shape, dtype)
        self.valid_rows = 0
        self._there = np.zeros(shape[-2:], np.bool_)
        self._filled = np.zeros(shape[-2], np.int64)  # number of pixels of each line that have arrived

    def place(self, rectangle: NDArray[Any], y: int, x: int) -> bool:
        """Copy in a rectangle whose first pixel is ``(y, x)``; False, and no change, if any pixel was there before."""
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
