"""Scatter of the shifts about a slowly bending lattice: errors that pixel noise does not explain, without a ground
truth.

All windows that show one column should agree on its position, and neighbouring columns should lie on a slowly bending
lattice. Where the decoder cannot draw the motif exactly (a strained cell, a domain wall), the error of a window depends
on the part of the cell that it shows, however low the noise. Here the positions of the columns according to the windows
are compared with a smooth field.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter

from shiftvae_rt.array_types import Float64

__all__ = ["position_scatter"]


#: Standard deviation of the smoothing, in periods; the border that is left out, in units of that.
SMOOTH, BORDER = 1.5, 1.5
#: Share of a normal distribution within one standard deviation; a quantile ignores a wall or dislocation in the frame.
SHARE = 0.6827


def position_scatter(
    shift: Float64, std: Float64, lattice: ArrayLike, *, window: tuple[int, int], stride: int
) -> float | None:
    """Factor of ``std`` for which 68 % of the shifts lie within it of a smooth lattice.

    Parameters
    ----------
    shift, std
        ``(axes, rows, cols)`` px, of all windows of a frame; `std` accounts for the noise alone.
    lattice
        Lattice vectors ``(k, 2)`` (y, x) px.
    window
        ``(height, width)`` px; overlapping windows share noise.
    stride
        px between windows.

    Returns
    -------
    float or None
        None if the frame is too small for a measurement.
    """
    axes = len(shift)
    vectors = np.reshape(np.asarray(lattice, dtype=np.float64), (-1, 2))[:, 2 - axes :]
    sigma = SMOOTH * float(np.linalg.norm(vectors, axis=1).mean()) / stride
    border = int(np.ceil(BORDER * sigma))
    sizes = shift.shape[3 - axes :]
    if min(sizes) < 2 * border + 8:
        return None
    places = np.stack(np.meshgrid(*(stride * np.arange(n) for n in shift.shape[1:]), indexing="ij"))[2 - axes :]
    to_turns = np.linalg.pinv(vectors).T
    phase = np.exp(2j * np.pi * np.tensordot(to_turns, shift + places, axes=1))
    along = (0.0, sigma if axes == 2 else 0.0, sigma)
    field = gaussian_filter(phase.real, along) + 1j * gaussian_filter(phase.imag, along)
    away = np.angle(phase * field.conj())
    for axis in range(axes):  # take the field at the position of the column, not of the window
        slope = np.angle(np.roll(field, -1, axis + 3 - axes) * np.roll(field, 1, axis + 3 - axes).conj()) / (2 * stride)
        away -= slope * shift[axis]
    off = np.tensordot(vectors.T, away, axes=1) / (2 * np.pi)
    inside = (slice(None), slice(border, -border) if axes == 2 else slice(None), slice(border, -border))
    scatter = float(np.quantile(np.abs(off / std)[inside], SHARE))
    seen, px = window[2 - axes :], stride * sigma
    absorbed = 2 * _shared(seen, px) - _shared(seen, px * 2**0.5)  # share of the noise variance that the field follows
    return float(np.sqrt(scatter**2 + absorbed))


def _shared(window: tuple[int, ...], sigma: float) -> float:
    """Covariance of a window's noise with its mean over neighbours, weighted by a Gaussian of `sigma` px."""
    share = 1.0
    for size in window:
        x = np.arange(1 - size, size)
        share *= float(np.sum((1 - np.abs(x) / size) * np.exp(-0.5 * (x / sigma) ** 2)) / (sigma * np.sqrt(2 * np.pi)))
    return share
