"""Frames with two grains of one crystal, for the tests of everything that knows grains."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.frame import as_pixels

#: An oblique cell, (y, x) px, and its columns: place in the cell, height, Gaussian width in px.
CELL = np.array([[12.0, 0.0], [-1.7, 12.2]])
COLUMNS = (((0.0, 0.0), 1.0, 1.6), ((0.5, 0.38), 0.55, 1.5))


def turned(cell: NDArray[np.float64], degrees: float) -> NDArray[np.float64]:
    """A cell turned counter-clockwise as seen."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.asarray(cell @ np.array([[cosine, sine], [-sine, cosine]]))


def grain_frame(
    cells: list[NDArray[np.float64]],
    *,
    size: int = 192,
    columns: tuple[tuple[tuple[float, float], float, float], ...] = COLUMNS,
    everywhere: bool = False,
    seed: int = 0,
) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
    """Counts ``(1, size, size)`` with a cell in each half, or all `everywhere`; and the half of every pixel."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size].astype(float)
    half = (x > size / 2 + 0.2 * (y - size / 2)).astype(int) * (len(cells) > 1)
    image = np.full((size, size), 0.15)
    steps = np.stack(np.meshgrid(np.arange(-40, 41), np.arange(-40, 41), indexing="ij"), -1).reshape(-1, 2)
    for number, cell in enumerate(cells):
        for place, height, sigma in columns:
            for cy, cx in (steps + place) @ cell + [3.3 + number, 4.1]:
                if not (-8 < cy < size + 8 and -8 < cx < size + 8):
                    continue
                near = half[min(max(round(cy), 0), size - 1), min(max(round(cx), 0), size - 1)]
                if everywhere or near == number:
                    box = np.s_[max(0, int(cy) - 7) : max(0, int(cy) + 8), max(0, int(cx) - 7) : max(0, int(cx) + 8)]
                    image[box] += height * np.exp(-((y[box] - cy) ** 2 + (x[box] - cx) ** 2) / (2 * sigma**2))
    return as_pixels(rng.poisson(90 * image).astype(np.uint16)), half
