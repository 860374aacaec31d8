"""Strain of a frame by geometric phase analysis: the reference method beside the fields of the shift map.

Source: Hytch, Snoeck, Kilaas, Ultramicroscopy 74 (1998) 131.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shiftvae_training.lattice.find import Lattice
from shiftvae_training.lattice.local_fourier import local_fourier

__all__ = ["Strain", "strain_from_frame"]


@dataclass(frozen=True)
class Strain:
    """Small strain and rotation (rad), without unit, ``(rows, cols)``, at ``centre_y_px (rows,), centre_x_px (cols,)``.

    Axes of the image, y down: ``exx = du_x/dx``, ``eyy = du_y/dy``, ``exy = (du_x/dy + du_y/dx) / 2``, ``rotation =
    (du_y/dx - du_x/dy) / 2``.
    """

    exx: np.ndarray
    eyy: np.ndarray
    exy: np.ndarray
    rotation: np.ndarray
    centre_y_px: np.ndarray
    centre_x_px: np.ndarray


def strain_from_frame(frame: np.ndarray, lattice: Lattice, *, periods: float = 1.0) -> Strain:
    """Strain of ``frame (H, W)`` against `lattice`, from its two strongest harmonics.

    They are demodulated under a Gaussian with a standard deviation of `periods` times the longest vector.
    """
    vectors = lattice.vectors
    orders = np.array([[1, 0], [0, 1], [1, 1], [1, -1]])
    sigma = periods * float(lattice.period_px.max())
    field = local_fourier(np.asarray(frame, float)[None], orders @ lattice.reciprocal, sigma)
    power = np.square(np.abs(field.coefficients[0])).mean(axis=(1, 2))
    pairs = [(i, j) for i in range(4) for j in range(i) if abs(round(float(np.linalg.det(orders[[i, j]])))) == 1]
    pick = list(max(pairs, key=lambda p: min(power[p[0]], power[p[1]])))
    # with the motif at R a harmonic has the phase 2 pi g.r - 2 pi g.R at r; local_fourier has removed the first part
    angle = -np.angle(field.coefficients[0][pick])
    phases = np.exp(1j * np.tensordot(np.linalg.inv(orders[pick]), angle, axes=1))
    y, x = field.places[0, :, 0], field.places[1, 0]
    slopes = [np.imag(np.conj(phases) * np.gradient(phases, along, axis=axis)) for axis, along in ((1, y), (2, x))]
    # du_i/dr_j = sum over k of a_k,i / 2 pi times the slope of phase k along j
    (yy, yx), (xy, xx) = np.einsum("ki,jkrc->ijrc", vectors / (2 * np.pi), np.stack(slopes))
    return Strain(xx, yy, (xy + yx) / 2, (yx - xy) / 2, y, x)
