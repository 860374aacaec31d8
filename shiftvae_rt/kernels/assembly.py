"""Maps on the pixels of the frame, from one value for each window (C++ kernels)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _core
from ..errors import WindowError
from .threads import check_threads
from .window_grid import WindowGrid

__all__ = ["assemble_latent_map", "place_at_motifs"]


def assemble_latent_map(
    values: ArrayLike,
    precision: ArrayLike,
    grid: WindowGrid,
    *,
    out: NDArray[np.float32] | None = None,
    threads: int = 1,
) -> NDArray[np.float32]:
    """Give each pixel the mean of all windows that cover it, weighted by their precision.

    Parameters
    ----------
    values
        ``(latents, rows, cols)``, one value for each latent and window.
    precision
        ``(latents, rows, cols)``, at least 0, for instance 1 / sd**2 of the posterior. A window of precision 0 is left
        out, and only there may `values` be NaN.
    grid
        The windows of the frame.
    out
        ``(latents, frame height, frame width)`` float32, C-contiguous; by default a new array.
    threads
        Number of threads, 1 to 256. The result does not depend on it.

    Returns
    -------
    ndarray
        ``(latents, frame height, frame width)`` float32, NaN where no window of positive precision covers the pixel;
        summed in float64. `out` itself where given.

    Raises
    ------
    WindowError
        if shapes disagree with the grid, a precision is negative or not finite, or a value of positive precision is not
        finite.
    """
    values, precision, out = _checked(values, precision, grid, out, threads)
    if not _core.assemble_latent_map(values, precision, grid.frame_shape, grid.window, grid.stride, out, threads):
        raise _unsound(values, precision)
    return out


def place_at_motifs(
    values: ArrayLike,
    precision: ArrayLike,
    grid: WindowGrid,
    shift_y: ArrayLike,
    shift_x: ArrayLike,
    *,
    out: NDArray[np.float32] | None = None,
    threads: int = 1,
) -> NDArray[np.float32]:
    """Place each window's value at its motif: window centre + shift, spread over the four nearest pixels.

    Many windows see the same motif; their values meet at its position and are averaged there by precision.

    Parameters
    ----------
    values, precision
        ``(latents, rows, cols)``, as for `assemble_latent_map`.
    grid
        The windows of the frame.
    shift_y, shift_x
        ``(rows, cols)``, px: position of the motif relative to the centre of its window, y down and x right. A window
        whose shift is not finite, or leads out of the frame, is left out.
    out
        ``(latents, frame height, frame width)`` float32, C-contiguous; by default a new array.
    threads
        Number of threads, 1 to 256. The result does not depend on it.

    Returns
    -------
    ndarray
        ``(latents, frame height, frame width)`` float32, NaN where no value falls. `out` itself where given.

    Raises
    ------
    WindowError
        as for `assemble_latent_map`, or if a shift has another shape than the grid.
    """
    values, precision, out = _checked(values, precision, grid, out, threads)
    dy, dx = (np.ascontiguousarray(shift, dtype=np.float32) for shift in (shift_y, shift_x))
    for name, shift in (("shift_y", dy), ("shift_x", dx)):
        if shift.shape != (grid.rows, grid.cols):
            raise WindowError(f"expected {name} of shape {(grid.rows, grid.cols)}, got {shift.shape}")
    if not _core.place_at_motifs(values, precision, dy, dx, grid.frame_shape, grid.window, grid.stride, out, threads):
        raise _unsound(values, precision)
    return out


def _checked(
    values: ArrayLike, precision: ArrayLike, grid: WindowGrid, out: NDArray[np.float32] | None, threads: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    values = np.ascontiguousarray(values, dtype=np.float32)
    precision = np.ascontiguousarray(precision, dtype=np.float32)
    if values.ndim != 3 or values.shape[1:] != (grid.rows, grid.cols) or precision.shape != values.shape:
        raise WindowError(
            f"expected values and precision of shape (latents, {grid.rows}, {grid.cols}), "
            f"got {values.shape} and {precision.shape}"
        )
    check_threads(threads)
    shape = (values.shape[0], *grid.frame_shape)
    if out is None:
        return values, precision, np.empty(shape, dtype=np.float32)
    if out.dtype != np.float32 or out.shape != shape or not (out.flags.c_contiguous and out.flags.writeable):
        raise WindowError(
            f"expected out as a writeable C-contiguous float32 array of shape {shape}, "
            f"got {out.dtype} of shape {out.shape}"
        )
    return values, precision, out


def _unsound(values: NDArray[np.float32], precision: NDArray[np.float32]) -> WindowError:
    odd = int((~(np.isfinite(precision) & (precision >= 0))).sum())
    if odd:
        return WindowError(
            f"expected finite precisions of at least 0, got {odd} of {precision.size} that are negative, NaN or "
            "infinite: set the precision of windows to be left out to 0"
        )
    missing = int((~np.isfinite(values) & (precision > 0)).sum())
    return WindowError(
        f"expected finite values where the precision is positive, got {missing} that are NaN or infinite: "
        "set the precision of such windows to 0"
    )
