"""Arithmetic of latents that have a period: shifts modulo the lattice, angles modulo a turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..model.manifest import Manifest

__all__ = ["Latents", "difference", "modulo_lattice"]

#: Where the chance of another grain is above this in both of two maps, they may tell different ones.
TIE = 0.4


@dataclass(frozen=True)
class Latents:
    """Facts about latents that their differences depend on.

    Attributes
    ----------
    lattice
        Vectors ``(k, dimensions)`` px, modulo which the first latents, the shift, are known.
    periods
        ``(L,)`` period of each latent; None for one without.
    grains
        ``(K, 2, 2)`` lattices of the grains, if there are several: the grain is then the latent after the shift.
    """

    lattice: NDArray[np.float64]
    periods: Sequence[float | None]
    grains: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, manifest: Manifest) -> Latents:
        """Latents of the model with this manifest."""
        lattice = np.reshape(manifest.lattice, (-1, 2))[:, 2 - manifest.dimensions :]
        grains = np.array([grain.vectors for grain in manifest.grains]) if manifest.grains else None
        return cls(lattice, [latent.period for latent in manifest.latents], grains)


def difference(
    one: tuple[NDArray[Any], NDArray[Any]], other: tuple[NDArray[Any], NDArray[Any]], latents: Latents
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the means ``(L, ...)`` of `one` minus those of `other`, and their deviations; both are (mean, std).

    Shifts are compared modulo the lattice, angles modulo their period. Where two grains are equally likely in both, the
    grain, and the shift in it, count as equal: rounding decides between them.
    """
    off: NDArray[np.float64] = one[0].astype(np.float64) - other[0]
    off_std: NDArray[np.float64] = one[1].astype(np.float64) - other[1]
    lattice, axes = latents.lattice, latents.lattice.shape[1]
    if latents.grains is not None:
        tie = (off[axes] != 0) & (one[1][axes] > TIE) & (other[1][axes] > TIE)
        for grain, vectors in enumerate(latents.grains):
            mine = np.maximum(other[0][axes], 0) == grain
            off[:axes, mine] = modulo_lattice(off[:axes, mine], vectors)
        off[: axes + 1, tie] = off_std[: axes + 1, tie] = 0.0
    elif len(lattice):
        off[:axes] = modulo_lattice(off[:axes], lattice)
    for index, period in enumerate(latents.periods):
        if period is not None:
            off[index] -= period * np.rint(off[index] / period)
    return off, off_std


def modulo_lattice(displacement: NDArray[np.float64], lattice: ArrayLike) -> NDArray[np.float64]:
    """Bring ``displacement (2 or 1, ...)`` px into the cell around 0 of the lattice vectors ``(k, 2)``, each (y, x)."""
    vectors = np.asarray(lattice, dtype=np.float64)[:, -len(displacement) :]
    cells = np.tensordot(np.linalg.pinv(vectors).T, displacement, axes=1)
    wrapped: NDArray[np.float64] = displacement - np.tensordot(vectors.T, np.rint(cells), axes=1)
    return wrapped
