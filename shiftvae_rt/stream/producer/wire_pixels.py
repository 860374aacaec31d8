"""Pixels and context as the wire carries them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import FrameError
from ...frame import DTYPES
from ..protocol.wire import MAX_CONTEXT_BYTES

__all__ = ["wire_context", "wire_pixels", "wire_rows"]


def wire_pixels(array: ArrayLike) -> NDArray[Any]:
    """Convert `array` to what the wire carries: a dtype of `DTYPES`, little-endian, one to three axes."""
    pixels = np.asarray(array)
    if pixels.dtype.name not in DTYPES:
        raise FrameError(f"expected pixels of dtype {', '.join(DTYPES)}, got {pixels.dtype.name}: convert them first")
    if not 1 <= pixels.ndim <= 3 or pixels.size == 0:
        raise FrameError(f"expected (height, width), (channels, height, width) or a signal, got shape {pixels.shape}")
    return pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)


def wire_rows(array: ArrayLike, width: int | None = None) -> NDArray[Any]:
    """Convert a part of an image, with two or three axes, to what the wire carries; `width`: of the rows it must be."""
    pixels = wire_pixels(array)
    if pixels.ndim < 2 or width not in (None, pixels.shape[-1]):
        expected = "a rectangle with two or three axes" if width is None else f"rows of {width} px"
        raise FrameError(f"expected {expected}, got shape {pixels.shape}")
    return pixels


def wire_context(context: str) -> str:
    """Give `context` back if a frame can carry it: text of at most `MAX_CONTEXT_BYTES` bytes of UTF-8.

    Raises
    ------
    FrameError
        if it is longer, no text, or has half a surrogate pair.
    """
    try:
        nbytes = len(context.encode())
    except (AttributeError, UnicodeEncodeError):
        raise FrameError(f"expected a context of valid text, got {context!a:.100}") from None
    if nbytes > MAX_CONTEXT_BYTES:
        raise FrameError(f"expected a context of at most {MAX_CONTEXT_BYTES} bytes of UTF-8, got {nbytes}")
    return context
