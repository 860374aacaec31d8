"""What varies slowly in frames, told from noise without training: two halves of the pixels must agree on it.

The pixels are split like the colours of a chess board; their noise is independent, and the harmonics below
`FINEST` do not mix. The motif around every point, in its own frame (`motif_frame`), is measured in both halves with
their own phases. As far as the halves agree it is signal, as far as they differ it is noise.
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

from ..lattice.find import Lattice
from ..lattice.local_fourier import local_fourier
from ..sampling import share_around
from .motif_frame import harmonic_orders, in_motif_frame, motif_phasors, stack_coefficients

__all__ = ["SlowVariations", "find_slow_variations"]

Floats = NDArray[np.float64]

#: Width of the Gaussian, in periods, under which the motif is measured: below it neighbouring harmonics leak.
SIGMA = 0.55
#: Components kept, frames looked at, pairs of places compared in each.
COMPONENTS, MOST_FRAMES, PAIRS = 6, 4, 2000
#: Halves that hold noise alone agree as well as those of a component that varies once in so many scans.
CHANCE = 1e-4


@dataclass(frozen=True)
class SlowVariations:
    """Principal components of the motif, strongest first.

    Attributes
    ----------
    halves
        For every frame ``(2, m, rows, cols)``: scores of the components in each half, on a coarse grid.
    inside
        ``(rows, cols)``: grid points where the Gaussian lies within the frame, and where the lattice is seen.
    step
        px between grid points, ``(y, x)``.
    sigma
        px; of the Gaussian.
    total
        Variance of all that the halves agree on, the components and the rest; no less than that of what `varies`.
    """

    halves: list[Floats]
    inside: NDArray[np.bool_]
    step: tuple[int, int]
    sigma: float
    total: float

    def scores(self) -> Floats:
        """Scores inside all frames, each half with zero mean, ``(2, m, n)``."""
        joined = np.concatenate([half[:, :, self.inside] for half in self.halves], axis=2)
        return np.asarray(joined - joined.mean(axis=2, keepdims=True))

    def varies(self) -> NDArray[np.bool_]:
        """Whether the halves agree on a component better than halves of noise would, ``(m,)``: Student's test of r.

        The Gaussian makes neighbours alike: independent are places about ``sqrt(2 pi)`` of its width apart.
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
        """Only some of the components."""
        return replace(self, halves=[half[:, components] for half in self.halves])

    def under_window(self, size: int) -> SlowVariations:
        """The same under the Gaussian that blurs like a window of `size` px, where that is wider."""
        sigma = size / math.sqrt(12)
        if sigma <= self.sigma:
            return self
        more = math.sqrt(sigma**2 - self.sigma**2)
        width = [more / s if n > 1 else 0.0 for s, n in zip(self.step, self.inside.shape, strict=True)]
        halves = [gaussian_filter(half, (0.0, 0.0, *width), mode="nearest") for half in self.halves]
        return replace(self, halves=halves, sigma=sigma)

    def noise(self, size: int) -> Floats:
        """Variance of the noise in each component as windows of `size` px see it, from all pixels, ``(m,)``."""
        first, second = self.scores()
        axes = sum(n > 1 for n in self.inside.shape)
        windows = (2 * math.sqrt(math.pi) * self.sigma / size) ** axes  # under the Gaussian
        return np.asarray(np.var(first - second, axis=1) / 4 * windows)

    def difference(self, reach: int) -> Floats:
        """Mean squared difference of each component between places up to `reach` px apart on each axis, ``(m,)``."""
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
    """Measure what varies slowly in frames ``(C, H, W)`` of one shape on a lattice, none of which is constant."""
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(MOST_FRAMES, len(frames))).round().astype(int))
    pixels = np.stack([np.asarray(frames[i], np.float64) for i in chosen])
    pixels -= pixels.mean(axis=(2, 3), keepdims=True)
    pixels /= np.maximum(pixels.std(axis=(0, 2, 3), keepdims=True), 1e-12)
    sigma = SIGMA * float(lattice.period_px.max())
    orders = harmonic_orders(lattice)
    white = np.indices(pixels.shape[2:]).sum(axis=0) % 2 == 0
    fields = [
        local_fourier(2 * f * colour, orders @ lattice.reciprocal, sigma) for f in pixels for colour in (white, ~white)
    ]
    phasors = motif_phasors(fields, orders)  # each half by its own phases: shared ones would share their noise
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


def _on_the_lattice(lattice: Lattice, inside: NDArray[np.bool_], places: Floats, width: float) -> NDArray[np.bool_]:
    """Points of `inside` around which a box of `width` px shows most of the lattice: at least half of those on it.

    Where the box lies in vacuum in part, what it holds varies with its place and not with the motif.
    """
    if lattice.where is None:
        return inside
    box = (1 if len(lattice.where) == 1 else round(width), round(width))
    at = tuple(places.astype(int))
    share, seen = share_around(lattice.where, box)[at], inside & lattice.where[at]
    return np.asarray(seen & (share >= np.median(share[seen]) - 1e-9)) if seen.any() else inside


def _inside(places: Floats, shape: tuple[int, ...], margin: float) -> NDArray[np.bool_]:
    """Grid points further than `margin` px from the edges; of a small frame, those in its middle half."""
    inside = np.ones(places.shape[1:], bool)
    for place, length in zip(places, shape, strict=True):
        edge = min(margin, length / 4) if length > 1 else 0.0
        inside &= (place >= edge) & (place <= length - 1 - edge)
    return inside
