"""Bases of plane lattices: the reduced one, sublattices, and the order of vectors that everything else relies on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["canonical", "reduce_basis", "sublattice", "sublattices"]

Floats = NDArray[np.float64]


def reduce_basis(basis: Floats) -> Floats:
    """Give the two shortest vectors that span the same lattice (Lagrange and Gauss); rows are vectors."""
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
    """List all sublattices of the integer lattice of an index, as Hermite normal forms whose rows span them."""
    return [
        np.array([[a, b], [0, index // a]]) for a in range(1, index + 1) if index % a == 0 for b in range(index // a)
    ]


def sublattice(
    reciprocal: Floats, orders: NDArray[np.intp], form: NDArray[np.intp]
) -> tuple[Floats, NDArray[np.intp], NDArray[np.bool_]]:
    """Give the reduced basis of the sublattice that the rows of `form` span, the orders of its waves, and which waves
    those are.
    """
    on_form = orders @ np.linalg.inv(form)
    keep = (np.abs(on_form - np.rint(on_form)) < 1e-6).all(axis=1)
    basis = reduce_basis(form @ reciprocal)
    return basis, np.rint(orders[keep] @ reciprocal @ np.linalg.inv(basis)).astype(np.intp), keep


def canonical(vectors: Floats) -> Floats:
    """Order and sign of lattice vectors as `Lattice` documents them."""
    if len(vectors) == 0:
        return np.zeros((0, 2))
    if len(vectors) == 1:
        (y, x) = vectors[0]
        return vectors * (1.0 if (x, y) >= (0, 0) or (abs(x) < 1e-9 and y > 0) else -1.0)
    a, b = reduce_basis(vectors)
    if abs(a[0]) / np.hypot(*a) < abs(b[0]) / np.hypot(*b):
        a, b = b, a
    a = a if a[0] > 0 else -a
    b = b if a[0] * b[1] - a[1] * b[0] > 0 else -b
    return np.array([a, b])
