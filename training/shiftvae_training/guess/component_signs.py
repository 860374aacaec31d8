"""Sign of each principal component of the motif, reproducible from scan to scan.

A component and its negative describe the same variation. In one cell, a component is compared with what the other
columns would draw if they moved along x, moved along y or brightened relative to the strongest column. The change that
explains most of the component is given the positive sign: right, down or brighter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64
from shiftvae_rt.encode.modulo import modulo_lattice

__all__ = ["component_signs"]

Complex = NDArray[np.complex128]

#: Points along each lattice vector at which the cell is drawn.
POINTS = 32
#: Radius of the strongest column, as a share of the shortest period.
COLUMN = 0.2


def component_signs(components: Complex, mean: Complex, harmonics: Float64, vectors: Float64) -> Float64:
    """Signs ``(m,)`` of the components, 1 or -1.

    Parameters
    ----------
    components, mean
        Fourier coefficients ``(m, C, n)`` of the components and ``(C, n)`` of the mean motif.
    harmonics
        ``(n, 2)`` cycles per px, (y, x).
    vectors
        ``(k, 2)`` lattice vectors in px.
    """
    steps = np.stack(np.meshgrid(*[np.arange(POINTS) / POINTS] * len(vectors), indexing="ij"), -1)
    places = steps.reshape(-1, len(vectors)) @ vectors
    wave = np.exp(2j * np.pi * (harmonics @ places.T))
    motif = 2 * (mean @ wave).real
    slope = [2 * (mean * (2j * np.pi * harmonics[:, axis]) @ wave).real for axis in (1, 0)]
    strongest = places[np.argmax(np.abs(motif - np.median(motif, axis=1, keepdims=True)).sum(0))]
    away = np.hypot(*_wrapped(places - strongest, vectors))
    others = 1 - np.exp(-0.5 * (away / (COLUMN * np.hypot(*vectors.T).min())) ** 2)
    return np.array([_sign(2 * (c @ wave).real, motif, slope, others) for c in components])


def _sign(drawn: Float64, motif: Float64, slope: list[Float64], others: Float64) -> float:
    """Sign of one component ``drawn (C, points)``: a column that moves by u changes the motif by -u times its slope.

    What all columns do together does not count, because the shift describes it.
    """
    found = []
    for change in (-slope[0], -slope[1], motif):
        lengths = [max(float((weight * change**2).sum()), 1e-30) for weight in (others, 1 - others)]
        much = [float((w * drawn * change).sum()) / n for w, n in zip((others, 1 - others), lengths, strict=True)]
        found.append((much[0] - much[1]) / np.sqrt(1 / lengths[0] + 1 / lengths[1]))
    return 1.0 if max(found, key=abs) >= 0 else -1.0


def _wrapped(displacement: Float64, vectors: Float64) -> Float64:
    """Shortest displacements modulo the lattice, ``(2, points)`` px."""
    return modulo_lattice(displacement.T, vectors)
