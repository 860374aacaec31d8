"""Degree of order and antiphase of one superlattice vector, in NumPy: as the compiled core gives, but for rounding."""

from __future__ import annotations

import numpy as np

from ..array_types import Float32, Float64

__all__ = ["fields_of_order"]

Pair = tuple[float, float]
#: Deviation of an angle that may be any, degrees.
_UNKNOWN = 180 / np.sqrt(3)


def fields_of_order(
    planes: Float32, vector: Pair, vectors: Float64, *, gradient: tuple[Pair, Pair], origin: Pair | None, place: Pair
) -> tuple[Float32, Pair]:
    """Give values and deviations ``(2, 2, rows, cols)``, and the origin; parameters as in the runtime."""
    shift, displacement = planes[:2].astype(np.float64), planes[2:4].astype(np.float64)
    amplitude, sd = planes[4].astype(np.float64) + 1j * planes[5], planes[6].astype(np.float64)
    if not amplitude.size:
        return np.zeros((2, 2, *amplitude.shape), np.float32), origin or (0.0, 0.0)
    y, x = (np.arange(count) * place[1] for count in amplitude.shape)
    centre = np.stack(np.broadcast_arrays(place[0] + y[:, None], x))
    start = shift[:, 0, 0] - displacement[:, 0, 0] if origin is None else np.array(origin)
    point = centre + shift - displacement - np.tensordot(gradient, centre, axes=1) - start[:, None, None]
    inverse = np.linalg.inv(vectors).T
    cells = np.rint(np.tensordot(inverse, point, axes=1))
    turns = np.tensordot(vector, np.tensordot(inverse, shift, axes=1) - cells, axes=1)
    order = np.abs(amplitude)
    angle = np.degrees(np.angle(amplitude * np.exp(2j * np.pi * turns)))
    width = np.minimum(np.degrees(sd) / np.maximum(order, 1e-30), _UNKNOWN)
    found = np.stack([[order, angle], [sd, np.where(sd < order, width, _UNKNOWN)]]).astype(np.float32)
    return found, (float(start[0]), float(start[1]))
