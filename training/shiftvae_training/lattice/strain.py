"""Strain maps: from the shift map of a trained model, and by geometric phase analysis of a frame, in the same units.

Both measure the displacement u(r) from a perfect lattice as phases 2 pi g_k . u; strain is the gradient of u. Phases
are kept and differentiated as complex numbers, so no phase is ever unwrapped. The two methods differ where a sublattice
moves: the phase of a harmonic takes part of that motion for strain, the shift follows the anchor column alone. Source:
Hytch, Snoeck, Kilaas, Ultramicroscopy 74 (1998) 131.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from shiftvae_rt.array_types import Float64
from shiftvae_rt.errors import LatticeError, WindowError
from shiftvae_rt.latent_map import LatentMap

from .find import Lattice
from .local_fourier import local_fourier

__all__ = ["Strain", "strain_from_frame", "strain_from_shift"]

Complex = NDArray[np.complex128]

#: Standard deviation of the Gaussian that smooths the phases, in periods: the resolution of both methods.
SMOOTH_PERIODS = 1.0


@dataclass(frozen=True)
class Strain:
    """Infinitesimal strain relative to a reference lattice, float64 ``(rows, cols)``, dimensionless; y points down.

    Attributes
    ----------
    exx, eyy, exy
        ``du_x/dx``, ``du_y/dy``, ``(du_x/dy + du_y/dx) / 2``.
    rotation
        ``(du_y/dx - du_x/dy) / 2`` in radians; positive turns the lattice from x to y, clockwise as displayed.
    centre_y_px, centre_x_px
        Positions in px, ``(rows,)`` and ``(cols,)``.
    """

    exx: Float64
    eyy: Float64
    exy: Float64
    rotation: Float64
    centre_y_px: Float64
    centre_x_px: Float64


def strain_from_shift(latent_map: LatentMap, vectors: Float64, *, periods: float = SMOOTH_PERIODS) -> Strain:
    """Strain relative to the lattice ``vectors (2, 2)`` px, from the shift latents of a complete 2D latent map.

    Phases are averaged over a Gaussian with a standard deviation of `periods` times the longest vector, weighted by the
    posterior precision of the shift.

    Raises
    ------
    LatticeError
        for a lattice that is not two vectors.
    WindowError
        for a map of fewer than three rows or columns.
    """
    vectors = np.asarray(vectors, float)
    _check(vectors, latent_map.mean.shape[1:])
    y, x = latent_map.centre_y_px, latent_map.centre_x_px
    shift = latent_map.mean[:2].astype(float)
    place = np.stack([shift[0] + y[:, None], shift[1] + x[None]])
    phasor = np.exp(2j * np.pi * np.tensordot(np.linalg.inv(vectors).T, place, axes=1))
    phasor /= np.square(latent_map.std[:2], dtype=float).sum(axis=0)
    step = float(latent_map.grid.stride)
    return _differentiate(phasor, vectors, y, x, periods * float(np.hypot(*vectors.T).max()) / step)


def strain_from_frame(frame: NDArray[Any], lattice: Lattice, *, periods: float = SMOOTH_PERIODS) -> Strain:
    """Strain of ``frame (H, W)`` relative to `lattice`, by geometric phase analysis at its two strongest harmonics.

    Parameters and errors are those of `strain_from_shift`.
    """
    vectors = lattice.vectors
    _check(vectors, frame.shape)
    orders = np.array([[1, 0], [0, 1], [1, 1], [1, -1]])
    sigma = periods * float(lattice.period_px.max())
    field = local_fourier(np.asarray(frame, float)[None], orders @ lattice.reciprocal, sigma)
    power = np.square(np.abs(field.coefficients[0])).mean(axis=(1, 2))
    pairs = [(i, j) for i in range(4) for j in range(i) if abs(round(float(np.linalg.det(orders[[i, j]])))) == 1]
    best = max(pairs, key=lambda p: min(power[p[0]], power[p[1]]))
    pick = list(best)
    # with the motif at R a harmonic has the phase 2 pi g.r - 2 pi g.R at r; local_fourier has removed the first part
    angle = -np.angle(field.coefficients[0][pick])
    phases = np.tensordot(np.linalg.inv(orders[pick]), angle, axes=1)
    weight = np.abs(field.coefficients[0][pick]).min(axis=0)
    y, x = field.places[0, :, 0], field.places[1, 0]
    return _differentiate(weight * np.exp(1j * phases), vectors, y, x, 0.0)


def _check(vectors: Float64, shape: tuple[int, ...]) -> None:
    if np.shape(vectors) != (2, 2):
        raise LatticeError(f"strain needs two lattice vectors, got {len(vectors)}")
    if min(shape) < 3:
        raise WindowError(f"strain needs a map of at least 3 x 3 windows, got {shape[0]} x {shape[1]}")


def _differentiate(phasor: Complex, vectors: Float64, y: Float64, x: Float64, sigma: float) -> Strain:
    """Strain of ``phasor (2, rows, cols)`` = weight * exp(2 pi i g_k . u), smoothed by `sigma` grid points."""
    if sigma:
        phasor = gaussian_filter(phasor.real, (0, sigma, sigma)) + 1j * gaussian_filter(phasor.imag, (0, sigma, sigma))
    unit = phasor / np.maximum(np.abs(phasor), 1e-12)
    slopes = [np.imag(np.conj(unit) * np.gradient(unit, along, axis=axis)) for axis, along in ((1, y), (2, x))]
    # du_i/dr_j = sum over k of a_k,i / (2 pi) times the slope of phase k along j
    gradient = np.einsum("ki,jkrc->ijrc", vectors / (2 * np.pi), np.stack(slopes))
    (yy, yx), (xy, xx) = gradient
    return Strain(xx, yy, (xy + yx) / 2, (yx - xy) / 2, y, x)
