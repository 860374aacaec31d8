"""Degree of order and antiphase of a map as its rows come, from the order latents and the displacement."""

from __future__ import annotations

import numpy as np

from ..array_types import Float32
from ..fields import Fields, MeanLattice
from .field_average import lattice_vectors
from .order_fields import fields_of_order
from .window_grid import WindowGrid

__all__ = ["OrderRows"]

#: Latents of the shift, which come before those of the order.
SHIFT = 2


class OrderRows:
    """Rows of the latents in, rows of the fields of the order out, where the displacement is known.

    Parameters
    ----------
    grid
        Windows of the whole frame.
    lattice
        Lattice with its superlattice vectors.
    """

    def __init__(self, grid: WindowGrid, lattice: MeanLattice) -> None:
        self._stride, self._lattice, self._vectors = grid.stride, lattice, lattice_vectors(lattice.grains[0])
        self._waiting = np.zeros((2, lattice.latents, 0, grid.cols), np.float32)
        self._row = 0
        self._origin: tuple[float, float] | None = None

    def extend(self, fields: Fields, mean: Float32, std: Float32) -> Fields:
        """Append the fields of the order to `fields`, which came with the rows ``mean, std`` of the latents."""
        order, order_sd = self.push(mean, std, fields.mean[:2])
        values, deviations = np.concatenate([fields.mean, order]), np.concatenate([fields.std, order_sd])
        return Fields(values, deviations, fields.first_row)

    def push(self, mean: Float32, std: Float32, displacement: Float32) -> tuple[Float32, Float32]:
        """Take the next rows of the latents, and of the displacement that became complete.

        Parameters
        ----------
        mean, std
            ``(at least 2 + 2 m, rows, cols)``: shift, then real and imaginary part for each superlattice vector.
        displacement
            ``(2, complete, cols)`` px, maybe of fewer rows than have come.

        Returns
        -------
        (values, deviations)
            ``(2 m, complete, cols)`` each: degree of order and antiphase in degrees for each vector.
        """
        latents, complete = self._lattice.latents, displacement.shape[1]
        fresh = np.stack([mean[:latents], std[:latents]]).astype(np.float32)
        waiting = np.concatenate([self._waiting, fresh], axis=2)
        (mean, std), self._waiting = waiting[:, :, :complete], waiting[:, :, complete:].copy()
        found = np.empty((2, latents - SHIFT, *displacement.shape[1:]), np.float32)
        first_y, origin = float(self._row * self._stride), self._origin
        for index, vector in enumerate(self._lattice.superlattice):
            at = SHIFT + 2 * index
            planes = np.concatenate([mean[:2], displacement, mean[at : at + 2], std[at : at + 1]])
            values, self._origin = fields_of_order(
                planes,
                vector,
                self._vectors,
                gradient=self._lattice.gradient,
                origin=origin,
                place=(first_y, self._stride),
            )
            found[:, 2 * index : 2 * index + 2] = values
        if not complete:
            self._origin = origin
        self._row += complete
        return found[0], found[1]
