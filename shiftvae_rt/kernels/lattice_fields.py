"""Fields of a map as its rows come, from the shift of each window (C++ kernel).

The shift is known modulo the lattice, as a phase for each lattice vector. Averaged over about one period, weighted by
the precision of the shift, the phases have the gradient of the displacement: geometric phase analysis of the shift
latents. Source: Hytch, Snoeck, Kilaas, Ultramicroscopy 74 (1998) 131.
"""

from __future__ import annotations

import numpy as np

from .. import _core
from ..array_types import Float32
from ..fields import FIELD_NAMES, Fields, MeanLattice
from .field_average import half_box, lattice_vectors, slopes
from .window_grid import WindowGrid

__all__ = ["FieldStream"]


class FieldStream:
    """Rows of the shift map in, rows of the fields out: the same bits however the rows come.

    A row of fields needs rows of windows below it and comes `lag` rows later, the last ones with the last row.

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
        vectors = lattice_vectors(lattice)
        half = half_box(vectors, grid.stride)
        self._stream = _core.LatticeFields(
            shape=(grid.rows, grid.cols),
            first=(float(grid.centre_y_px[0]), float(grid.centre_x_px[0])),
            stride=float(grid.stride),
            aspect=lattice.aspect,
            vectors=vectors.tolist(),
            gradient=lattice.gradient,
            half=half,
            slope=slopes(half, grid),
        )
        #: Rows by which the fields come later.
        self.lag = 2 * half + 1
        self._cols, self._row = grid.cols, 0

    def push(self, shift: Float32, sd: Float32) -> Fields:
        """Take the next rows of the shift map and give the rows of the fields that became complete, maybe none.

        Parameters
        ----------
        shift, sd
            ``(2, rows, cols)`` posterior mean and standard deviation of the shift along y and x, px.
        """
        complete = self._stream.rows_with(shift.shape[1])
        found = np.empty((2 * len(FIELD_NAMES), complete, self._cols), np.float32)
        # maps that came over the network may lie anywhere in memory
        shift, sd = (np.require(plane, np.float32, ["C", "A"]) for plane in (shift, sd))
        self._stream.push(shift, sd, found)
        first, self._row = self._row, self._row + complete
        return Fields(found[: len(FIELD_NAMES)], found[len(FIELD_NAMES) :], first)
