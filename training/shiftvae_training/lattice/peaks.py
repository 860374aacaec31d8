"""Spectral peaks of frames, and the reciprocal basis that explains most of them, over several tile sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from shiftvae_rt.array_types import Float64
from shiftvae_rt.errors import FrameError

from .indexing import LEAST_PERIODS, Indexing, index_peaks
from .outliers import despike
from .spectrum import Peaks, averaged_spectrum, find_peaks

__all__ = ["best_scale", "flattened", "prepare_frames", "scaled"]


#: Largest number of frames used, evenly chosen from a longer series.
MOST_FRAMES = 4
#: Peaks weaker than this share of the strongest, or of the low-frequency background (3 % in amplitude), are digital
#: artefacts.
FAINTEST = 1e-3
#: A tile size that finds the cell of the best doubled is preferred when its gain reaches this share of the best: in
#: larger tiles the walls between domains of an order split its peaks.
TRUSTED = 0.5
#: The frame must hold at least this many periods of the largest cell.
LEAST_PERIODS_OF_FRAME = 2.6
#: Background and contrast are averaged over the longer side divided by this number, and at least over this many px.
FLAT_PARTS, FLAT_SIZE = 8, 25
#: A flattened pixel is clipped at this many local deviations.
BRIGHTEST = 3.0
#: Smallest tile, px: images, signals.
LEAST_TILE, LEAST_TILE_OF_SIGNALS = 32, 128
#: Tiles larger than this, px, are binned; the smaller tiles resolve the short periods.
LARGEST_TILE = 1024


def prepare_frames(frames: Sequence[NDArray[Any]]) -> list[Float64]:
    """Choose at most `MOST_FRAMES` frames and prepare them: outliers clipped, each channel at mean 0 and variance 1.

    Parameters
    ----------
    frames
        ``(channels, height, width)`` each, any real dtype.

    Returns
    -------
    list of ndarray
        float64 ``(channels, height, width)``, without channels and frames that have no contrast.

    Raises
    ------
    FrameError
        if there is no frame, or a frame is not ``(channels, height, width)``.
    """
    if len(frames) == 0:
        raise FrameError("expected at least one frame in which to find a lattice, got none")
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(MOST_FRAMES, len(frames))).round().astype(int))
    prepared = []
    for frame in (np.asarray(frames[i]) for i in chosen):
        if frame.ndim != 3:
            raise FrameError(f"expected frames of shape (channels, height, width), got {frame.shape}: use as_pixels")
        pixels = np.stack([despike(channel) for channel in frame.astype(np.float64)])
        low, high = np.quantile(pixels, [0.001, 0.999], axis=(1, 2), keepdims=True)
        pixels = np.clip(pixels, low, high)
        prepared.append(pixels)
    return scaled(prepared)


def scaled(frames: list[Float64]) -> list[Float64]:
    """Remove the mean of each channel and scale it to unit variance; drop channels and frames without contrast."""
    out = []
    for frame in frames:
        pixels = frame - frame.mean(axis=(1, 2), keepdims=True)
        spread = pixels.std(axis=(1, 2), keepdims=True)
        varies = spread[:, 0, 0] > 1e-9 * np.abs(np.ptp(frame, axis=(1, 2))).max(initial=0.0)
        if varies.any():
            out.append(pixels[varies] / spread[varies])
    return out


def flattened(frame: Float64) -> Float64:
    """Prepared frame without its background, divided by the local deviation: discs and steps no longer dominate."""
    size = max(FLAT_SIZE, max(frame.shape[1:]) // FLAT_PARTS) | 1
    around = (1, size, size)
    flat = frame - uniform_filter(frame, around, mode="nearest")
    power = uniform_filter(flat * flat, around, mode="nearest")
    return np.asarray(np.clip(flat / np.sqrt(power + 0.05 * power.mean() + 1e-12), -BRIGHTEST, BRIGHTEST))


def _binned(frame: Float64, factor: int) -> Float64:
    """Mean of blocks of `factor` times `factor` px: long periods need no fine pixels."""
    channels, height, width = frame.shape
    if factor == 1:
        return frame
    rows, cols = height // factor, width // factor
    whole = frame[:, : rows * factor, : cols * factor]
    return np.asarray(whole.reshape(channels, rows, factor, cols, factor).mean(axis=(2, 4)))


def best_scale(frames: list[Float64]) -> tuple[Peaks, Indexing]:
    """Peaks and reciprocal basis at the tile size with the largest gain; `frames` are from `prepare_frames`."""
    height, width = frames[0].shape[1:]
    scales = []
    for divisor in (1, 2, 4, 8):
        tile = (max(height // divisor, 1), width // divisor)
        if divisor > 1 and (min(tile) < LEAST_TILE if height > 1 else tile[1] < LEAST_TILE_OF_SIGNALS):
            break
        coarse = max(1, min(tile) // LARGEST_TILE) if height > 1 else 1
        spectrum = averaged_spectrum(
            [_binned(frame, coarse) for frame in frames], (tile[0] // coarse, tile[1] // coarse)
        )
        peaks = find_peaks(spectrum).magnified(coarse)
        floor = FAINTEST * spectrum.background.max(initial=0.0, where=spectrum.resolved)
        scales.append(peaks.select(peaks.power > floor))
    floor = FAINTEST * max(peaks.power.max(initial=0.0) for peaks in scales)
    tried = []
    for peaks, least in zip(scales, [LEAST_PERIODS_OF_FRAME] + [LEAST_PERIODS] * len(scales), strict=False):
        strong = peaks.select(peaks.power > floor)
        tried.append((strong, index_peaks(strong, least_periods=least)))
    best = max(tried, key=lambda pair: pair[1].gain)
    for wider in tried:  # largest tile first: a cell too large for the best tile is found only there
        if wider[1].gain > TRUSTED * best[1].gain and _doubled(wider[1].reciprocal, best[1].reciprocal):
            return wider
    return best


def _doubled(fine: Float64, coarse: Float64) -> bool:
    """Tell whether the cell of the reciprocal basis `fine` is that of `coarse` doubled, along one direction or both."""
    if len(fine) != 2 or len(coarse) != 2:
        return False
    orders = coarse @ np.linalg.inv(fine)
    count, both = round(abs(np.linalg.det(orders))), bool((np.rint(orders) % 2 == 0).all())
    return bool(np.abs(orders - np.rint(orders)).max() < 0.1 and (count == 2 or (count == 4 and both)))
