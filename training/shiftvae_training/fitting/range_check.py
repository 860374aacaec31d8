"""Numbers that float32 can hold, and their squares: contrasts of currents in amperes, not of what nobody measures."""

from __future__ import annotations

import numpy as np

from shiftvae_rt.errors import TrainingError

from ..sampling import Frames

__all__ = ["check_range"]

#: Contrast and values of frames lie between these; float32 holds 1e-38 to 1e38.
LEAST_CONTRAST, LARGEST_VALUE = 1e-30, 1e30


def check_range(frames: Frames) -> None:
    """Refuse frames ``(C, H, W)`` without contrast, or with one that the networks cannot hold.

    Raises
    ------
    TrainingError
        with the contrast or the value that was found.
    """
    lows, highs = (np.array([getattr(frame, which)() for frame in frames], np.float64) for which in ("min", "max"))
    largest, contrast = max(abs(lows.min()), abs(highs.max())), float((highs / 2 - lows / 2).max()) * 2
    if contrast == 0:
        raise TrainingError("the frames are constant: the beam is blanked or the wrong dataset was read")
    if contrast < LEAST_CONTRAST or largest > LARGEST_VALUE:
        raise TrainingError(
            f"the frames have values up to {largest:.3g} and a contrast of {contrast:.3g}, expected at most "
            f"{LARGEST_VALUE:g} and at least {LEAST_CONTRAST:g}: multiply them by a constant"
        )
