"""Local Fourier coefficients of the motif in its own frame: with the phase of its position removed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64

from ..lattice.find import Lattice
from ..lattice.local_fourier import LocalFourier

__all__ = [
    "SIGMA_OF_ORDER",
    "harmonic_orders",
    "in_motif_frame",
    "motif_phasors",
    "phase_harmonics",
    "stack_coefficients",
]

Complex = NDArray[np.complex128]

#: Finest harmonic, cycles per px, and largest number of harmonics, coarsest first.
FINEST = 0.3
MOST_HARMONICS = 48
#: Standard deviation of the Gaussian under which harmonics are measured, in wavelengths of the satellites of an order
#: that comes in domains: under narrower ones the satellites appear as content, in stripes.
SIGMA_OF_ORDER = 0.4


def harmonic_orders(lattice: Lattice) -> NDArray[np.int64]:
    """Orders ``(n, k)`` of the harmonics of one half-plane (the others are conjugates), coarsest first."""
    k, reach = len(lattice.vectors), 8
    grid = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * k, indexing="ij"), -1).reshape(-1, k)
    size = np.hypot(*(grid @ lattice.reciprocal).T)
    half = np.array([tuple(m) > (0,) * k for m in grid])
    keep = half & ((size < FINEST) | (np.abs(grid).sum(1) == 1))
    order = np.argsort(size[keep], kind="stable")[:MOST_HARMONICS]
    orders: NDArray[np.int64] = grid[keep][order]
    return orders


def motif_phasors(fields: Sequence[LocalFourier], orders: NDArray[np.int64]) -> list[Complex]:
    """Phasors exp(2 pi i g_k . R) ``(k, rows, cols)`` for the motif position R near each grid point of every field."""
    power = np.mean([np.mean(np.abs(f.coefficients) ** 2, axis=(0, 2, 3)) for f in fields], axis=0)
    pick = phase_harmonics(orders, power)
    turned = []
    for field in fields:
        channel = np.argmax([np.abs(c[pick]).mean() for c in field.coefficients])
        angle = -np.angle(field.coefficients[channel][pick])
        whole = np.tensordot(np.linalg.inv(orders[pick]).round(), angle, axes=1)  # 2 pi g_k . R
        turned.append(np.exp(1j * whole))
    return turned


def in_motif_frame(coefficients: Complex, phasors: Complex, orders: NDArray[np.int64]) -> Complex:
    """Coefficients ``(C, n, rows, cols)`` of the motif moved to the origin."""
    return np.asarray(coefficients * np.exp(1j * np.tensordot(orders, np.angle(phasors), axes=1)))


def stack_coefficients(coefficients: Complex) -> Float64:
    """Real and imaginary parts ``(2 C n, rows, cols)`` of coefficients ``(C, n, rows, cols)``."""
    flat = coefficients.reshape(-1, *coefficients.shape[2:])
    return np.concatenate([flat.real, flat.imag])


def phase_harmonics(orders: NDArray[np.int64], power: Float64) -> list[int]:
    """Indices of the strongest harmonics whose phases tell all those of the lattice (unimodular), by ``power (n,)``."""
    strongest = [int(i) for i in np.argsort(-power)]
    if orders.shape[1] == 1:
        return [i for i in strongest if abs(orders[i, 0]) == 1][:1]
    pairs = [(i, j) for a, i in enumerate(strongest) for j in strongest[:a]]
    usable = [[i, j] for i, j in pairs if abs(round(float(np.linalg.det(orders[[i, j]])))) == 1]
    return max(usable, key=lambda pair: min(power[pair[0]], power[pair[1]]))
