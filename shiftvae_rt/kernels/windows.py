"""Sliding windows of a frame, their statistics, and the frame in float32 (C++ kernels)."""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _core
from ..errors import FrameError, WindowError
from .frame_arrays import buffer_for, check_frame, per_channel
from .threads import check_threads
from .window_grid import WindowGrid

__all__ = [
    "Normalisation",
    "convert_frame",
    "difference_frame",
    "extract_windows",
    "extract_windows_at",
    "window_statistics",
]

Normalisation: TypeAlias = Literal["none", "zscore", "minmax"]


def extract_windows(
    frame: NDArray[Any],
    window: tuple[int, int],
    stride: int = 1,
    *,
    normalisation: Normalisation = "none",
    sd_floor: float = 0.0,
    centre: ArrayLike | None = None,
    out: NDArray[np.float32] | None = None,
    threads: int = 1,
) -> NDArray[np.float32]:
    """Cut every window of a frame, each normalised by itself.

    Parameters
    ----------
    frame
        ``(channels, height, width)`` as from `as_pixels`, any dtype of `DTYPES`, finite. Lines and channels may lie
        apart in memory (a crop of a larger frame is read in place), the pixels of a line may not.
    window
        ``(height, width)`` of a window in px.
    stride
        px between neighbouring windows along both axes, at least 1.
    normalisation
        ``"none"``: the raw values. ``"zscore"``: each channel's mean is removed, then all channels are divided by one
        scale, the root of the mean of their variances. ``"minmax"``: each channel is scaled to 0..1. A constant window
        becomes zeros.
    sd_floor
        Least scale that zscore divides by, in detector units.
    centre
        ``(channels,)`` or one number, detector units: a value near the pixels, used in the sums of 32 and 64 bit types;
        by default it is found from the frame. Bands of a frame that are given the same centre give the same bits as the
        whole frame.
    out
        ``(rows, cols, channels, window height, window width)`` float32, C-contiguous; by default a new array. Give a
        buffer where the call repeats: memory that is used for the first time costs more than the extraction.
    threads
        Number of threads, 1 to 256.

    Returns
    -------
    ndarray
        ``(rows, cols, channels, window height, window width)`` float32; `out` itself where given.

    Raises
    ------
    FrameError
        for a frame of another shape, dtype or memory layout.
    WindowError
        for a window that does not fit, an unknown normalisation or an `out` of another shape.
    MemoryError
        if the windows do not fit into memory.
    """
    check_frame(frame)
    grid = WindowGrid((frame.shape[1], frame.shape[2]), _size(window), stride)
    _check_options(normalisation, sd_floor, threads)
    out = buffer_for(out, (grid.rows, grid.cols, frame.shape[0], *grid.window), "windows")
    constants = None if centre is None else per_channel(frame, centre)
    _core.extract_windows(frame, grid.window, stride, normalisation, sd_floor, constants, out, threads)
    return out


def extract_windows_at(
    frame: NDArray[Any],
    origins: ArrayLike,
    window: tuple[int, int],
    *,
    normalisation: Normalisation = "none",
    sd_floor: float = 0.0,
    out: NDArray[np.float32] | None = None,
    threads: int = 1,
) -> NDArray[np.float32]:
    """Cut windows at given places, each normalised by itself.

    Parameters
    ----------
    frame
        ``(channels, height, width)``, as for `extract_windows`.
    origins
        ``(count, 2)`` integers: y, x of each window's top-left pixel.
    window
        ``(height, width)`` of a window in px.
    normalisation, sd_floor, threads
        As for `extract_windows`; `sd_floor` in detector units.
    out
        ``(count, channels, window height, window width)`` float32, C-contiguous; by default a new array.

    Returns
    -------
    ndarray
        ``(count, channels, window height, window width)`` float32; `out` itself where given.

    Raises
    ------
    FrameError
        for a frame of another shape, dtype or memory layout.
    WindowError
        for origins of another shape or dtype, an origin whose window leaves the frame, an unknown normalisation or an
        `out` of another shape.
    MemoryError
        if the windows do not fit into memory.
    """
    check_frame(frame)
    grid = WindowGrid((frame.shape[1], frame.shape[2]), _size(window))
    _check_options(normalisation, sd_floor, threads)
    places = np.asarray(origins)
    if places.ndim != 2 or places.shape[1] != 2 or (places.size and places.dtype.kind not in "iu"):
        raise WindowError(
            f"expected origins as integers of shape (count, 2), got {places.dtype} of shape {places.shape}: "
            "give y, x of each window's top-left pixel"
        )
    out = buffer_for(out, (len(places), frame.shape[0], *grid.window), "windows")
    places = np.ascontiguousarray(places, dtype=np.int64)
    try:
        _core.extract_windows_at(frame, places, grid.window, normalisation, sd_floor, out, threads)
    except IndexError as error:
        raise WindowError(f"a window leaves the frame: {error}") from None
    return out


