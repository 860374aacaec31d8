"""Averaged power spectra of frames, and the peaks that stand out from the background.

A spectrum is the mean of the power spectra of overlapping Hann-windowed tiles. Large tiles resolve close peaks; small
tiles keep a peak in one place when the period varies across the frame. The background is estimated robustly (medians
over rings, then over neighbours along the streaks that steps, scan lines and flyback leave), so that a peak is judged
against its surroundings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64

__all__ = ["Peaks", "Spectrum", "averaged_spectrum", "find_peaks", "hann", "tile_starts"]


#: Largest number of peaks kept, strongest first: enough for three lattices of a dozen independent harmonics each.
MOST_PEAKS = 48
#: Largest number of tiles along each axis: more cost time and add little, as eight by eight already touch or overlap.
MOST_TILES = 8
#: Windows of frequencies of a signal, and values of a window, that its background is taken from at most.
MOST_WINDOWS = 4096
#: Distances from a peak, in bins, at which the power of a streak is measured: outside its Hann lobe.
ASIDE = np.concatenate([np.arange(-12, -1), np.arange(2, 13)])
#: Frequencies below this many bins belong to the Hann lobe of the background.
LOWEST_BIN = 2.5


@dataclass(frozen=True)
class Spectrum:
    """Mean power of tiles, zero frequency in the middle.

    Parameters
    ----------
    power, background
        float64 ``(ty, tx)``; a wave a cos(2 pi q.r) makes a peak of (a/2)^2 at q, whatever the tile.
    averages
        Effective number of independent tiles in the mean (overlapping tiles count half in each direction).
    line_averages
        The same for waves along y alone: noise of whole scan lines is equal in tiles side by side.
    """

    power: Float64
    background: Float64
    averages: float
    line_averages: float

    @property
    def shape(self) -> tuple[int, int]:
        """Tile size in px, ``(ty, tx)``."""
        return self.power.shape[0], self.power.shape[1]

    @property
    def resolved(self) -> NDArray[np.bool_]:
        """Bins clear of the Hann lobe of the zero frequency, bool ``(ty, tx)``."""
        return _radius(self.shape) >= 2 * LOWEST_BIN


@dataclass(frozen=True)
class Peaks:
    """Peaks of one half-plane of a spectrum, strongest evidence first.

    Parameters
    ----------
    frequency
        float64 ``(n, 2)``, (y, x) in cycles per px.
    evidence
        float64 ``(n,)``: minus the natural logarithm of the probability that background alone reaches the power
        anywhere in the spectrum.
    power
        float64 ``(n,)``: power above the background, in the unit of `Spectrum.power`.
    tile
        Tile size ``(ty, tx)`` in px; one bin is 1/ty by 1/tx.
    """

    frequency: Float64
    evidence: Float64
    power: Float64
    tile: tuple[int, int]

    @property
    def bins(self) -> Float64:
        """Frequencies in bins of the tile, ``(n, 2)``."""
        return np.asarray(self.frequency * np.array(self.tile))

    def magnified(self, factor: int) -> Peaks:
        """Peaks of the frame before it was binned by `factor`."""
        return Peaks(self.frequency / factor, self.evidence, self.power, (self.tile[0] * factor, self.tile[1] * factor))

    def select(self, keep: NDArray[np.bool_]) -> Peaks:
        """Peaks where ``keep (n,)`` is true."""
        return Peaks(self.frequency[keep], self.evidence[keep], self.power[keep], self.tile)


def tile_starts(length: int, tile: int, most: int | None = None) -> NDArray[np.intp]:
    """First pixels of tiles of `tile` px, even over `length` px: at most `most`, or enough to overlap by half."""
    count = 1 if tile >= length else int(np.ceil(2.0 * (length - tile) / tile)) + 1
    count = count if most is None else min(count, most)
    return np.asarray(np.linspace(0, max(length - tile, 0), count).round(), dtype=np.intp)


def _plane_free(tile: Float64) -> Float64:
    """Subtract the mean and the two mean slopes of a tile."""
    tile = tile - tile.mean()
    for axis in (0, 1):
        n = tile.shape[axis]
        if n > 1:
            ramp = np.arange(n) - (n - 1) / 2
            slope = np.tensordot(ramp, tile, axes=(0, axis)).mean() / (ramp @ ramp)
            tile = tile - (slope * ramp)[:, None] if axis == 0 else tile - slope * ramp
    return tile


def hann(n: int) -> Float64:
    """Hann window of `n` samples, without zeros at its ends; 1 for a single sample."""
    return np.ones(1) if n == 1 else np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2


def averaged_spectrum(frames: Sequence[NDArray[Any]], tile: tuple[int, int]) -> Spectrum:
    """Average the power spectra of all tiles of all channels of all frames.

    Parameters
    ----------
    frames
        Frames ``(channels, height, width)``, float, channels equally scaled; height 1 for signals.
    tile
        Tile size ``(ty, tx)`` in px, at most the frame.

    Returns
    -------
    Spectrum
    """
    ty, tx = tile
    window = hann(ty)[:, None] * hann(tx)
    power = np.zeros((ty, tx // 2 + 1))
    count, averages, line_averages = 0, 0.0, 0.0
    for frame in frames:
        ys, xs = tile_starts(frame.shape[1], ty, MOST_TILES), tile_starts(frame.shape[2], tx, MOST_TILES)
        down = frame.shape[0] * max(1.0, frame.shape[1] / ty)
        averages, line_averages = averages + down * max(1.0, frame.shape[2] / tx), line_averages + down
        for channel in frame:
            for y in ys:
                for x in xs:
                    piece = _plane_free(channel[y : y + ty, x : x + tx])
                    power += np.abs(np.fft.rfft2(window * piece)) ** 2
                    count += 1
    half = power / (count * window.sum() ** 2)
    full = np.empty((ty, tx))
    full[:, : tx // 2 + 1] = half
    rows = (-np.arange(ty)) % ty
    full[:, tx // 2 + 1 :] = half[rows][:, 1 : (tx + 1) // 2][:, ::-1]
    full = np.fft.fftshift(full) + 1e-30
    return Spectrum(full, _smooth_background(full, averages), averages, line_averages)


def _radius(shape: tuple[int, int]) -> Float64:
    """Distance ``(ty, tx)`` of each bin from the zero frequency, in bins of the longer axis."""
    ky = np.fft.fftshift(np.fft.fftfreq(shape[0])) * max(shape)
    kx = np.fft.fftshift(np.fft.fftfreq(shape[1])) * max(shape)
    return np.asarray(np.hypot(ky[:, None], kx))


def _median_from_low(low: Float64, averages: float) -> Float64:
    """Median of a mean of exponential variables from its lower quartile, which sparse peaks do not raise.

    Source: the cube-root approximation of Wilson and Hilferty, PNAS 17 (1931) 684.
    """
    middle = 1.0 - 1.0 / (9.0 * averages)
    return np.asarray(low * (middle / (middle - 0.6745 / (3.0 * np.sqrt(averages)))) ** 3)


def _smooth_background(power: Float64, averages: float) -> Float64:
    """Median of the power over rings (images) or neighbouring frequencies (signals), from the lower quartile."""
    if power.shape[0] == 1:
        half = max(8, power.shape[1] // 40)
        line = np.pad(power[0], half, mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(line, 2 * half + 1)
        # Of a long signal some windows and some of their values: all of 3e6 samples would take 3 TiB.
        places = np.unique(np.linspace(0, len(windows) - 1, MOST_WINDOWS).astype(int))
        low = np.quantile(windows[places, :: 1 + 2 * half // MOST_WINDOWS], 0.25, axis=1)
        return _median_from_low(np.interp(np.arange(len(windows)), places, low), averages)[None, :]
    ring = _radius(power.shape).round().astype(int)
    order = np.argsort(ring, axis=None, kind="stable")
    edges = np.searchsorted(ring.ravel()[order], np.arange(ring.max() + 2))
    values = power.ravel()[order]
    profile = [np.quantile(values[a:b], 0.25) if b > a else 0.0 for a, b in pairwise(edges)]
    return np.asarray(_median_from_low(np.array(profile) + 1e-30, averages)[ring])


def _along(
    spectrum: Spectrum, row: NDArray[np.intp], col: NDArray[np.intp], direction: tuple[Float64, Float64]
) -> Float64:
    """Median power 2 to 12 bins away from each bin, in both directions along the unit vectors (dy, dx)."""
    power, (dy, dx) = spectrum.power, direction
    y = (row[:, None] + np.rint(ASIDE * dy[:, None]).astype(int)) % power.shape[0]
    x = (col[:, None] + np.rint(ASIDE * dx[:, None]).astype(int)) % power.shape[1]
    return _median_from_low(np.quantile(power[y, x], 0.25, axis=1), spectrum.averages)


def _evidence(ratio: Float64, averages: Float64, samples: Float64, places: float) -> Float64:
    """Minus log of the probability that a mean of exponential variables exceeds `ratio` times the background.

    The mean is of `averages` variables, and the largest of `places` such means. The background is estimated from
    `samples` bins: with few, large ratios are more probable (tail of the F distribution).
    """
    known = averages * (ratio - 1.0 - np.log(np.maximum(ratio, 1.0)))
    return np.asarray(np.minimum(known, averages * samples * np.log1p(ratio / samples)) - np.log(places))


def find_peaks(spectrum: Spectrum, *, least_evidence: float = -1.0) -> Peaks:
    """Find the local maxima that stand out from the background of a spectrum.

    Parameters
    ----------
    spectrum
        Spectrum from `averaged_spectrum`.
    least_evidence
        Smallest evidence of a peak; -1 lets two or three false peaks through in a frame of noise.

    Returns
    -------
    Peaks
        Positions are refined to a fraction of a bin by a parabola through the logarithm of the power.
    """
    power = spectrum.power
    ty, tx = spectrum.shape
    cy, cx = ty // 2, tx // 2
    around = np.ones(power.shape, dtype=bool)
    for dy in (-1, 0, 1) if ty > 1 else (0,):
        for dx in (-1, 0, 1):
            if (dy, dx) > (0, 0):
                around &= power > np.roll(power, (dy, dx), (0, 1))
            elif (dy, dx) < (0, 0):
                around &= power >= np.roll(power, (dy, dx), (0, 1))
    row, col = np.nonzero(around & (power > 2.0 * spectrum.background) if ty > 1 else around)
    ky, kx = row - cy, col - cx
    keep = ((kx > 0) | ((kx == 0) & (ky > 0))) & (np.hypot(ky, kx) >= LOWEST_BIN)
    row, col, ky, kx = row[keep], col[keep], ky[keep], kx[keep]
    length = np.hypot(ky, kx)
    around_it = spectrum.background[row, col]
    one, zero = np.ones(len(row)), np.zeros(len(row))
    directions = [(ky / length, kx / length), (one, zero), (zero, one)] if ty > 1 else [(zero, one)]
    streak = np.max([_along(spectrum, row, col, direction) for direction in directions], axis=0, initial=0.0)
    samples = np.where((streak > 2.0 * around_it) | (ty == 1), float(len(ASIDE)), 1e9)
    height, background = power[row, col], np.maximum(around_it, streak)
    averages = np.where((np.abs(kx) <= 1) & (ty > 1), spectrum.line_averages, spectrum.averages)
    evidence = _evidence(height / background, averages, samples, ty * tx / 2)
    order = np.argsort(-evidence)
    order = order[evidence[order] >= least_evidence][:MOST_PEAKS]
    frequency = np.zeros((len(order), 2))
    log = np.log(power)
    for i, j in enumerate(order):
        for axis, (at, n, centre) in enumerate(((row[j], ty, cy), (col[j], tx, cx))):
            if n == 1:
                continue
            line = log[:, col[j]] if axis == 0 else log[row[j]]
            left, middle, right = line[(at - 1) % n], line[at], line[(at + 1) % n]
            curve = left - 2 * middle + right
            frequency[i, axis] = (at - centre + (0.5 * (left - right) / curve if curve < 0 else 0.0)) / n
    return Peaks(frequency, evidence[order], (height - background)[order], (ty, tx))
