"""One image or signal, as the detector gave it, with what is known about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import FrameError

__all__ = ["DTYPES", "Frame", "as_pixels", "read_only"]

#: Detector dtypes that the kernels read without a copy.
DTYPES = ("uint8", "uint16", "int16", "uint32", "int32", "float32", "float64")
#: The same, for a check of some nanoseconds.
_NATIVE = frozenset(np.dtype(name) for name in DTYPES)


def as_pixels(array: ArrayLike, *, dimensions: int = 2) -> NDArray[Any]:
    """Give `array` the one shape that everything behind the door uses.

    Parameters
    ----------
    array
        2D: ``(height, width)`` or ``(channels, height, width)``.
        1D: ``(length,)`` or ``(channels, length)``. Any dtype of `DTYPES`, any byte order, finite.
    dimensions
        1 for signals, 2 for images.

    Returns
    -------
    ndarray
        ``(channels, height, width)``, C-contiguous, aligned, native byte order, read-only; a view where possible.
        A signal has height 1.

    Raises
    ------
    FrameError
        for another number of axes, dtype, an empty frame, NaN or infinity.
    """
    pixels = np.asarray(array)
    shapes = {1: "(length,) or (channels, length)", 2: "(height, width) or (channels, height, width)"}[dimensions]
    if pixels.ndim not in (dimensions, dimensions + 1) or pixels.size == 0:
        raise FrameError(
            f"expected a {dimensions}D frame of shape {shapes}, got shape {pixels.shape}: "
            "select one frame of a stack, or use a model of the other dimension"
        )
    if pixels.dtype.newbyteorder("=") not in _NATIVE:
        raise FrameError(
            f"expected pixels of dtype {', '.join(DTYPES)}, got {pixels.dtype.name}: convert the frame first"
        )
    if not (pixels.flags.c_contiguous and pixels.flags.aligned and pixels.dtype.isnative):
        pixels = np.array(pixels, dtype=pixels.dtype.newbyteorder("="), order="C")  # a file may hold them anywhere
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        bad = int(pixels.size - np.isfinite(pixels).sum())
        raise FrameError(f"{bad} of {pixels.size} pixels are NaN or infinite: fill or crop them before encoding")
    if pixels.ndim == dimensions:
        pixels = pixels[np.newaxis]
    return read_only(pixels if dimensions == 2 else pixels[:, np.newaxis, :])


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Give a view of `array` that cannot be written to: frames are numbers that were measured, nobody changes them."""
    view: NDArray[Any] = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True)
class Frame:
    """A frame and what is known about it.

    Parameters
    ----------
    pixels
        Raw detector units, ``(height, width)`` or ``(channels, height, width)``; 1D ``(length,)`` or
        ``(channels, length)``. Kept as a read-only view; the array itself stays as it was.
    pixel_size_nm
        Edge of a pixel in nm, if known.
    name
        Where it came from, for people.
    metadata
        Anything else that its file or its sender said; carried along, never interpreted.
    """

    pixels: NDArray[Any]
    pixel_size_nm: float | None = None
    name: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pixels", read_only(np.asarray(self.pixels)))
