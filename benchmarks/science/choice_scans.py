"""Twelve generated scans with one or two known order parameters, for the automatic choices.

Columns A on a lattice and columns B inside each cell; the order parameters move B along x, or change its height. Each
is a smooth step (a wall across the frame) or stripes, so that scans differ in how far a window may reach.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["SCANS", "Field", "GeneratedScan"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Field:
    """An order parameter between -1 and 1: stripes of ``length_px`` (a wall in the middle if None), slanted.

    ``width_px`` is the half width of its walls.
    """

    width_px: float
    length_px: float | None = None
    angle_deg: float = 20.0

    def __call__(self, y: Array, x: Array, *, size: int, offset: float) -> Array:
        """Values at positions y, x in px, with the pattern moved by `offset` px."""
        turn = np.radians(self.angle_deg)
        along = (x - size / 2) * np.cos(turn) + (y - size / 2) * np.sin(turn) - offset
        if self.length_px is None:
            return np.asarray(0.75 * np.tanh(along / self.width_px) + 0.25 * np.sin(3 * along / size))
        wave = np.sin(np.pi * along / self.length_px)
        return np.asarray(np.tanh(wave * self.length_px / (np.pi * self.width_px)))


@dataclass(frozen=True)
class GeneratedScan:
    """A scan to generate.

    Parameters
    ----------
    name
        Description for the table.
    lengths, angle_deg, turn_deg
        Cell: lengths of the vectors in px, angle between them, angle of the first from the y axis.
    b
        Position of B in the cell, in fractions of the vectors.
    counts
        Counts at an A peak.
    displacement, intensity
        Field and amplitude of the order parameters (px; relative), or None.
    """

    name: str
    lengths: tuple[float, float]
    counts: float
    angle_deg: float = 90.0
    turn_deg: float = 0.0
    b: tuple[float, float] = (0.5, 0.5)
    displacement: tuple[Field, float] | None = None
    intensity: tuple[Field, float] | None = None
    size: int = 400

    @property
    def period_px(self) -> float:
        """The longer cell vector."""
        return max(self.lengths)

    def frame(self, index: int) -> tuple[NDArray[np.uint16], list[Array]]:
        """Counts ``(1, size, size)`` of frame `index` and the order parameters at every pixel."""
        rng = np.random.default_rng([17, index])
        turns = np.radians([self.turn_deg, self.turn_deg + self.angle_deg])
        vectors = np.stack([np.cos(turns), np.sin(turns)], axis=1) * np.array(self.lengths)[:, None]
        offset = 0.13 * self.size * index
        reach = 3 * self.size // int(min(self.lengths))
        cells = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 2, indexing="ij"), -1).reshape(-1, 2)
        start = np.array([0.37, 0.71]) + 0.21 * index
        a, b = ((cells + start + part) @ vectors for part in ((0.0, 0.0), self.b))
        margin = self.period_px
        a, b = (c[((c > -margin) & (c < self.size + margin)).all(axis=1)] for c in (a, b))
        height = np.full(len(b), 0.35)
        y, x = np.mgrid[0.0 : self.size, 0.0 : self.size]
        truths = []
        if self.intensity is not None:
            field, amount = self.intensity
            height *= 1 + amount * field(b[:, 0], b[:, 1], size=self.size, offset=offset)
            truths.append(field(y, x, size=self.size, offset=offset))
        if self.displacement is not None:
            field, amount = self.displacement
            b = b + amount * field(b[:, 0], b[:, 1], size=self.size, offset=-offset)[:, None] * np.array([0.0, 1.0])
            truths.append(field(y, x, size=self.size, offset=-offset))
        sigma = 0.12 * min(self.lengths)
        image = 0.1 + _columns(a, np.ones(len(a)), sigma, self.size) + _columns(b, height, 0.8 * sigma, self.size)
        shading = 1 + 0.1 * np.cos(np.pi * y / self.size) * np.cos(np.pi * x / self.size)
        return rng.poisson(self.counts * image * shading).astype(np.uint16)[None], truths


def _columns(places: Array, height: Array, sigma: float, size: int) -> Array:
    """Sum of isotropic Gaussians, as products of their profiles along y and x."""
    rows, cols = (
        np.exp(-0.5 * ((np.arange(size) - places[:, i : i + 1]) / sigma) ** 2).astype(np.float32) for i in (0, 1)
    )
    return np.asarray((rows * height[:, None].astype(np.float32)).T @ cols, dtype=np.float64)


SCANS = (
    GeneratedScan("square 24, wall", (24, 24), 100, displacement=(Field(24), 2.0)),
    GeneratedScan("square 24, 12 counts", (24, 24), 12, displacement=(Field(24), 1.5)),
    GeneratedScan("square 12, 30 counts", (12, 12), 30, turn_deg=15, displacement=(Field(20), 0.9)),
    GeneratedScan("square 8, stripes", (8, 8), 100, displacement=(Field(8, 40), 0.6)),
    GeneratedScan("oblique 19 x 23, intensity", (19, 23), 40, angle_deg=76, turn_deg=33, intensity=(Field(30), 0.3)),
    GeneratedScan("hexagonal 16, 15 counts", (16, 16), 15, 60, 10, (1 / 3, 1 / 3), intensity=(Field(25), 0.4)),
    GeneratedScan("honeycomb 20, sharp wall", (20, 20), 50, 60, 7, (1 / 3, 1 / 3), displacement=(Field(5, 90), 1.2)),
    GeneratedScan("square 40, wall", (40, 40), 40, displacement=(Field(30), 2.5), size=512),
    GeneratedScan("22 x 15, two", (22, 15), 60, displacement=(Field(20), 1.2), intensity=(Field(20, None, 100), 0.4)),
    GeneratedScan(
        "square 16, two, 20 counts", (16, 16), 20, displacement=(Field(24), 1.2), intensity=(Field(24, None, 110), 0.5)
    ),
    GeneratedScan("hexagonal 12, fine stripes", (12, 12), 200, 60, 5, (1 / 3, 1 / 3), intensity=(Field(8, 30), 0.4)),
    GeneratedScan("oblique 30, stripes", (30, 27), 30, 80, 12, intensity=(Field(10, 70), 0.4), size=512),
)
