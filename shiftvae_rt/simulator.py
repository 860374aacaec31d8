"""Simulated scanning microscope over a crystal whose order parameter is known.

The specimen is a two-column crystal: bright A columns on a lattice, weaker B columns near the middle of each cell.
The order parameter is the displacement of B along x: two domains, a slanted wall between them, a gradient within.
The microscope scans it line by line, drifts, lags behind after each flyback, and counts electrons (Poisson).
Tests, the demo and the benchmarks all use this one instrument, so that a score means the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .errors import FrameError

__all__ = ["Crystal", "Microscope", "SimulatedFrame"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Crystal:
    """A lattice of A and B columns with a displacement field. Lengths are in px of the scan.

    Parameters
    ----------
    vectors
        Lattice vectors ``((y, x), (y, x))`` at the origin of the frame.
    period_growth
        Relative growth of the period from the first to the last column of the frame, along both axes (strain).
    displacement_px
        Largest displacement of a B column along x, either sign.
    wall_width_px, wall_slope
        Half width of the domain wall, and its px along x for every px along y.
    peak_a, peak_b, background
        Expected counts at an A peak, at a B peak, and between columns.
    sigma_a_px, sigma_b_px
        Gaussian widths of the columns.
    shading
        Relative drift of contrast and background across the frame.
    """

    vectors: tuple[tuple[float, float], tuple[float, float]] = ((24.0, 0.0), (0.0, 24.0))
    period_growth: float = 0.015
    displacement_px: float = 2.0
    wall_width_px: float = 24.0
    wall_slope: float = 0.35
    peak_a: float = 90.0
    peak_b: float = 45.0
    background: float = 10.0
    sigma_a_px: float = 3.0
    sigma_b_px: float = 2.8
    shading: float = 0.15

    def displacement(self, y: Array, x: Array, *, shape: tuple[int, int], wall_x_px: float) -> Array:
        """Give the displacement of B along x, px, at specimen positions `y`, `x`.

        The positions, in px, have any one shape; `shape` is that of the frame. The wall crosses mid-height at
        `wall_x_px`.
        """
        from_wall = x - wall_x_px - self.wall_slope * (y - shape[0] / 2)
        gradient = np.clip(2 * y / shape[0] - 1, -1, 1)
        field: Array = self.displacement_px * (0.6 * np.tanh(from_wall / self.wall_width_px) + 0.4 * gradient)
        return field

    def strained(self, y: Array, x: Array, *, shape: tuple[int, int]) -> tuple[Array, Array]:
        """Give the position, px, to which the strain moves the point ``(y, x)`` of the perfect lattice."""
        return tuple(r * (1 + 0.5 * self.period_growth * r / n) for r, n in zip((y, x), shape, strict=True))  # type: ignore[return-value]


@dataclass(frozen=True)
class SimulatedFrame:
    """A scanned frame with its ground truth.

    Attributes
    ----------
    pixels
        Counts, uint16 ``(height, width)``.
    displacement_px
        The order parameter at every pixel, ``(height, width)``, px along x.
    columns_px
        Positions of the A columns in the frame as scanned, ``(n, 2)`` as y, x.
    pixel_size_nm
        Edge of a pixel, nm.
    index
        Number of the frame in its series.
    """

    pixels: NDArray[np.uint16]
    displacement_px: Array
    columns_px: Array
    pixel_size_nm: float
    index: int

    def shift_px(self, centre_y_px: Array, centre_x_px: Array) -> Array:
        """Give the vector from each window centre to the nearest A column, ``(2, rows, cols)`` as dy, dx in px.

        The centres are at ``centre_y_px (rows,)`` and ``centre_x_px (cols,)``.
        """
        y, x = np.meshgrid(centre_y_px, centre_x_px, indexing="ij")
        shift = np.empty((2, *y.shape))
        for row in range(y.shape[0]):  # row by row, since the full table of distances does not fit into the cache
            away = self.columns_px[:, None, :] - np.stack([y[row], x[row]], axis=1)[None]
            nearest = np.argmin((away**2).sum(-1), axis=0)
            shift[:, row] = away[nearest, np.arange(x.shape[1])].T
        return shift


@dataclass(frozen=True)
class Microscope:
    """A scanning microscope. It gives frames of one crystal, each with new noise and a domain wall that has moved.

    Parameters
    ----------
    crystal
        The specimen.
    shape
        ``(height, width)`` of a frame in px.
    drift_px
        Specimen drift ``(y, x)`` in px per frame; the drift within a frame bends the lattice.
    wall_step_px
        Movement of the domain wall from frame to frame, px.
    flyback_px, flyback_length_px
        Scan lag at the start of each line, and the length over which it decays, px.
    dose
        Factor on all counts.
    pixel_size_nm
        Edge of a pixel, nm (default: a 0.39 nm cell of 24 px).
    seed
        Seed of the noise and the starting point.

    Raises
    ------
    FrameError
        for a frame below 16 px, or a dose that is not positive.
    """

    crystal: Crystal = field(default_factory=Crystal)
    shape: tuple[int, int] = (512, 512)
    drift_px: tuple[float, float] = (0.6, 0.4)
    wall_step_px: float = 6.0
    flyback_px: float = 1.0
    flyback_length_px: float = 12.0
    dose: float = 1.0
    pixel_size_nm: float = 0.39 / 24
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.shape) < 16 or self.dose <= 0:
            raise FrameError(f"expected frames of at least 16 px and a positive dose, got {self.shape} and {self.dose}")

    def frame(self, index: int) -> SimulatedFrame:
        """Scan frame number `index`; the same index always gives the same frame."""
        rng = np.random.default_rng([self.seed, index])
        sample_y, sample_x = self.beam_path()
        field = self.crystal.displacement(sample_y, sample_x, shape=self.shape, wall_x_px=self._wall(index))
        return SimulatedFrame(
            pixels=np.minimum(rng.poisson(self.expected_counts(index)), 65535).astype(np.uint16),
            displacement_px=field,
            columns_px=in_frame(self.columns(index, (0.0, 0.0)), sample_y, sample_x),
            pixel_size_nm=self.pixel_size_nm,
            index=index,
        )

    def expected_counts(self, index: int) -> Array:
        """Give frame number `index`, ``(height, width)``, before its counting noise."""
        height, width = self.shape
        sample_y, sample_x = self.beam_path()
        shading_y, shading_x = np.ogrid[0 : np.pi : height * 1j, 0 : np.pi : width * 1j]
        shading = 1 + self.crystal.shading * np.cos(shading_y) * np.cos(shading_x)
        a = self.columns(index, (0.0, 0.0))
        b = self.columns(index, (0.5, 0.5))
        b[:, 1] += self.crystal.displacement(b[:, 0], b[:, 1], shape=self.shape, wall_x_px=self._wall(index))
        counts = np.zeros(self.shape)
        add_columns(counts, sample_y, sample_x, a, self.crystal.peak_a, self.crystal.sigma_a_px)
        add_columns(counts, sample_y, sample_x, b, self.crystal.peak_b, self.crystal.sigma_b_px)
        return np.asarray(self.dose * (counts * shading + self.crystal.background * (2 - shading)))

    def __iter__(self) -> Iterator[SimulatedFrame]:
        """Scan for ever, from frame 0."""
        index = 0
        while True:
            yield self.frame(index)
            index += 1

    def _wall(self, index: int) -> float:
        """Give the place along x where the domain wall of frame `index` crosses mid-height, px."""
        width = self.shape[1]
        return (0.55 * width + self.wall_step_px * index) % (0.8 * width) + 0.1 * width

    def beam_path(self) -> tuple[Array, Array]:
        """Give the specimen position y, x under the beam at every pixel, ``(height, width)`` each, px.

        It includes the flyback lag and the drift within a frame.
        """
        height, width = self.shape
        y, x = np.mgrid[0.0:height, 0.0:width]
        time = (y - height / 2) / height
        lag = self.flyback_px * np.exp(-x / self.flyback_length_px)
        return y - self.drift_px[0] * time, x - self.drift_px[1] * time - lag

    def columns(self, index: int, fraction: tuple[float, float]) -> Array:
        """Give the specimen positions ``(n, 2)``, px, of the columns at `fraction` of each cell near frame `index`."""
        vectors = np.asarray(self.crystal.vectors)
        start = np.random.default_rng([self.seed, 7]).uniform(0, 1, 2)
        start = (start + index * np.asarray(self.drift_px) @ np.linalg.inv(vectors)) % 1  # the lattice has no edge
        reach = int(np.ceil(2 * max(self.shape) / np.sqrt(abs(np.linalg.det(vectors)))))
        i, j = np.mgrid[-reach : reach + 1, -reach : reach + 1]
        cells = np.stack([i.ravel() + fraction[0], j.ravel() + fraction[1]], axis=1)
        perfect = (cells + start) @ vectors
        margin = 6 * self.crystal.sigma_a_px + abs(self.crystal.displacement_px) + abs(self.flyback_px)
        perfect = perfect[((perfect > -margin - 8) & (perfect < np.asarray(self.shape) + margin + 8)).all(axis=1)]
        return np.stack(self.crystal.strained(perfect[:, 0], perfect[:, 1], shape=self.shape), axis=1)


def add_columns(
    image: Array, sample_y: Array, sample_x: Array, columns: Array, peak: float | Array, sigma: float
) -> None:
    """Add a Gaussian for each of ``columns (n, 2)`` to ``image (height, width)``.

    Its height is `peak`, a number or ``(n,)``, and its width `sigma`, px. The pixels of the image are at the specimen
    positions `sample_y`, `sample_x`.
    """
    height, width = image.shape
    reach = int(np.ceil(5 * sigma)) + 4
    offsets = np.arange(-reach, reach + 1)
    rows = np.rint(columns[:, 0]).astype(int)[:, None] + offsets
    cols = np.rint(columns[:, 1]).astype(int)[:, None] + offsets
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((cols >= 0) & (cols < width))[:, None, :]
    rows, cols = rows.clip(0, height - 1)[:, :, None], cols.clip(0, width - 1)[:, None, :]
    distance = (sample_y[rows, cols] - columns[:, 0, None, None]) ** 2
    distance += (sample_x[rows, cols] - columns[:, 1, None, None]) ** 2
    flat = np.broadcast_to(rows * width + cols, inside.shape)
    value = np.where(inside, np.reshape(peak, (-1, 1, 1)) * np.exp(-0.5 * distance / sigma**2), 0.0)
    image += np.bincount(flat.ravel(), value.ravel(), minlength=image.size).reshape(image.shape)


def in_frame(columns: Array, sample_y: Array, sample_x: Array) -> Array:
    """Give the frame positions of ``columns (n, 2)`` on the specimen: fixed point of ``sample(position) = column``."""
    height, width = sample_y.shape
    y, x = columns[:, 0].copy(), columns[:, 1].copy()
    for _ in range(4):
        row, col = np.rint(y).astype(int).clip(0, height - 1), np.rint(x).astype(int).clip(0, width - 1)
        y, x = columns[:, 0] - (sample_y[row, col] - row), columns[:, 1] - (sample_x[row, col] - col)
    return np.stack([y, x], axis=1)
