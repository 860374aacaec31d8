"""Sample windows: a few windows of a frame, kept as its lines arrive, to be compared with what the decoder draws."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..array_types import Float32
from ..kernels.window_grid import WindowGrid
from ..kernels.windows import extract_windows_at
from .manifest import Intensity

__all__ = ["SAMPLES", "Samples", "normalised_windows"]

#: Number of windows along each axis of an image; a line signal has the square of it.
SAMPLES = 4
#: Quantile of the windows that represents the specimen: three quarters of a frame may be vacuum.
SPECIMEN = 0.75


class Samples:
    """Windows on a coarse grid, as the encoder sees them.

    Parameters
    ----------
    grid
        All windows of the frame.
    intensity
        Scaling of the model.
    """

    def __init__(self, grid: WindowGrid, intensity: Intensity) -> None:
        self._grid, self._intensity = grid, intensity
        self._rows, self.cols = _places(grid.rows, grid.cols)
        self._taken: list[Float32] = []
        self._contrast: list[NDArray[np.float64]] = []
        self._grain: list[NDArray[np.float64]] = []
        self._count = 0

    def take(self, lines: NDArray[Any], top: int, first: int, last: int) -> None:
        """Keep the samples among map rows `first` to `last`; ``lines (C, n, W)`` begin at line `top` of the frame."""
        rows = self._rows[(self._rows >= first) & (self._rows < last)]
        if not len(rows):
            return
        stride = self._grid.stride
        origins = np.empty((len(rows), len(self.cols), 2), np.int64)
        origins[..., 0], origins[..., 1] = (rows * stride - top)[:, None], self.cols * stride
        self._taken.append(normalised_windows(lines, origins.reshape(-1, 2), self._grid.window, self._intensity))
        contrast, grain = _contrast_and_grain(lines, origins.reshape(-1, 2), self._grid.window, self._intensity)
        self._contrast.append(contrast)
        self._grain.append(grain)
        self._count += len(rows)

    @property
    def rows(self) -> NDArray[np.int64]:
        """Map rows ``(n,)`` of the samples so far."""
        return self._rows[: self._count]

    @property
    def share(self) -> float:
        """Share of the frame's samples that have come, above 0 to 1; 1 before the first."""
        return self._count / len(self._rows) if self._count else 1.0

    @property
    def windows(self) -> Float32:
        """Windows ``(n, C, h, w)`` of the samples so far, row by row."""
        return np.concatenate(self._taken)

    @property
    def contrast(self) -> float:
        """Upper quartile of the samples' standard deviations, in units of the training data's."""
        return float(np.quantile(np.concatenate(self._contrast), SPECIMEN))

    @property
    def grain(self) -> float:
        """Upper quartile of the step between neighbouring floats at the samples' level, in the units of `contrast`."""
        return float(np.quantile(np.concatenate(self._grain), SPECIMEN))


@lru_cache(maxsize=64)
def _places(rows: int, cols: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the rows and the columns of the map that are sampled."""
    along = (1, SAMPLES**2) if rows == 1 else (SAMPLES, SAMPLES)
    first, second = (np.unique((2 * np.arange(n) + 1) * m // (2 * n)) for n, m in zip(along, (rows, cols), strict=True))
    return first, second


def normalised_windows(
    frame: NDArray[Any], origins: ArrayLike, window: tuple[int, int], intensity: Intensity
) -> Float32:
    """Cut windows ``(n, C, h, w)`` at ``origins (n, 2)`` y, x of ``frame (C, H, W)``, in units of their deviation."""
    scale, floor = intensity.channel_scale, intensity.sd_floor
    if len(scale) == 1:
        return extract_windows_at(frame, origins, window, normalisation="zscore", sd_floor=floor / scale[0])
    windows = np.stack([frame[:, y : y + window[0], x : x + window[1]] for y, x in np.asarray(origins)]).astype(float)
    windows -= windows.mean(axis=(2, 3), keepdims=True)
    windows *= np.reshape(scale, (-1, 1, 1))
    sd = np.sqrt(np.square(windows).mean(axis=(1, 2, 3), keepdims=True))
    windows /= np.maximum(sd, floor)
    return windows.astype(np.float32)


def _contrast_and_grain(
    frame: NDArray[Any], origins: ArrayLike, window: tuple[int, int], intensity: Intensity
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give scaled deviations ``(n,)`` of windows of ``frame (C, H, W)``, and the steps between floats of their size."""
    scale = np.asarray(intensity.channel_scale)
    windows = np.stack([frame[:, y : y + window[0], x : x + window[1]] for y, x in np.asarray(origins)])
    contrast = np.sqrt(np.square(windows.std(axis=(2, 3), dtype=np.float64) * scale).mean(axis=1))
    if frame.dtype.kind != "f":
        return contrast, np.zeros(len(windows))
    level = np.abs(windows).max(axis=(2, 3))
    return contrast, np.asarray((np.spacing(level).astype(np.float64) * scale).max(axis=1))
