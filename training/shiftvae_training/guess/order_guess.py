"""First guess of the order latents: satellites demodulated, with all harmonics of one superlattice vector together.

Around a point the satellites of a superlattice vector q are waves q + G, for reciprocal vectors G of the lattice. With
the phases 2 pi G . R of the motif's position R removed they are w p, with a pattern p that is the same everywhere and
an amplitude w that varies slowly: the first principal component of the satellites. R is known modulo the lattice, which
does not matter for G.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64

from ..lattice.find import Lattice
from ..lattice.local_fourier import LocalFourier, local_fourier
from .motif_frame import FINEST

__all__ = ["OrderGuess", "make_order_guess", "without_satellites"]

Complex = NDArray[np.complex128]

#: Largest order of a reciprocal vector G along each axis, and number of satellites of a superlattice vector.
REACH, MOST_SATELLITES = 4, 16
#: Standard deviation of the Gaussian around each satellite that is taken out of a spectrum, as a share of the
#: distance to the nearest wave of the lattice.
NOTCH = 0.25


@dataclass(frozen=True)
class OrderGuess:
    """Guess of the amplitude and pattern of each superlattice vector.

    Attributes
    ----------
    vectors
        ``(m, 2)`` superlattice vectors in cycles per px.
    amplitudes
        For every frame ``(m, rows, cols)`` on a coarse grid, referred to pixel (0, 0): they vary slowly.
    step
        px between grid points, (y, x).
    harmonics, patterns
        For every vector ``(n, 2)`` satellites in cycles per px, and their coefficients ``(C, n)`` for an amplitude of
        1, in units of a window's standard deviation.
    """

    vectors: Float64
    amplitudes: list[Complex]
    step: tuple[int, int]
    harmonics: list[Float64]
    patterns: list[Complex]

    def targets_at(self, frame: int, y: Float64, x: Float64) -> Complex:
        """Amplitudes ``(n, m)`` at the centres ``y, x (n,)`` px of windows of a frame."""
        field = self.amplitudes[frame]
        i, j = y / self.step[0], x / self.step[1]
        i0, j0 = (np.clip(v.astype(int), 0, max(n - 2, 0)) for v, n in zip((i, j), field.shape[1:], strict=True))
        i1, j1 = np.minimum(i0 + 1, field.shape[1] - 1), np.minimum(j0 + 1, field.shape[2] - 1)
        u, v = np.clip(i - i0, 0, 1), np.clip(j - j0, 0, 1)
        slow = (field[:, i0, j0] * (1 - v) + field[:, i0, j1] * v) * (1 - u)
        slow = slow + (field[:, i1, j0] * (1 - v) + field[:, i1, j1] * v) * u
        return np.asarray((slow * np.exp(2j * np.pi * (self.vectors @ np.stack([y, x])))).T)

    def images(self, y: Float64, x: Float64) -> Float64:
        """Images ``(2 m, C, h, w)`` of the real and imaginary part of each amplitude, at ``y (h,), x (w,)`` px."""
        drawn = []
        for waves, pattern in zip(self.harmonics, self.patterns, strict=True):
            wave = np.exp(2j * np.pi * (waves[:, 0, None, None] * y[:, None] + waves[:, 1, None, None] * x))
            image = 2 * np.tensordot(pattern, wave, axes=1)
            drawn += [image.real, -image.imag]
        return np.stack(drawn)


def make_order_guess(
    frames: Sequence[Float64],
    lattice: Lattice,
    *,
    phasors: Sequence[Complex],
    inside: Sequence[NDArray[np.bool_]],
    sigma: float,
) -> OrderGuess:
    """Guess the order of frames whose lattice has superlattice vectors.

    Parameters
    ----------
    frames
        ``(C, H, W)`` each, raw or scaled.
    lattice
        Their lattice.
    phasors
        Phasors exp(2 pi i g_k . R) ``(k, rows, cols)`` of the motif position in each frame, on the grid of
        `local_fourier`.
    inside
        Grid points of each frame ``(rows, cols)`` from which patterns are measured.
    sigma
        Standard deviation of the Gaussian, px; at least `SIGMA_OF_ORDER` wavelengths.
    """
    vectors = lattice.superlattice @ lattice.reciprocal
    found: list[list[Complex]] = [[] for _ in frames]
    harmonics: list[Float64] = []
    patterns: list[Complex] = []
    step = (1, 1)
    for fraction in lattice.superlattice:
        orders = _satellites(fraction, lattice)
        waves = (orders + fraction) @ lattice.reciprocal
        fields = [local_fourier(frame, waves, sigma) for frame in frames]
        step = fields[0].step
        own = [_in_motif_frame(field, phasor, orders) for field, phasor in zip(fields, phasors, strict=True)]
        samples = np.concatenate([each[:, place] for each, place in zip(own, inside, strict=True)], axis=1)
        pattern: Complex = np.linalg.eigh(samples @ samples.conj().T)[1][:, -1]
        unit = max(float(np.sqrt(np.mean(np.abs(pattern.conj() @ samples) ** 2))), 1e-9)
        for amplitudes, each in zip(found, own, strict=True):
            amplitudes.append(np.tensordot(pattern.conj() / unit, each, axes=1))
        harmonics.append(waves)
        patterns.append((pattern * unit).reshape(len(frames[0]), len(waves)))
    return OrderGuess(vectors, [np.stack(each) for each in found], step, harmonics, patterns)


def without_satellites(frame: Float64, lattice: Lattice) -> Float64:
    """Frame ``(C, H, W)`` without the satellites of an order that comes in domains, which are not content."""
    if not len(lattice.superlattice):
        return frame
    spectrum = np.fft.rfft2(frame)
    places = np.stack(np.meshgrid(np.fft.fftfreq(frame.shape[1]), np.fft.rfftfreq(frame.shape[2]), indexing="ij"))
    for fraction in lattice.superlattice:
        width = NOTCH * float(np.hypot(*(fraction @ lattice.reciprocal)))
        waves = (_satellites(fraction, lattice) + fraction) @ lattice.reciprocal
        for wave in [*waves, *-waves]:
            away = np.square(places - wave[:, None, None]).sum(axis=0) / (2 * width**2)
            spectrum = spectrum * -np.expm1(-np.minimum(away, 50.0))
    return np.asarray(np.fft.irfft2(spectrum, frame.shape[1:]))


def _satellites(fraction: Float64, lattice: Lattice) -> NDArray[np.int64]:
    """Orders ``(n, 2)`` of the reciprocal vectors G with a coarse enough q + G; one of each pair q + G, -(q + G)."""
    side = np.arange(-REACH, REACH + 1)
    orders = np.stack(np.meshgrid(side, side, indexing="ij"), -1).reshape(-1, 2)
    size = np.hypot(*((orders + fraction) @ lattice.reciprocal).T)
    keep = size < max(FINEST, 1.01 * size.min())
    if np.allclose(2 * fraction, np.rint(2 * fraction)):
        keep &= np.array([tuple(wave) > (0.0, 0.0) for wave in orders + fraction])
    kept: NDArray[np.int64] = orders[keep][np.argsort(size[keep], kind="stable")[:MOST_SATELLITES]]
    return kept


def _in_motif_frame(field: LocalFourier, phasors: Complex, orders: NDArray[np.int64]) -> Complex:
    """Satellites ``(C n, rows, cols)`` without the phases of their reciprocal vectors at the motif."""
    turned = field.coefficients * np.exp(1j * np.tensordot(orders, np.angle(phasors), axes=1))
    return np.asarray(turned.reshape(-1, *turned.shape[2:]))
