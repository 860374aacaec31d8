"""Arithmetic of latents that have a period: shifts modulo the lattice, angles modulo a turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["difference", "modulo_lattice"]


def difference(
    one: NDArray[Any], other: NDArray[Any], *, lattice: NDArray[np.float64], periods: Sequence[float | None]
) -> NDArray[np.float64]:
    """Give the latents `one` minus the latents `other`, ``(L, ...)``: shifts modulo the lattice, angles their period.

    The vectors of the `lattice` are ``(k, dimensions)`` px; the first latents are the shift. ``periods (L,)`` are None
    for latents without a period.
    """
    off: NDArray[np.float64] = one.astype(np.float64) - other
    if len(lattice):
        off[: lattice.shape[1]] = modulo_lattice(off[: lattice.shape[1]], lattice)
    for index, period in enumerate(periods):
        if period is not None:
            off[index] -= period * np.rint(off[index] / period)
    return off


def modulo_lattice(displacement: NDArray[np.float64], lattice: ArrayLike) -> NDArray[np.float64]:
    """Bring ``displacement (2 or 1, ...)`` px into the cell around 0 of the lattice vectors ``(k, 2)``, each (y, x)."""
    vectors = np.asarray(lattice, dtype=np.float64)[:, -len(displacement) :]
    cells = np.tensordot(np.linalg.pinv(vectors).T, displacement, axes=1)
    wrapped: NDArray[np.float64] = displacement - np.tensordot(vectors.T, np.rint(cells), axes=1)
    return wrapped
