"""Check that float32 can hold the values of frames and their squares, such as currents in amperes."""

from __future__ import annotations

import numpy as np

from shiftvae_rt.errors import TrainingError

from ..sampling import Frames

__all__ = ["check_range"]

#: Smallest contrast and largest magnitude of frames; float32 holds 1e-38 to 1e38.
LEAST_CONTRAST, LARGEST_VALUE = 1e-30, 1e30


def check_range(frames: Frames) -> None:
    """Check that ``frames (C, H, W)`` have a contrast, and values that the networks can hold.

    Raises
    ------
    TrainingError
        with the contrast or the largest value.
    """
    lows, highs = (np.array([getattr(frame, which)() for frame in frames], np.float64) for which in ("min", "max"))
    largest, contrast = max(abs(lows.min()), abs(highs.max())), float((highs / 2 - lows / 2).max()) * 2
    if contrast == 0:
        raise TrainingError("the frames are constant: the beam is blanked or the wrong dataset was read")
    if contrast < LEAST_CONTRAST or largest > LARGEST_VALUE:
        raise TrainingError(
            f"expected frames with values up to {LARGEST_VALUE:g} and a contrast of at least {LEAST_CONTRAST:g}, got "
            f"values up to {largest:.3g} and a contrast of {contrast:.3g}: multiply the frames by a constant"
        )
