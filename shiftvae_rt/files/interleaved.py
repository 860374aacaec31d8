"""Arrays whose last axis holds the samples of a pixel: colours or detectors. A tag of the file or the user tells."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .grey import to_grey

__all__ = ["is_interleaved", "is_picture", "sample_names", "take_samples"]

#: A last axis this short is no width: no window fits into it.
MOST_SAMPLES = 4


def is_interleaved(shape: tuple[int, ...]) -> bool:
    """Tell whether `shape` is ``([frames,] height, width, samples)``, by its short last axis."""
    return len(shape) in (3, 4) and 2 <= shape[-1] <= MOST_SAMPLES < min(shape[-3:-1])


def is_picture(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """Tell whether this is a colour picture: three or four samples of 8 bits. No one records three 8-bit detectors."""
    return is_interleaved(shape) and shape[-1] >= 3 and dtype == np.uint8


def sample_names(samples: int) -> list[str]:
    """List what can be taken from such pixels: one sample, all as channels, or the grey value of colours."""
    return [*map(str, range(samples)), "all", *(["grey"] if samples in (3, 4) else [])]


def take_samples(pixels: NDArray[Any], choice: str) -> tuple[NDArray[Any], str]:
    """Give one sample or the grey value ``(..., height, width)``, or all samples ``(..., samples, height, width)``.

    The second result says in words what was taken. `choice` is one of `sample_names`.
    """
    if choice == "grey":
        return to_grey(pixels)
    if choice == "all":
        return np.moveaxis(pixels, -1, -3), f"{pixels.shape[-1]} samples a pixel as channels"
    return pixels[..., int(choice)], f"sample {choice} of {pixels.shape[-1]}"
