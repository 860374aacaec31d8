"""Test in real space whether an image repeats under a proposed lattice, by the autocorrelation of the lattice's area.

A true lattice correlates equally with itself at each of its vectors. A harmonic correlates at every second vector only,
a ring of features at none of the longer ones, and lines must stay the same along themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import uniform_filter, uniform_filter1d

from shiftvae_rt.array_types import Float64

from .algebra import reduce_basis, sublattices

__all__ = ["Repetition", "repetition"]


#: Lattice vectors that are tested, nearest first.
SHELLS = np.array(
    [(1, 0), (0, 1), (1, 1), (1, -1), (2, 0), (0, 2), (2, 1), (1, 2), (2, -1), (1, -2), (3, 0), (0, 3), (3, 3), (3, -3)]
)
#: Displacements along lines, in periods; no lattice repeats at all of these.
ALONG = np.array([0.4, 0.62, 1.4, 2.3, 3.7])
#: Below this share, uneven brightness of single scan lines may be the cause.
DOUBTFUL = 0.7
#: Allowance for noise in a correlation: this many standard deviations of white noise, 1 / sqrt(number of pixels).
NOISE = 2.0
#: A displacement counts while this share of the area overlaps with itself.
OVERLAP = 0.1
#: Least number of pixels per period after binning.
PIXELS = 8
#: The background is the mean over this many periods.
BACKGROUND = 1.5
#: The brightness of a scan line is the mean over this many times that length.
ROW = 4
#: Pixels are clipped at this many local deviations; the local variance has this share of its mean added, so that a
#: region without contrast is not amplified.
BRIGHTEST, LEAST_CONTRAST = 4.0, 0.02


@dataclass(frozen=True)
class Repetition:
    """Repetition of an area under a lattice.

    Parameters
    ----------
    share
        Median correlation at the vectors of the lattice, or at the longer ones alone if it is lower there, relative to
        the largest of them: 1 for a lattice, near 0 or negative for a harmonic and for features that occupy only a few
        lattice points. For lines, the smallest correlation along them.
    larger
        Excess of the correlation at the vectors of the best sublattice of index two or three over that at the others,
        relative to the largest correlation; 0 where the cell is the whole one.
    whole
        float64 ``(k, 2)``: the vectors of that sublattice in px, or those of the lattice.
    periods
        Number of periods along each vector over which the area still overlaps with itself, at most 3.
    cells
        Number of cells in the area; of periods for lines.
    """

    share: float
    larger: float
    whole: Float64
    periods: tuple[int, ...]
    cells: float


def repetition(channels: list[Float64], vectors: Float64, where: NDArray[np.bool_]) -> Repetition:
    """Correlate an area with itself at the vectors of a lattice.

    Parameters
    ----------
    channels
        Channels ``(height, width)``, float, mean removed, equally scaled.
    vectors
        float64 ``(k, 2)``: lattice vectors (y, x) in px; k of 1 or 2.
    where
        bool ``(height, width)``: the area.
    """
    lengths = np.hypot(vectors[:, 0], vectors[:, 1])
    if len(vectors) == 1:
        return _of_lines(channels, vectors, where, float(lengths[0]))
    found = _of_cells(channels, vectors, where, quiet_rows=False)
    if found.share < DOUBTFUL and where.shape[0] > 1:
        found = max(found, _of_cells(channels, vectors, where, quiet_rows=True), key=lambda each: each.share)
    return found


def _of_lines(channels: list[Float64], vectors: Float64, where: NDArray[np.bool_], length: float) -> Repetition:
    """Repetition of one vector: lines repeat across and are constant along themselves; a signal repeats only."""
    image, area = where.shape[0] > 1, float(where.sum())
    across = np.array([-vectors[0, 1], vectors[0, 0]])
    lags = np.concatenate([np.arange(1, 5)[:, None] * vectors, ALONG[: len(ALONG) * image, None] * across])
    flat = _Flat(length, even=not image, quiet_rows=False)
    values, overlap = _correlations(channels, lags, where, flat)
    seen, noise = overlap > OVERLAP, NOISE / np.sqrt(area)
    best = max(values[:4][seen[:4]].max(initial=0.0), noise)
    least = values[seen].min(initial=best) if image else float(np.median(values[seen])) if seen.any() else 0.0
    periods = int(seen[:4].sum()) if not image or seen[4:].sum() >= 4 else 0
    share = float((min(least, best) + noise) / best)
    return Repetition(share, 0.0, vectors, (min(periods, 3),), area / where.shape[0] / length)


def _of_cells(channels: list[Float64], vectors: Float64, where: NDArray[np.bool_], *, quiet_rows: bool) -> Repetition:
    """Repetition of two vectors, at the nearest fourteen points of one half-plane of the lattice."""
    flat = _Flat(float(np.hypot(vectors[:, 0], vectors[:, 1]).max()), even=True, quiet_rows=quiet_rows)
    values, overlap = _correlations(channels, SHELLS @ vectors, where, flat)
    seen, noise = overlap > OVERLAP, NOISE / np.sqrt(max(float(where.sum()), 1.0))
    periods = tuple(1 + int(seen[first]) + int(seen[first] and seen[second]) for first, second in ((4, 10), (5, 11)))
    values, points = values[seen], SHELLS[seen]
    cells = float(where.sum()) / abs(float(np.linalg.det(vectors)))
    if not len(values):
        return Repetition(0.0, 0.0, vectors, periods, cells)
    best, larger, whole = max(float(values.max()), noise), 0.0, vectors
    for form in [*sublattices(2), *sublattices(3)]:
        orders = points @ np.linalg.inv(form)
        on = (np.abs(orders - np.rint(orders)) < 1e-6).all(axis=1)
        if on.any() and not on.all():
            more = float((np.median(values[on]) - np.median(values[~on]) - noise) / best)
            if more > larger:
                larger, whole = more, reduce_basis(form @ vectors)
    far = np.abs(points).max(axis=1) > 1
    typical = min(float(np.median(values)), float(np.median(values[far])) if far.any() else np.inf)
    return Repetition((typical + noise) / best, larger, whole, periods, cells)


def _binned(image: Float64, factor: int) -> Float64:
    """Mean of blocks of `factor` px along each axis that is long enough."""
    down = min(factor, image.shape[0])
    height, width = image.shape[0] // down, image.shape[1] // factor
    return np.asarray(image[: height * down, : width * factor].reshape(height, down, width, factor).mean(axis=(1, 3)))


@dataclass(frozen=True)
class _Flat:
    """Flattening of an image.

    Attributes
    ----------
    length
        Longest period, px.
    even
        Whether to divide by the local standard deviation.
    quiet_rows
        Whether to subtract the brightness of single scan lines.
    """

    length: float
    even: bool
    quiet_rows: bool


def _flattened(image: Float64, how: _Flat, factor: int) -> Float64:
    """Image ``(H, W)``, binned by `factor`, without its background."""
    size = max(3, int(BACKGROUND * how.length / factor)) | 1
    around = tuple(min(size, n) for n in image.shape)
    flat = image - uniform_filter(image, around, mode="nearest")
    if how.quiet_rows:
        flat -= uniform_filter1d(flat, min(ROW * size, image.shape[1]), axis=1, mode="nearest")
    power = uniform_filter(flat * flat, around, mode="nearest") if how.even else (flat * flat).mean()
    flat /= np.sqrt(power + LEAST_CONTRAST * np.mean(power) + 1e-12)
    return np.asarray(np.clip(flat, -BRIGHTEST, BRIGHTEST))


def _correlations(
    channels: list[Float64], lags: Float64, where: NDArray[np.bool_], how: _Flat
) -> tuple[Float64, Float64]:
    """Correlation ``(n,)`` of an area with itself at displacements ``lags (n, 2)`` px, and the share that overlaps."""
    factor = max(1, int(np.hypot(lags[:, 0], lags[:, 1]).min() / PIXELS))
    area = (_binned(where.astype(float), factor) > 0.5).astype(float)
    shifts = lags / [min(factor, where.shape[0]), factor]
    pad = [
        fft.next_fast_len(int(n + min(np.abs(shifts[:, axis]).max() + 1, n)), real=True)
        for axis, n in enumerate(area.shape)
    ]
    pairs = np.abs(fft.rfft2(area, pad)) ** 2
    products = np.zeros(pairs.shape)
    for channel in channels:
        flat = _flattened(_binned(channel, factor), how, factor)
        flat = (flat - (flat * area).sum() / max(area.sum(), 1.0)) * area
        products += np.abs(fft.rfft2(flat, pad)) ** 2
    twice = np.full(pairs.shape[1], 2.0)
    twice[0] = 1.0
    if pad[1] % 2 == 0:
        twice[-1] = 1.0
    down = np.exp(2j * np.pi * np.outer(shifts[:, 0], np.fft.fftfreq(pad[0])))
    across = np.exp(2j * np.pi * np.outer(shifts[:, 1], np.fft.rfftfreq(pad[1])))

    def at_lags(spectrum: Float64) -> Float64:
        return np.asarray(((down @ (spectrum * twice)) * across).sum(axis=1).real)

    total, all_pairs = float((products * twice).sum()), float((pairs * twice).sum())
    overlap = at_lags(pairs) / max(all_pairs, 1e-12)
    inside = (np.abs(shifts) < np.array(area.shape)).all(axis=1)
    overlap = np.where(inside, overlap, 0.0)
    return at_lags(products) / max(total, 1e-12) / np.maximum(overlap, 0.5 * OVERLAP), overlap
