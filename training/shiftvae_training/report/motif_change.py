"""Change of the motif along a latent, and the share of it that its columns explain.

Fits separate overlapping columns badly; the share that they explain together is well determined. The change is
projected on the patterns that small changes of position, height and width of each kind of column draw, in all cells at
once. Of what is left, a column that becomes longer in one direction and narrower across may explain much: tilt, drift
and a tip that is not round do that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64

from ..model.column_fit import Columns

__all__ = ["MotifChange", "Wrap", "cell_around", "change_of_motif"]

#: Brings vectors ``(..., 2)`` px into the cell around 0.
Wrap = Callable[[Float64], Float64]


@dataclass(frozen=True)
class MotifChange:
    """Change of the cell around the anchor.

    Attributes
    ----------
    size
        Standard deviation of the change, relative to that of the motif.
    unexplained
        Share of its variance that no small movement, change of height or change of width of a column explains.
    longer
        Index of the column that explains most of the rest by becoming longer, and narrower across; the share of the
        variance of the change; the direction, degrees counter-clockwise from right, 0 to 180.
    """

    size: float
    unexplained: float
    longer: tuple[int, float, float]


def cell_around(place: Float64, shape: tuple[int, ...], wrap: Wrap) -> NDArray[np.bool_]:
    """Pixels of a template nearer to ``place (2,)`` than to its copies on the lattice; all pixels without a lattice.

    ``wrap`` brings vectors ``(..., 2)`` px into the cell around 0.
    """
    away = np.moveaxis(np.indices(shape), 0, -1) - place
    return np.asarray(np.abs(wrap(away) - away).max(axis=-1) < 0.5)


def change_of_motif(
    twice: tuple[Float64, Float64], motif: Float64, *, columns: Columns, places: Float64, wrap: Wrap
) -> MotifChange:
    """Measure a change of the cell around the anchor.

    Parameters
    ----------
    twice
        ``(h, w)`` the change, twice: measured with independent noise, which does not count then, or the same array.
    motif
        ``(h, w)`` the motif that changes.
    columns
        One column of each kind, ``(k,)``; the first is in the middle of the cell.
    places
        ``(m, 2)`` pixel positions (y, x) of all columns that are followed, one of each kind first.
    wrap
        As in `cell_around`.
    """
    known = np.flatnonzero(np.isfinite(columns.centre).all(axis=1))
    cell = cell_around(places[0], motif.shape, wrap)
    patterns, shapes = [np.ones(np.count_nonzero(cell))], []
    for kind in known:
        apart = places - places[kind]
        lattice = (apart - wrap(apart))[np.hypot(*wrap(apart).T) < columns.width[kind]]
        drawn = [pattern[cell] for pattern in _small_changes(columns, int(kind), lattice, motif.shape)]
        patterns += drawn[:4]
        shapes.append(np.stack(drawn[4:], axis=1))
    basis = np.linalg.svd(np.stack(patterns, axis=1), full_matrices=False)[0]
    seen = [part[cell] - part[cell].mean() for part in twice]
    left = [part - basis @ (basis.T @ part) for part in seen]
    variance = float(np.mean(seen[0] * seen[1]))
    if variance <= 0:
        return MotifChange(0.0, 0.0, (0, 0.0, 0.0))
    unexplained = float(np.mean(left[0] * left[1])) / variance
    contrast = float(np.std(motif[cell]))
    longer = (0, 0.0, 0.0)
    for kind, shape in zip(known, shapes, strict=True):
        own = shape - basis @ (basis.T @ shape)
        found = [np.linalg.lstsq(own, part, rcond=None)[0] for part in left]
        share = float(np.mean((own @ found[0]) * (own @ found[1]))) / variance
        if share > longer[1]:
            across, slanting = np.add(*found)
            longer = int(kind), share, float(-np.degrees(np.arctan2(slanting, across)) / 2 % 180)
    return MotifChange(float(np.sqrt(variance)) / max(contrast, 1e-30), float(np.clip(unexplained, 0, 1)), longer)


def _small_changes(columns: Columns, kind: int, lattice: Float64, shape: tuple[int, ...]) -> list[Float64]:
    """Patterns ``(h, w)`` of a column and its copies ``lattice (n, 2)`` px away as they change a little.

    They brighten, move down, move right, widen, become longer to the right, and longer to the right and down.
    """
    (y, x), width = np.indices(shape), columns.width[kind]
    patterns = np.zeros((6, *shape))
    for cy, cx in columns.centre[kind] + lattice:
        v, u = (y - cy) / width, (x - cx) / width
        bell = np.exp(-0.5 * (v**2 + u**2))
        patterns += bell * np.stack([np.ones(shape), v, u, v**2 + u**2, u**2 - v**2, 2 * u * v])
    return list(patterns)
