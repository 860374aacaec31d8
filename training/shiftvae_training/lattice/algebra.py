"""Bases of plane lattices: reduction, sublattices, and the canonical order and sign of lattice vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64

__all__ = ["canonical", "in_words", "reduce_basis", "sublattice", "sublattices"]


#: A reduced cell has |a . b| of at most half of a . a; from this share on, b - a is as short as b.
NEARLY_HALF = 0.47
#: If the two lengths also differ by less than this factor, the cell is hexagonal: three vectors are equally short.
EQUAL_LENGTHS = 1.03
#: Preference for an obtuse angle when two pairs of vectors lie equally close to the axes.
OBTUSE = 0.05


def reduce_basis(basis: Float64) -> Float64:
    """Two shortest vectors that span the same lattice as ``basis (2, 2)``, by Lagrange-Gauss reduction; rows are
    vectors.
    """
    a, b = (np.asarray(v, dtype=float) for v in basis)
    for _ in range(100):
        if a @ a > b @ b:
            a, b = b, a
        n = np.round((a @ b) / (a @ a))
        if n == 0:
            break
        b = b - n * a
    return np.array([a, b])


def sublattices(index: int) -> list[NDArray[np.intp]]:
    """Sublattices of index `index` of the integer lattice, as Hermite normal forms ``(2, 2)`` whose rows span them."""
    return [
        np.array([[a, b], [0, index // a]]) for a in range(1, index + 1) if index % a == 0 for b in range(index // a)
    ]


def sublattice(
    reciprocal: Float64, orders: NDArray[np.intp], form: NDArray[np.intp]
) -> tuple[Float64, NDArray[np.intp], NDArray[np.bool_]]:
    """Restrict a reciprocal lattice to a sublattice.

    Parameters
    ----------
    reciprocal
        float64 ``(2, 2)``, (y, x) in cycles per px.
    orders
        int ``(n, 2)``: waves on `reciprocal`.
    form
        int ``(2, 2)``: its rows span the sublattice.

    Returns
    -------
    (basis, orders, keep)
        Reduced basis of the sublattice ``(2, 2)``; orders ``(m, 2)`` on it of the waves that lie on it; and which waves
        those are, bool ``(n,)``.
    """
    on_form = orders @ np.linalg.inv(form)
    keep = np.asarray((np.abs(on_form - np.rint(on_form)) < 1e-6).all(axis=1))
    basis = reduce_basis(form @ reciprocal)
    return basis, np.rint(orders[keep] @ reciprocal @ np.linalg.inv(basis)).astype(np.intp), keep


def canonical(vectors: Float64) -> Float64:
    """Reduced vectors of a lattice in a unique order and sign, whatever basis was found.

    Parameters
    ----------
    vectors
        float64 ``(k, 2)``, (y, x); k of 0, 1 or 2.

    Returns
    -------
    ndarray
        float64 ``(k, 2)``: a_1 along the y axis as far as possible and pointing down, a_2 to its right (det > 0).
    """
    if len(vectors) < 2:
        flip = (vectors[:, 1] < -1e-9) | ((np.abs(vectors[:, 1]) <= 1e-9) & (vectors[:, 0] < 0))
        return vectors * np.where(flip, -1.0, 1.0)[:, None]
    a, b = reduce_basis(vectors)
    pairs = [(a, b)]
    if abs(a @ b) > NEARLY_HALF * (a @ a):
        c = b - np.sign(a @ b) * a
        pairs += [(a, c), (b, c)] if np.hypot(*b) < EQUAL_LENGTHS * np.hypot(*a) else [(a, c)]
    return max((_upright(*pair) for pair in pairs), key=_closeness)


def in_words(reciprocal: Float64) -> str:
    """Describe a reciprocal basis ``(k, 2)`` by its periods in px, and their angle where there are two."""
    vectors = canonical(np.linalg.pinv(reciprocal).T)
    lengths = " x ".join(f"{length:.2f}" for length in np.hypot(vectors[:, 0], vectors[:, 1]))
    if len(vectors) < 2:
        return f"{lengths} px (lines)"
    a, b = vectors
    return f"{lengths} px at {np.degrees(np.arctan2(abs(a[0] * b[1] - a[1] * b[0]), a @ b)):.1f} degrees"


def _upright(a: Float64, b: Float64) -> Float64:
    """Order and sign of two vectors: the first is closer to the y axis and points down, the determinant is positive."""
    if abs(a[0]) * np.hypot(*b) < abs(b[0]) * np.hypot(*a):
        a, b = b, a
    a = a if a[0] > 0 else -a
    return np.array([a, b if a[0] * b[1] > a[1] * b[0] else -b])


def _closeness(pair: Float64) -> float:
    """Closeness of two vectors to the y and the x axis; an obtuse angle breaks a tie, as usual in crystallography."""
    unit = pair / np.hypot(*pair.T)[:, None]
    return float(unit[0, 0] + unit[1, 1] + OBTUSE * (pair[0] @ pair[1] < 0))