def window_statistics(
    frame: NDArray[Any],
    window: tuple[int, int],
    stride: int = 1,
    *,
    centre: ArrayLike | None = None,
    threads: int = 1,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation of every window, each channel by itself.

    Parameters
    ----------
    frame
        ``(channels, height, width)``, as for `extract_windows`.
    window
        ``(height, width)`` of a window in px.
    stride
        px between neighbouring windows along both axes, at least 1.
    centre
        ``(channels,)`` or one number, detector units, as for `extract_windows`.
    threads
        Number of threads, 1 to 256.

    Returns
    -------
    mean, sd : ndarray
        ``(channels, rows, cols)`` float32 each, detector units, correct to the rounding of float32 whatever the offset
        of the frame. `sd` is the population's (divided by the number of pixels), and 0 in a constant window.

    Raises
    ------
    FrameError
        for a frame of another shape, dtype or memory layout.
    WindowError
        for a window that does not fit.
    MemoryError
        if the statistics do not fit into memory.
    """
    check_frame(frame)
    grid = WindowGrid((frame.shape[1], frame.shape[2]), _size(window), stride)
    _check_options("none", 0.0, threads)
    mean = buffer_for(None, (frame.shape[0], grid.rows, grid.cols), "means")
    sd = buffer_for(None, (frame.shape[0], grid.rows, grid.cols), "deviations")
    constants = None if centre is None else per_channel(frame, centre)
    _core.window_statistics(frame, grid.window, stride, constants, mean, sd, threads)
    return mean, sd


def convert_frame(
    frame: NDArray[Any],
    centre: ArrayLike,
    out: NDArray[np.float32] | None = None,
    threads: int = 1,
) -> tuple[NDArray[np.float32], bool]:
    """Give a frame in float32, relative to a constant of each channel.

    A float32 encoder loses the contrast of a frame with a large offset (60000 counts, deviation 3); relative to the
    frame's own mean nothing is lost. The difference is taken in float64 and rounded once.

    Parameters
    ----------
    frame
        ``(channels, height, width)``, as for `extract_windows`, but NaN and infinity are allowed and reported.
    centre
        ``(channels,)`` or one number, detector units: the constant that is subtracted.
    out
        ``(channels, height, width)`` float32, C-contiguous; by default a new array.
    threads
        Number of threads, 1 to 256.

    Returns
    -------
    pixels : ndarray
        ``(channels, height, width)`` float32; `out` itself where given.
    finite : bool
        True when every value of `pixels` is finite.

    Raises
    ------
    FrameError
        for a frame of another shape, dtype or memory layout, or a centre of another shape.
    """
    check_frame(frame)
    _check_options("none", 0.0, threads)
    out = buffer_for(out, (frame.shape[0], frame.shape[1], frame.shape[2]), "pixels")
    return out, _core.convert_frame(frame, per_channel(frame, centre), out, threads)


def difference_frame(frame: NDArray[Any], *, threads: int = 1) -> tuple[NDArray[np.float32], bool]:
    """Give the differences between neighbouring pixels, which no offset or step of the frame can make inexact.

    Parameters
    ----------
    frame
        ``(channels, height, width)``, as for `extract_windows`.
    threads
        Number of threads, 1 to 256.

    Returns
    -------
    differences : ndarray
        ``(2 channels, lines, width - 1)`` float32, detector units: for each channel the right neighbour minus the
        pixel, then the pixel minus the one above it (zeros in line 0). Exact for types of 8 and 16
        bit, rounded once for the others.
    finite : bool
        True when every value is finite.

    Raises
    ------
    FrameError
        for a frame of another shape, dtype or memory layout.
    """
    check_frame(frame)
    _check_options("none", 0.0, threads)
    if frame.shape[2] < 2:
        raise FrameError(f"expected lines of at least two pixels, got a frame of shape {frame.shape}")
    out = buffer_for(None, (2 * frame.shape[0], frame.shape[1], frame.shape[2] - 1), "differences")
    return out, _core.difference_frame(frame, out, threads)


def _check_options(normalisation: str, sd_floor: float, threads: int) -> None:
    if normalisation not in ("none", "zscore", "minmax"):
        raise WindowError(f'expected normalisation "none", "zscore" or "minmax", got {normalisation!r}')
    if not (sd_floor >= 0 and math.isfinite(sd_floor)):
        raise WindowError(f"expected a finite sd_floor of at least 0, got {sd_floor}")
    check_threads(threads)


def _size(window: tuple[int, int]) -> tuple[int, int]:
    if len(window) != 2:
        raise WindowError(f"expected a window (height, width), got {window}: a 1D window of w px is (1, w)")
    return int(window[0]), int(window[1])
