"""Degree of order and antiphase of one superlattice vector (C++ kernel)."""

from __future__ import annotations

import numpy as np

from .. import _core
from ..array_types import Float32, Float64

__all__ = ["fields_of_order"]

Pair = tuple[float, float]


def fields_of_order(
    planes: Float32, vector: Pair, vectors: Float64, *, gradient: tuple[Pair, Pair], origin: Pair | None, place: Pair
) -> tuple[Float32, Pair]:
    """Bring the amplitude of satellites into the frame of the motif, counted in cells from the map's first window.

    Parameters
    ----------
    planes
        ``(7, rows, cols)``: shift along y and x, displacement along y and x, px; real and imaginary part of the
        amplitude at the windows' centres, and the deviation of each.
    vector
        Superlattice vector, in reciprocal vectors.
    vectors
        Lattice vectors ``(2, 2)``, px.
    gradient
        ``(2, 2)`` mean displacement along y and x for a px along y and x, which the displacement lacks.
    origin
        Lattice point of the map's first window, px from its centre; None for rows that begin with it.
    place
        y of the first row from the map's first window, and px between windows.

    Returns
    -------
    (fields, origin)
        ``(2, 2, rows, cols)``: values and deviations of degree of order and antiphase in degrees; and the origin.
    """
    kernel = _core.Superlattice(turns=vector, vectors=vectors.tolist(), gradient=gradient)
    found = np.empty((4, *planes.shape[1:]), np.float32)
    planes = np.ascontiguousarray(planes, np.float32)
    first, second = kernel.fields(origin, planes, place[0], float(place[1]), found)
    return found.reshape(2, 2, *planes.shape[1:]), (first, second)
