"""Change of the motif along a latent, and the share of it that its columns explain by moving, brightening or widening.

Fits separate overlapping columns badly; the share that they explain together is well determined. The change is
projected on the patterns that small changes of position, height and width of each kind of column draw, in all cells at
once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64

from ..model.column_fit import Columns

__all__ = ["cell_around", "change_of_motif"]


def cell_around(place: Float64, shape: tuple[int, ...], wrap: Callable[[Float64], Float64]) -> NDArray[np.bool_]:
    """Pixels of a template nearer to ``place (2,)`` than to its copies on the lattice; all pixels without a lattice.

    ``wrap`` brings vectors ``(..., 2)`` px into the cell around 0.
    """
    away = np.moveaxis(np.indices(shape), 0, -1) - place
    return np.asarray(np.abs(wrap(away) - away).max(axis=-1) < 0.5)


def change_of_motif(
    templates: Float64, columns: Columns, places: Float64, wrap: Callable[[Float64], Float64]
) -> tuple[float, float]:
    """Measure the change of a cell from the first to the last template.

    Parameters
    ----------
    templates
        ``(n, h, w)`` along the traversal.
    columns
        One column of each kind, ``(k,)``, at mean content; the first is in the middle of the cell.
    places
        ``(m, 2)`` pixel positions (y, x) of all columns that are followed, one of each kind first.
    wrap
        As in `cell_around`.

    Returns
    -------
    (change, unexplained)
        Standard deviation of the change relative to that of the motif, and the share of its variance that the columns
        do not explain.
    """
    known = np.flatnonzero(np.isfinite(columns.centre).all(axis=1))
    cell = cell_around(places[0], templates.shape[1:], wrap)
    patterns = [np.ones(np.count_nonzero(cell))]
    for kind in known:
        apart = places - places[kind]
        lattice = (apart - wrap(apart))[np.hypot(*wrap(apart).T) < columns.width[kind]]
        patterns += [pattern[cell] for pattern in _small_changes(columns, int(kind), lattice, templates.shape[1:])]
    seen = (templates[-1] - templates[0])[cell]
    design = np.stack(patterns, axis=1)
    left = seen - design @ np.linalg.lstsq(design, seen, rcond=None)[0]
    contrast = float(np.std(templates[len(templates) // 2][cell]))
    return float(np.std(seen)) / max(contrast, 1e-30), float(np.var(left) / max(np.var(seen), 1e-30))


def _small_changes(columns: Columns, kind: int, lattice: Float64, shape: tuple[int, ...]) -> list[Float64]:
    """Patterns ``(h, w)`` of a column and its copies ``lattice (n, 2)`` px away as they brighten, move and widen."""
    (y, x), width = np.indices(shape), columns.width[kind]
    patterns = np.zeros((4, *shape))
    for cy, cx in columns.centre[kind] + lattice:
        v, u = (y - cy) / width, (x - cx) / width
        bell = np.exp(-0.5 * (v**2 + u**2))
        patterns += np.stack([bell, bell * v, bell * u, bell * (v**2 + u**2)])
    return list(patterns)
