"""Fields of a map as its rows come, in NumPy: the interface and, but for rounding, the numbers of the compiled core.

For the method see `shiftvae_rt.kernels.lattice_fields`. Each call works on all rows so far, which is fast enough for a
display (maps of 121 x 121 windows, ten times a second), and not for stride 1.
"""

from __future__ import annotations

import numpy as np

from ..array_types import Float32, Float64
from ..fields import FIELD_NAMES, Fields, MeanLattice
from .field_average import half_box, lattice_vectors, slopes
from .window_grid import WindowGrid

__all__ = ["FieldStream"]

_TAU = 2 * np.pi
_LEAST_VARIANCE = 1e-8  # px squared


class FieldStream:
    """Rows of the shift map in, rows of the fields out; parameters as in the runtime."""

    def __init__(self, grid: WindowGrid, lattice: MeanLattice) -> None:
        self._vectors = lattice_vectors(lattice)
        self._half = half_box(self._vectors, grid.stride)
        self._grid, self._lattice = grid, lattice
        self._slopes = slopes(self._half, grid)
        self._shift = self._sd = np.zeros((2, 0, grid.cols))
        self._row = 0
        self.lag = 2 * self._half + 1

    def push(self, shift: Float32, sd: Float32) -> Fields:
        """Take the next rows ``(2, rows, cols)`` of the shift map, px, and give the rows that became complete."""
        self._shift = np.concatenate([self._shift, shift], axis=1)
        self._sd = np.concatenate([self._sd, sd], axis=1)
        seen, first = self._shift.shape[1], self._row
        self._row = seen if seen == self._grid.rows else max(first, seen - self.lag)
        if self._row == first:
            nothing = np.zeros((len(FIELD_NAMES), 0, self._grid.cols), np.float32)
            return Fields(nothing, nothing, first)
        rows = slice(first, self._row)
        turns = self._turns()
        phasors = np.exp(1j * _TAU * turns) / np.maximum((self._sd**2).sum(0), _LEAST_VARIANCE)
        averaged = self._average(self._average(phasors, 1), 2)
        unit = averaged / np.maximum(np.abs(averaged), 1e-150)
        mean = np.concatenate([self._displacement(turns, np.angle(unit) / _TAU), self._strain(unit)])
        return Fields(mean[:, rows].astype(np.float32), self._deviations()[:, rows].astype(np.float32), first)

    def _turns(self) -> Float64:
        """Phase of each window for each lattice vector, turns from -0.5 to 0.5."""
        grid = self._grid
        place = np.stack(np.meshgrid(grid.centre_y_px[: self._shift.shape[1]], grid.centre_x_px, indexing="ij"))
        turns = np.tensordot(np.linalg.inv(self._vectors).T, place + self._shift, axes=1)
        return turns - np.rint(turns)

    def _average(self, values: Float64, axis: int) -> Float64:
        """Sum under two boxes, one after the other; beyond the ends there is nothing."""
        for _ in range(2):
            total = np.cumsum(np.insert(values, 0, 0, axis=axis), axis=axis)
            at, count = np.arange(values.shape[axis]), values.shape[axis]
            last, before = np.minimum(at + self._half + 1, count), np.maximum(at - self._half, 0)
            values = total.take(last, axis=axis) - total.take(before, axis=axis)
        return values

    def _displacement(self, turns: Float64, averaged: Float64) -> Float64:
        """Displacement along y and x of the lattice points that the averages tell, px."""
        averaged[:, 0] = np.unwrap(averaged[:, 0], axis=1, period=1)
        averaged = np.unwrap(averaged, axis=1, period=1)
        near = averaged + (turns - averaged) - np.rint(turns - averaged)
        rows, cols = (np.arange(count) * self._grid.stride for count in near.shape[1:])
        (down_y, along_y), (down_x, along_x) = self._lattice.gradient
        gone = np.stack([np.add.outer(rows * down_y, cols * along_y), np.add.outer(rows * down_x, cols * along_x)])
        displacement = np.tensordot(self._vectors.T, near, axes=1) - gone
        return displacement - displacement[:, :1].mean(axis=2, keepdims=True)

    def _strain(self, unit: Float64) -> Float64:
        """Strain in % and rotation in degrees, from the angles between neighbours."""
        along = [self._gradient(unit, axis, count) for axis, count in ((1, self._grid.rows), (2, self._grid.cols))]
        mean, aspect = np.asarray(self._lattice.gradient), self._lattice.aspect
        (yy, yx), (xy, xx) = (
            [np.tensordot(self._vectors[:, i], along[j], axes=1) - mean[i, j] for j in (0, 1)] for i in (0, 1)
        )
        yx, xy = yx * aspect, xy / aspect
        return np.stack([100 * xx, 100 * yy, 50 * (xy + yx), 180 / _TAU * (yx - xy)])

    def _gradient(self, unit: Float64, axis: int, count: int) -> Float64:
        """Turns for each px along `axis`, of which the map has `count` windows."""
        places = np.arange(count, dtype=float)
        places = self._average(places, 0) / self._average(np.ones(count), 0)  # of what is averaged for each window
        ends = np.arange(unit.shape[axis])
        before, after = np.maximum(ends - 1, 0), np.minimum(ends + 1, unit.shape[axis] - 1)
        between = places[after] - places[before]
        per_px = np.divide(1 / (_TAU * self._grid.stride), between, out=np.zeros_like(between), where=between > 0)
        change = (unit.conj() * (unit.take(after, axis=axis) - unit.take(before, axis=axis))).imag
        return change * (per_px[:, None] if axis == 1 else per_px)

    def _deviations(self) -> Float64:
        """Standard deviations of the fields, in their units."""
        (yy, yx), (_, xx) = self._slopes
        aspect, (sy, sx) = self._lattice.aspect, self._sd
        shear = np.hypot(sx * self._slopes[1][0] / aspect, sy * yx * aspect)
        return np.stack([sy, sx, 100 * sx * xx, 100 * sy * yy, 50 * shear, 180 / _TAU * shear])
