"""A frame: one image or signal as the detector gave it, with its pixel size and metadata."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import FrameError

__all__ = ["DTYPES", "Frame", "PixelSize", "as_pixel_size", "as_pixels", "pixel_size_text", "read_only"]

#: Pixel size as callers give it, nm: one edge, both edges ``(y, x)``, or None if unknown.
PixelSize: TypeAlias = "float | tuple[float, float] | None"
#: Detector dtypes that the kernels read without a copy.
DTYPES = ("uint8", "uint16", "int16", "uint32", "int32", "float32", "float64")
#: The same as dtypes, for a fast check.
_NATIVE = frozenset(np.dtype(name) for name in DTYPES)


def as_pixels(array: ArrayLike, *, dimensions: int = 2) -> NDArray[Any]:
    """Give `array` the one shape that the rest of the package uses, after a check.

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
    """Give a view of `array` that cannot be written to: measured numbers are not changed."""
    view: NDArray[Any] = array.view()
    view.flags.writeable = False
    return view


def as_pixel_size(size_nm: PixelSize) -> tuple[float, float] | None:
    """Give the edges ``(y, x)`` of a pixel in nm; None stays unknown.

    Parameters
    ----------
    size_nm
        One edge of square pixels, or the edges along y and x, nm.

    Raises
    ------
    FrameError
        for anything else, and for edges that are not finite and above 0.
    """
    if size_nm is None:
        return None
    try:
        edges = np.broadcast_to(np.asarray(size_nm, dtype=np.float64), (2,))
    except (TypeError, ValueError):
        edges = np.zeros(2)
    if np.ndim(size_nm) > 1 or not (np.isfinite(edges).all() and (edges > 0).all()):
        raise FrameError(f"expected a pixel size above 0 nm, one number or (y, x), got {size_nm!r}")
    return float(edges[0]), float(edges[1])


def pixel_size_text(size_nm: tuple[float, float] | None) -> str:
    """Give a pixel size as text.

    >>> pixel_size_text((0.02, 0.02)), pixel_size_text((0.02, 0.025)), pixel_size_text(None)
    ('20 pm', '20 x 25 pm (y, x)', 'unknown')
    """
    if size_nm is None:
        return "unknown"
    y, x = (f"{1000 * edge:.4g}" for edge in size_nm)
    return f"{y} pm" if y == x else f"{y} x {x} pm (y, x)"


@dataclass(frozen=True)
class Frame:
    """A frame with its pixel size and metadata.

    Parameters
    ----------
    pixels
        Raw detector units, ``(height, width)`` or ``(channels, height, width)``; 1D ``(length,)`` or
        ``(channels, length)``. Kept as a read-only view; the array itself stays as it was.
    pixel_size_nm
        Edges ``(y, x)`` of a pixel in nm, if known; one number for square pixels. For a signal both are its step.
    name
        Origin of the frame, for people.
    metadata
        Anything else in its file or from its sender; carried along, never interpreted.

    Raises
    ------
    FrameError
        for a pixel size that is not above 0 nm.
    """

    pixels: NDArray[Any]
    pixel_size_nm: PixelSize = None
    name: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pixels", read_only(np.asarray(self.pixels)))
        object.__setattr__(self, "pixel_size_nm", as_pixel_size(self.pixel_size_nm))
