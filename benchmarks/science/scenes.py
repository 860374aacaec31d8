"""Scans with a known truth for the benchmarks: lattices of all kinds, and what may vary on them.

Each cell has two columns, A on the lattice and B within, imaged by the microscope of `shiftvae_rt.simulator` (drift,
flyback lag, Poisson counts). A field over the specimen, the order parameter, moves B along x, changes its brightness,
or tilts the specimen, which doubles every column along x; the period may grow over the frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.spatial import cKDTree

from shiftvae_rt.simulator import Crystal, Microscope, add_columns, in_frame


def cell(a: float, b: float, angle: float, turn: float) -> np.ndarray:
    """Lattice vectors (y, x) of lengths a and b at an angle, turned; degrees."""
    directions = np.radians([turn, turn + angle])
    return np.stack([np.cos(directions), np.sin(directions)], axis=1) * [[a], [b]]


#: Cells with edges of about 1; position of B in fractions of the vectors; its brightness relative to A.
LATTICES = {
    "square": (cell(1, 1, 90, 0), (0.5, 0.5), 0.5),
    "oblique": (cell(0.95, 1.08, 76, 33), (0.5, 0.5), 0.5),
    "hexagonal": (cell(1, 1, 60, 17), (1 / 3, 1 / 3), 0.5),
    "honeycomb": (cell(1, 1, 60, 7), (1 / 3, 1 / 3), 1.0),
}
#: Mean and largest change of the order parameter: displacement of B in periods; relative change of its brightness; half
#: the distance of the two images of each column, in periods.
ORDERS = {"displacement": (0.0, 0.08), "intensity": (0.0, 0.5), "tilt": (0.09, 0.05)}
#: In periods; of an A peak.
SIGMA_A, SIGMA_B, BACKGROUND = 0.115, 0.11, 0.11


@dataclass(frozen=True)
class Scan:
    """A scanned frame and its truth.

    ``pixels (height, width)`` are counts, ``order`` the order parameter at every pixel; ``columns_a_px`` and
    ``columns_b_px (n, 2)`` the positions of the columns in the frame, B without its displacement.
    """

    pixels: np.ndarray
    order: np.ndarray
    columns_a_px: np.ndarray
    columns_b_px: np.ndarray

    def shift_px(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Vector from each window centre to the nearest A column, ``(2, rows, cols)``."""
        centres = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1)
        return np.moveaxis(self.columns_a_px[cKDTree(self.columns_a_px).query(centres)[1]] - centres, -1, 0)


@dataclass(frozen=True)
class Scene:
    """A kind of scan.

    Parameters
    ----------
    lattice, order
        Names in `LATTICES` and `ORDERS`.
    period_px
        Edge of the cell, px.
    counts
        Counts at an A peak, including the background.
    growth
        Relative growth of the period over the frame, along both axes.
    microscope
        Its shape, drift, flyback and seed.
    """

    lattice: str = "square"
    order: str = "displacement"
    period_px: float = 16.0
    counts: float = 100.0
    growth: float = 0.03
    microscope: Microscope = field(default_factory=lambda: Microscope(shape=(384, 384)))

    def frame(self, index: int) -> Scan:
        """Frame number `index`, with fresh noise and the wall moved."""
        vectors, place_b, bright_b = LATTICES[self.lattice]
        period, shape, mean_and_change = self.period_px, self.microscope.shape, ORDERS[self.order]
        crystal = Crystal(
            vectors=tuple(map(tuple, period * vectors)),
            period_growth=self.growth,
            displacement_px=1.0,
            wall_width_px=1.5 * period,
        )
        microscope = replace(self.microscope, crystal=crystal)
        wall = 0.55 * shape[1] + microscope.wall_step_px * index

        def order(y: np.ndarray, x: np.ndarray) -> np.ndarray:
            return mean_and_change[0] + mean_and_change[1] * crystal.displacement(y, x, shape=shape, wall_x_px=wall)

        y, x = microscope.beam_path()
        a, b = microscope.columns(index, (0.0, 0.0)), microscope.columns(index, place_b)
        along_x = np.array([0.0, period])
        moved = b + along_x * order(*b.T)[:, None] * (self.order == "displacement")
        peaks_b = bright_b * (1 + order(*b.T) * (self.order == "intensity"))
        counts = np.zeros(shape)
        for side in (-1, 1):  # the two images of a column coincide unless it is tilted
            apart = side * along_x * (self.order == "tilt")
            add_columns(counts, y, x, a + apart * order(*a.T)[:, None], 0.5, SIGMA_A * period)
            add_columns(counts, y, x, moved + apart * order(*b.T)[:, None], 0.5 * peaks_b, SIGMA_B * period)
        counts = self.counts / (1 + BACKGROUND) * (counts + BACKGROUND)
        pixels = np.random.default_rng([microscope.seed, index, 3]).poisson(counts).astype(np.uint16)
        return Scan(pixels, order(y, x), in_frame(a, y, x), in_frame(b, y, x))
