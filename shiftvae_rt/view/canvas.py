"""Canvases: images that grow line by line, thinned out to what a screen shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..array_types import Float32

__all__ = ["MOST_EDGE", "Canvas"]

#: Longest edge of what is shown; of a larger image every second, third, ... line and column is taken.
MOST_EDGE = 640


class Canvas:
    """Images that grow line by line from the top, over those of the frame before.

    Parameters
    ----------
    shape
        ``(images, height, width)`` at full size.
    before
        The canvas of the frame before, whose values stay until lines replace them; None, or one of another shape: NaN.
    whole
        Whether all lines are put at once, before anybody looks: then nothing is filled in until they come.

    Attributes
    ----------
    step
        Every this many-th line and column is kept.
    values
        ``(images, rows, cols)`` float32.
    rows
        Number of rows of this frame, from the top.
    """

    def __init__(self, shape: tuple[int, int, int], before: Canvas | None = None, *, whole: bool = False) -> None:
        images, height, width = self.shape = shape
        self.step = step = -(-max(height, width) // MOST_EDGE)
        if before is not None and before.shape == shape and not whole:
            self.values: Float32 = before.values.copy()
        else:
            self.values = np.empty((images, -(-height // step), -(-width // step)), np.float32)
            if not whole:
                self.values.fill(np.nan)
        self.rows = 0

    def put(self, lines: NDArray[np.generic], first: int) -> None:
        """Write ``lines (images, n, width)``, of which the first is line `first`."""
        skip = -first % self.step
        kept = lines[:, skip :: self.step, :: self.step]
        at = (first + skip) // self.step
        with np.errstate(over="ignore"):  # float64 beyond float32 becomes infinite, and is not shown
            self.values[:, at : at + kept.shape[1]] = kept
        self.rows = max(self.rows, at + kept.shape[1])
