"""Scans of a crystal with two grains, with their truth: orientation, order parameter and columns of each.

The cell is oblique, with a bright A column at its corners and a weaker B column inside. The order parameter is the
displacement of B along the grain's own second lattice vector; it varies slowly, and continues across the boundary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Lattice vectors (y, x) in px before they are turned; place of B in the cell.
CELL = np.array([[20.0, 0.0], [20.5 * np.sin(np.radians(-8)), 20.5 * np.cos(np.radians(8))]])
PLACE_B = np.array([0.5, 0.40])
#: Height and Gaussian width of the columns, px; background; all heights together at a bright column.
COLUMNS, BACKGROUND, BRIGHTEST = ((1.0, 2.4), (0.55, 2.2)), 0.15, 1.15
#: Direction of the first grain's first vector from the y axis, degrees.
FIRST_TURN = 6.0


@dataclass(frozen=True)
class GrainScan:
    """A frame and its truth.

    Attributes
    ----------
    pixels
        Counts, uint16 ``(size, size)``.
    order_px, grain
        Displacement of B in px, and number of the grain, at every pixel.
    cells
        ``(2, 2, 2)`` lattice vectors (y, x) of each grain, px, in the same order in the motif.
    columns_px
        Places ``(n, 2)`` of the A columns of each grain.
    """

    pixels: np.ndarray
    order_px: np.ndarray
    grain: np.ndarray
    cells: np.ndarray
    columns_px: tuple[np.ndarray, np.ndarray]


def grain_scan(
    seed: int, *, angle_deg: float = 19.0, mirror: bool = False, counts: float = 100.0, size: int = 448
) -> GrainScan:
    """A scan with a slanted boundary through its middle; `seed` sets noise, boundary and order parameter.

    `angle_deg` is between the grains; with `mirror` the second grain is the mirror image of the first.
    """
    rng = np.random.default_rng([seed, 5])
    y, x = np.mgrid[:size, :size].astype(float)
    grain = (x > size / 2 + 14 * rng.uniform(-1, 1) + 0.25 * (y - size / 2)).astype(int)
    order = _order(rng, size)
    image = np.full((size, size), BACKGROUND)
    cells, corners = [], []
    for k in (0, 1):
        cell = CELL * [1, -1] if mirror and k else CELL
        turn = FIRST_TURN if not k else -FIRST_TURN if mirror else FIRST_TURN + angle_deg
        cosine, sine = np.cos(np.radians(turn)), np.sin(np.radians(turn))
        cell = cell @ np.array([[cosine, sine], [-sine, cosine]])
        corner = _inside(rng.uniform(size=2), cell, grain == k)
        inner = _inside(_offset(corner, cell) + PLACE_B, cell, grain == k)
        at = tuple(np.clip(np.rint(inner).astype(int), 0, size - 1).T)
        inner = inner + order[at][:, None] * cell[1] / np.hypot(*cell[1])
        for places, (height, sigma) in zip((corner, inner), COLUMNS, strict=True):
            _draw(image, places, height, sigma)
        cells.append(cell)
        corners.append(corner)
    pixels = rng.poisson(counts / BRIGHTEST * image).astype(np.uint16)
    return GrainScan(pixels, order, grain, np.array(cells), (corners[0], corners[1]))


def _order(rng: np.random.Generator, size: int) -> np.ndarray:
    """Slow displacement of B, px, at every pixel."""
    y, x = np.mgrid[:size, :size] / size
    first, second = rng.uniform(0, 2 * np.pi, 2)
    waves = 0.6 * np.sin(2 * np.pi * (1.3 * x + 0.5 * y) + first) + 0.4 * np.sin(
        2 * np.pi * (1.1 * y - 0.4 * x) + second
    )
    return np.asarray(1.5 / 0.8 * waves)


def _offset(corner: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Place of the columns ``(n, 2)`` px in their cell, in lattice vectors."""
    return np.asarray((corner[0] @ np.linalg.inv(cell)) % 1)


def _inside(offset: np.ndarray, cell: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Places ``(n, 2)`` px of the lattice points, `offset` in lattice vectors, in the area `where`, and just beyond."""
    steps = np.stack(np.meshgrid(np.arange(-60, 61), np.arange(-60, 61), indexing="ij"), -1).reshape(-1, 2)
    places = (steps + offset) @ cell
    near = np.clip(np.rint(places).astype(int), 0, np.array(where.shape) - 1)
    return places[where[tuple(near.T)] & (np.abs(places - near) < 30).all(axis=1)]


def _draw(image: np.ndarray, places: np.ndarray, height: float, sigma: float) -> None:
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    for cy, cx in places:
        near = np.s_[max(0, int(cy) - 12) : max(0, int(cy) + 13), max(0, int(cx) - 12) : max(0, int(cx) + 13)]
        image[near] += height * np.exp(-((y[near] - cy) ** 2 + (x[near] - cx) ** 2) / (2 * sigma**2))
