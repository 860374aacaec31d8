"""Fields of a map as its rows come, in NumPy, as by the compiled core but for rounding; see the module there.

Each call works on all rows so far: fast enough for a display, not for stride 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..array_types import Float32, Float64
from ..fields import FIELD_NAMES, Fields, GrainLattice, MeanLattice
from .field_average import half_box, lattice_vectors, slopes
from .grain_fields import GrainFields
from .order_rows import OrderRows
from .window_grid import WindowGrid

__all__ = ["FieldStream"]

_TAU = 2 * np.pi
_LEAST_VARIANCE = 1e-8  # px squared


class FieldStream:
    """Rows of a map in, rows of the fields out."""

    def __init__(self, grid: WindowGrid, lattice: MeanLattice) -> None:
        half = half_box(np.concatenate([lattice_vectors(grain) for grain in lattice.grains]), grid.stride)
        self.lag = 2 * half + 1
        streams = [_LatticeStream(grid, grain, lattice.aspect, half) for grain in lattice.grains]
        self._fields = GrainFields(streams, grid.cols)
        self._order = OrderRows(grid, lattice) if lattice.superlattice else None

    def push(self, mean: Float32, std: Float32) -> Fields:
        """Take the next rows ``(L, rows, cols)``; gives those that became complete."""
        fields = self._fields.push(mean, std)
        return fields if self._order is None else self._order.extend(fields, mean, std)


class _LatticeStream:
    """Fields against one lattice; windows with an infinite deviation are unknown."""

    def __init__(self, grid: WindowGrid, grain: GrainLattice, aspect: float, half: int) -> None:
        self._vectors, self._half = lattice_vectors(grain), half
        self._grid, self._lattice, self._aspect = grid, grain, aspect
        self._slopes = slopes(half, grid)
        self._shift = self._sd = np.zeros((2, 0, grid.cols))
        self._row = 0

    def push(self, shift: Float32, sd: Float32) -> tuple[Float32, Float32]:
        """Values and deviations of rows that the next ``shift, sd (2, rows, cols)`` px complete."""
        self._shift = np.concatenate([self._shift, shift], axis=1)
        self._sd = np.concatenate([self._sd, sd], axis=1)
        seen, first, lag = self._shift.shape[1], self._row, 2 * self._half + 1
        self._row = seen if seen == self._grid.rows else max(first, seen - lag)
        if self._row == first:
            nothing = np.zeros((len(FIELD_NAMES), 0, self._grid.cols), np.float32)
            return nothing, nothing
        rows = slice(first, self._row)
        turns = self._turns()
        phasors = np.exp(1j * _TAU * turns) / np.maximum((self._sd**2).sum(0), _LEAST_VARIANCE)
        averaged = self._average(self._average(phasors, 1), 2)
        unit = averaged / np.maximum(np.abs(averaged), 1e-150)
        mean = np.concatenate([self._displacement(turns, np.angle(unit) / _TAU), self._strain(unit)])
        return mean[:, rows].astype(np.float32), self._deviations()[:, rows].astype(np.float32)

    def _turns(self) -> Float64:
        """Phases, turns from -0.5 to 0.5."""
        grid = self._grid
        place = np.stack(np.meshgrid(grid.centre_y_px[: self._shift.shape[1]], grid.centre_x_px, indexing="ij"))
        turns = np.tensordot(np.linalg.inv(self._vectors).T, place + self._shift, axes=1)
        return turns - np.rint(turns)

    def _average(self, values: Float64, axis: int) -> Float64:
        """Sum under two boxes, one after the other."""
        for _ in range(2):
            total = np.cumsum(np.insert(values, 0, 0, axis=axis), axis=axis)
            at, count = np.arange(values.shape[axis]), values.shape[axis]
            last, before = np.minimum(at + self._half + 1, count), np.maximum(at - self._half, 0)
            values = total.take(last, axis=axis) - total.take(before, axis=axis)
        return values

    def _displacement(self, turns: Float64, averaged: Float64) -> Float64:
        """Displacement along y and x, px."""
        known = np.isfinite(self._sd[0])
        averaged = np.stack([_unwrapped(each, known) for each in averaged])
        near = averaged + (turns - averaged) - np.rint(turns - averaged)
        rows, cols = (np.arange(count) * self._grid.stride for count in near.shape[1:])
        (down_y, along_y), (down_x, along_x) = self._lattice.gradient
        gone = np.stack([np.add.outer(rows * down_y, cols * along_y), np.add.outer(rows * down_x, cols * along_x)])
        displacement = np.tensordot(self._vectors.T, near, axes=1) - gone
        if not known.any():
            return displacement
        top = int(known.any(axis=1).argmax())
        return displacement - displacement[:, top, known[top]].mean(axis=1)[:, None, None]

    def _strain(self, unit: Float64) -> Float64:
        """Strain in %, rotation in degrees."""
        along = [self._gradient(unit, axis, count) for axis, count in ((1, self._grid.rows), (2, self._grid.cols))]
        mean, aspect = np.asarray(self._lattice.gradient), self._aspect
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
        aspect, (sy, sx) = self._aspect, self._sd
        shear = np.hypot(sx * self._slopes[1][0] / aspect, sy * yx * aspect)
        return np.stack([sy, sx, 100 * sx * xx, 100 * sy * yy, 50 * shear, 180 / _TAU * shear])


def _unwrapped(turns: Float64, known: NDArray[np.bool_]) -> Float64:
    """Turns ``(rows, cols)`` near those of the row above; unknown windows keep them, new columns follow neighbours."""
    found, last, begun = np.zeros_like(turns), np.zeros(turns.shape[1]), np.zeros(turns.shape[1], bool)
    for row, here in enumerate(known):
        seen, new = here & begun, np.flatnonzero(here & ~begun)
        last[seen] += _part(turns[row, seen] - last[seen])
        if len(new):
            if not begun.any():
                last[new[0]], begun[new[0]] = turns[row, new[0]], True
            seed = int(begun.argmax())
            for column in [*new[new < seed][::-1], *new[new > seed]]:
                settled = np.flatnonzero(begun)
                beside = settled[settled > column][:1] if column < seed else settled[settled < column][-1:]
                near = last[beside[0]]
                last[column], begun[column] = near + _part(turns[row, column] - near), True
        found[row] = last
    return found


def _part(turns: Float64) -> Float64:
    """What is beyond the nearest whole turn."""
    return turns - np.rint(turns)
