"""Fields of a map as its rows come, from the shift of each window (C++ kernel).

The shift is known modulo the lattice, as a phase for each lattice vector. Averaged over about one period, weighted by
the precision of the shift, the phases have the gradient of the displacement: geometric phase analysis of the shift
latents. Source: Hytch, Snoeck, Kilaas, Ultramicroscopy 74 (1998) 131.
"""

from __future__ import annotations

import numpy as np

from .. import _core
from ..array_types import Float32
from ..fields import FIELD_NAMES, Fields, GrainLattice, MeanLattice
from .field_average import half_box, lattice_vectors, slopes
from .grain_fields import GrainFields
from .order_rows import OrderRows
from .window_grid import WindowGrid

__all__ = ["FieldStream"]


class FieldStream:
    """Rows of a map in, rows of the fields out: the same bits however the rows come.

    A row of fields needs rows of windows below it and comes `lag` rows later, the last ones with the last row. With
    several grains, each lattice has the windows of its own grain alone.

    Parameters
    ----------
    grid
        Windows of the whole frame.
    lattice
        Lattice against which displacement and strain are measured.

    Raises
    ------
    WindowError
        for lattice vectors that are parallel, or not two.
    """

    def __init__(self, grid: WindowGrid, lattice: MeanLattice) -> None:
        half = half_box(np.concatenate([lattice_vectors(grain) for grain in lattice.grains]), grid.stride)
        #: Rows by which the fields come later.
        self.lag = 2 * half + 1
        streams = [_LatticeStream(grid, grain, lattice.aspect, half) for grain in lattice.grains]
        self._fields = GrainFields(streams, grid.cols)
        self._order = OrderRows(grid, lattice) if lattice.superlattice else None

    def push(self, mean: Float32, std: Float32) -> Fields:
        """Take the next rows of a map and give the rows of the fields that became complete, maybe none.

        Parameters
        ----------
        mean, std
            ``(L, rows, cols)`` posterior mean and standard deviation: the shift along y and x, px; with several grains,
            the grain; or else the order latents; further latents are passed over.
        """
        fields = self._fields.push(mean, std)
        return fields if self._order is None else self._order.extend(fields, mean, std)


class _LatticeStream:
    """Fields against one lattice; windows with an infinite deviation are unknown."""

    def __init__(self, grid: WindowGrid, grain: GrainLattice, aspect: float, half: int) -> None:
        self._cols = grid.cols
        self._core = _core.LatticeFields(
            shape=(grid.rows, grid.cols),
            first=(float(grid.centre_y_px[0]), float(grid.centre_x_px[0])),
            stride=float(grid.stride),
            aspect=aspect,
            vectors=lattice_vectors(grain).tolist(),
            gradient=grain.gradient,
            half=half,
            slope=slopes(half, grid),
        )

    def push(self, shift: Float32, sd: Float32) -> tuple[Float32, Float32]:
        """Values and deviations ``(6, rows, cols)`` of rows that became complete with ``shift, sd (2, n, cols)``."""
        found = np.empty((2 * len(FIELD_NAMES), self._core.rows_with(shift.shape[1]), self._cols), np.float32)
        # maps that came over the network may lie anywhere in memory
        shift, sd = (np.require(plane, np.float32, ["C", "A"]) for plane in (shift, sd))
        self._core.push(shift, sd, found)
        return found[: len(FIELD_NAMES)], found[len(FIELD_NAMES) :]
