"""The standard deviations that a dense network's features are divided by."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...array_types import Float32
from ...kernels.windows import window_statistics
from ...model.manifest import Manifest
from .route import LEAST_SD

__all__ = ["Deviations"]


class Deviations:
    """Standard deviations of windows, one for all channels, in scaled units.

    Parameters
    ----------
    manifest
        The model's manifest.
    stride
        px between windows.
    """

    def __init__(self, manifest: Manifest, stride: int) -> None:
        self._window, self._stride = manifest.window, stride
        self._scale = np.asarray(manifest.intensity.channel_scale, np.float32)
        self._floor = np.float32(max(manifest.intensity.sd_floor, LEAST_SD))

    def of(self, lines: NDArray[Any], centre: NDArray[np.float64]) -> Float32:
        """Give ``(rows, cols)``, one for every window in ``lines (C, H, W)``; `centre` as for `window_statistics`."""
        _, sd = window_statistics(lines, self._window, self._stride, centre=centre)
        if len(sd) == 1:
            sd *= self._scale[0]
        else:
            scaled = (self._scale[:, None, None] * sd).astype(np.float64)
            sd = np.sqrt(np.square(scaled).mean(axis=0, keepdims=True)).astype(np.float32)
        np.maximum(sd, self._floor, out=sd)
        found: Float32 = sd[0]
        return found
