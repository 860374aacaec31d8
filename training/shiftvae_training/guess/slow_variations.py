"""Slow variations of the motif in frames, separated from noise without training by comparing two halves of the pixels.

The pixels are split like the squares of a chess board: the noise of the halves is independent, and the harmonics below
`FINEST` do not mix. The motif around every point, in its own frame (`motif_frame`), is measured in both halves, each
with its own phases. The covariance of the halves is signal, their difference is noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.special import stdtr

from shiftvae_rt.array_types import Float64

from ..lattice.find import Lattice
from ..lattice.local_fourier import local_fourier
from ..sampling import share_around
from .motif_frame import (
    SIGMA_OF_ORDER,
    harmonic_orders,
    in_motif_frame,
    motif_phasors,
    stack_coefficients,
)
from .order_guess import without_satellites

__all__ = ["SlowVariations", "find_slow_variations"]


#: Standard deviation, in periods, of the Gaussian under which the motif is measured: narrower ones mix harmonics.
SIGMA = 0.55
#: Number of components kept, largest number of frames used, pairs of points compared in each frame.
COMPONENTS, MOST_FRAMES, PAIRS = 6, 4, 2000
#: Significance level at which the halves must agree for a component to vary.
CHANCE = 1e-4


@dataclass(frozen=True)
class SlowVariations:
    """Principal components of the motif, strongest first.

    Attributes
    ----------
    halves
        For every frame ``(2, m, rows, cols)``: scores of the components in each half, on a coarse grid.
    inside
        ``(rows, cols)``: grid points where the Gaussian lies within the frame and on the lattice.
    step
        px between grid points, ``(y, x)``.
    sigma
        Standard deviation of the Gaussian, px.
    total
        Covariance of the halves, over all components and the rest; at least that of the components that vary.
    """

    halves: list[Float64]
    inside: NDArray[np.bool_]
    step: tuple[int, int]
    sigma: float
    total: float

    def scores(self) -> Float64:
        """Scores ``(2, m, n)`` at the points `inside` all frames, each half with zero mean."""
        joined = np.concatenate([half[:, :, self.inside] for half in self.halves], axis=2)
        return np.asarray(joined - joined.mean(axis=2, keepdims=True))

    def varies(self) -> NDArray[np.bool_]:
        """Mask ``(m,)`` of the components on which the halves agree significantly: Student's t-test of Pearson's r.

        The Gaussian correlates neighbours: points ``sqrt(2 pi)`` times its standard deviation apart are independent.
        """
        axes = sum(n > 1 for n in self.inside.shape)
        side = (np.count_nonzero(self.inside) * math.prod(self.step)) ** (1 / max(axes, 1))
        independent = len(self.halves) * (1 + side / (math.sqrt(2 * math.pi) * self.sigma)) ** axes
        first, second = self.scores()
        power = np.sqrt(np.mean(first**2, axis=1) * np.mean(second**2, axis=1))
        r = np.clip(np.mean(first * second, axis=1) / np.maximum(power, 1e-300), -1, 1 - 1e-12)
        degrees = max(1.0, independent - 2)
        return np.asarray(stdtr(degrees, -r * np.sqrt(degrees / (1 - r**2 + 1e-12))) < CHANCE)

    def pick(self, components: list[int]) -> SlowVariations:
        """Slow variations restricted to some components, by index."""
        return replace(self, halves=[half[:, components] for half in self.halves])

    def under_window(self, size: int) -> SlowVariations:
        """Slow variations under the Gaussian that blurs like a window of `size` px, if that is wider."""
        sigma = size / math.sqrt(12)
        if sigma <= self.sigma:
            return self
        more = math.sqrt(sigma**2 - self.sigma**2)
        width = [more / s if n > 1 else 0.0 for s, n in zip(self.step, self.inside.shape, strict=True)]
        halves = [gaussian_filter(half, (0.0, 0.0, *width), mode="nearest") for half in self.halves]
        return replace(self, halves=halves, sigma=sigma)

    def noise(self, size: int) -> Float64:
        """Variance ``(m,)`` of the noise in each component in windows of `size` px, from all their pixels."""
        first, second = self.scores()
        axes = sum(n > 1 for n in self.inside.shape)
        windows = (2 * math.sqrt(math.pi) * self.sigma / size) ** axes  # number of windows under the Gaussian
        return np.asarray(np.var(first - second, axis=1) / 4 * windows)

    def difference(self, reach: int) -> Float64:
        """Mean squared difference ``(m,)`` of each component between points up to `reach` px apart on each axis."""
        rng = np.random.default_rng(0)
        squares = []
        for half in self.halves:
            maps = half.mean(axis=0)
            last = np.array(maps.shape[1:])[:, None] - 1
            here = last * rng.uniform(size=(2, PAIRS))
            away = (rng.uniform(size=(2, PAIRS)) - rng.uniform(size=(2, PAIRS))) * reach / np.array(self.step)[:, None]
            there = here + np.where(last > 0, away, 0.0)
            fits = ((there >= 0) & (there <= last)).all(axis=0)
            change = [np.subtract(*(map_coordinates(m, at[:, fits], order=1) for at in (here, there))) for m in maps]
            squares.append(np.mean(np.square(change), axis=1))
        return np.asarray(np.mean(squares, axis=0))


def find_slow_variations(frames: Sequence[NDArray[Any]], lattice: Lattice) -> SlowVariations:
    """Measure the slow variations in frames ``(C, H, W)`` of one shape on a lattice; none may be constant."""
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(MOST_FRAMES, len(frames))).round().astype(int))
    pixels = np.stack([without_satellites(np.asarray(frames[i], np.float64), lattice) for i in chosen])
    pixels -= pixels.mean(axis=(2, 3), keepdims=True)
    pixels /= np.maximum(pixels.std(axis=(0, 2, 3), keepdims=True), 1e-12)
    sigma = max(SIGMA * float(lattice.period_px.max()), SIGMA_OF_ORDER * lattice.longest_px)
    orders = harmonic_orders(lattice)
    white = np.indices(pixels.shape[2:]).sum(axis=0) % 2 == 0
    fields = [
        local_fourier(2 * f * colour, orders @ lattice.reciprocal, sigma) for f in pixels for colour in (white, ~white)
    ]
    phasors = motif_phasors(fields, orders)  # each half has its own phases: common ones would share their noise
    motifs = [
        stack_coefficients(in_motif_frame(f.coefficients, p, orders)) for f, p in zip(fields, phasors, strict=True)
    ]
    inside = _inside(fields[0].places, pixels.shape[2:], 3 * sigma)
    inside = _on_the_lattice(lattice, inside, fields[0].places, 6 * sigma)
    first, second = (np.concatenate([m[:, inside] for m in motifs[half::2]], axis=1) for half in (0, 1))
    first, second = (values - values.mean(axis=1, keepdims=True) for values in (first, second))
    axes = np.linalg.eigh(first @ first.T)[1][:, : -1 - COMPONENTS : -1].T
    total = max(float((first * second).sum(axis=0).mean()), 1e-12)
    scores = [np.tensordot(axes, motif, axes=1) for motif in motifs]
    halves = [np.stack(scores[i : i + 2]) for i in range(0, len(scores), 2)]
    found = SlowVariations(halves, inside, fields[0].step, sigma, total)
    agreed = np.mean(np.prod(found.scores(), axis=0), axis=1)
    return replace(found, total=max(total, float(agreed[found.varies()].sum())))


def _on_the_lattice(lattice: Lattice, inside: NDArray[np.bool_], places: Float64, width: float) -> NDArray[np.bool_]:
    """Points of `inside` around which a box of `width` px shows at least as much of the lattice as at the median point.

    Where a part of the box lies in vacuum, its content varies with its position and not with the motif.
    """
    if lattice.where is None:
        return inside
    box = (1 if len(lattice.where) == 1 else round(width), round(width))
    at = tuple(places.astype(int))
    share, seen = share_around(lattice.where, box)[at], inside & lattice.where[at]
    return np.asarray(seen & (share >= np.median(share[seen]) - 1e-9)) if seen.any() else inside


def _inside(places: Float64, shape: tuple[int, ...], margin: float) -> NDArray[np.bool_]:
    """Mask of the grid points further than `margin` px from the edges; in a small frame, of its middle half."""
    inside = np.ones(places.shape[1:], bool)
    for place, length in zip(places, shape, strict=True):
        edge = min(margin, length / 4) if length > 1 else 0.0
        inside &= (place >= edge) & (place <= length - 1 - edge)
    return inside
