"""The grid of windows of a frame: its rows, columns and window centres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import WindowError

__all__ = ["WindowGrid"]


@dataclass(frozen=True)
class WindowGrid:
    """The regular grid of windows that fit into a frame.

    Parameters
    ----------
    frame_shape
        ``(height, width)`` in px; a 1D signal has height 1.
    window
        ``(height, width)`` of a window in px.
    stride
        px between neighbouring windows along both axes, at least 1.

    Raises
    ------
    WindowError
        if no window fits, or a number is not positive.
    """

    frame_shape: tuple[int, int]
    window: tuple[int, int]
    stride: int = 1

    def __post_init__(self) -> None:
        if min(self.window) < 1 or self.stride < 1:
            raise WindowError(
                f"window and stride must be at least 1 px, got window {self.window} and stride {self.stride}"
            )
        if self.frame_shape[0] < self.window[0] or self.frame_shape[1] < self.window[1]:
            raise WindowError(
                f"the frame is {self.frame_shape[0]} x {self.frame_shape[1]} px (height x width), smaller than the "
                f"window of {self.window[0]} x {self.window[1]} px: scan a larger area or train with a smaller window"
            )

    @property
    def rows(self) -> int:
        """Number of window rows."""
        return (self.frame_shape[0] - self.window[0]) // self.stride + 1

    @property
    def cols(self) -> int:
        """Number of window columns."""
        return (self.frame_shape[1] - self.window[1]) // self.stride + 1

    @property
    def centre_y_px(self) -> NDArray[np.float64]:
        """Positions of the window centres along y, ``(rows,)``, px; pixel centres are whole numbers."""
        return np.arange(self.rows, dtype=np.float64) * self.stride + (self.window[0] - 1) / 2

    @property
    def centre_x_px(self) -> NDArray[np.float64]:
        """Positions of the window centres along x, ``(cols,)``, px."""
        return np.arange(self.cols, dtype=np.float64) * self.stride + (self.window[1] - 1) / 2

    def rows_complete(self, valid_rows: int) -> int:
        """Number of window rows that lie wholly in the first `valid_rows` lines of the frame."""
        return max(0, (min(valid_rows, self.frame_shape[0]) - self.window[0]) // self.stride + 1)
