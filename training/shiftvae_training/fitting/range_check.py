"""Check that float32 can hold the values of frames and their squares, such as currents in amperes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.errors import TrainingError

__all__ = ["check_range"]

#: Smallest contrast and largest magnitude of frames; float32 holds 1e-38 to 1e38.
LEAST_CONTRAST, LARGEST_VALUE = 1e-30, 1e30


def check_range(limits: NDArray[np.float64]) -> None:
    """Check that frames with values within ``limits (N, C, 2)`` have a contrast, and that the networks can hold them.

    Raises
    ------
    TrainingError
        with the contrast or the largest value.
    """
    lows, highs = limits[..., 0].min(axis=1), limits[..., 1].max(axis=1)
    largest, contrast = max(abs(lows.min()), abs(highs.max())), float((highs / 2 - lows / 2).max()) * 2
    if contrast == 0:
        raise TrainingError("the frames are constant: the beam is blanked or the wrong dataset was read")
    if contrast < LEAST_CONTRAST or largest > LARGEST_VALUE:
        raise TrainingError(
            f"expected frames with values up to {LARGEST_VALUE:g} and a contrast of at least {LEAST_CONTRAST:g}, got "
            f"values up to {largest:.3g} and a contrast of {contrast:.3g}: multiply the frames by a constant"
        )
