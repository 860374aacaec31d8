"""Find the lattice of frames: lattice vectors in px, with a confidence and a verdict in words.

The flow: averaged spectra at several tile sizes -> peaks -> the basis that explains them -> refinement by phase -> verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shiftvae_rt.errors import FrameError

from .indexing import Indexing, index_peaks, reduce_basis
from .local_phase import refine_reciprocal
from .spectrum import Peaks, averaged_spectrum, find_peaks
from .superlattice import LocalPower, local_power, unanchored_part

__all__ = ["Lattice", "find_lattice"]

Floats = NDArray[np.float64]

#: Frames looked at: evenly chosen from a longer series.
MOST_FRAMES = 4
#: Peaks weaker than this share of the strongest at any tile size (3 % in amplitude) are left to digital artefacts.
FAINTEST = 1e-3
#: Smallest tile, px.
LEAST_TILE = 32
#: Gain, in nats, at which a lattice is as likely as not; noise, textures and photographs stay below 2.
SURE_GAIN = 6.0


@dataclass(frozen=True)
class Lattice:
    """The period of frames.

    Parameters
    ----------
    vectors
        float64 ``(k, 2)``: lattice vectors a_k as (y, x) in px; k = 2 for images, 1 for signals and for line patterns, 0 for none.
        Images: the two shortest vectors of the lattice at an angle of 60 to 120 degrees; a_1 is the one closer to the y axis and
        points down, a_2 points right (its sign makes the cell right-handed: det [a_1; a_2] > 0 in (y, x)).
    confidence
        0..1; noise stays below 0.05, a clear lattice above 0.9.
    verdict
        "lattice", "no period" or "two periods".
    reason
        One line in words, with numbers.
    """

    vectors: Floats
    confidence: float
    verdict: str
    reason: str

    @property
    def reciprocal(self) -> Floats:
        """Reciprocal vectors g_k, float64 ``(k, 2)`` in cycles per px: a_i . g_j = 1 where i = j, else 0."""
        return np.linalg.pinv(self.vectors).T if len(self.vectors) else np.zeros((0, 2))

    @property
    def period_px(self) -> Floats:
        """Lengths of the lattice vectors in px, float64 ``(k,)``."""
        return np.hypot(self.vectors[:, 0], self.vectors[:, 1])

    @property
    def angle_deg(self) -> float | None:
        """Angle between the two lattice vectors in degrees; None without two."""
        if len(self.vectors) < 2:
            return None
        a, b = self.vectors
        return float(np.degrees(np.arctan2(abs(a[0] * b[1] - a[1] * b[0]), a @ b)))

    def to_phases(self, displacement_px: ArrayLike) -> Floats:
        """Phases 2 pi g_k . d of displacements ``(..., 2)`` in px; returns ``(..., k)`` in radians, not wrapped."""
        return np.asarray(2 * np.pi * (np.asarray(displacement_px, dtype=float) @ self.reciprocal.T))

    def to_displacement(self, phases: ArrayLike) -> Floats:
        """Displacements sum_k phi_k / 2 pi a_k of phases ``(..., k)`` in radians; returns ``(..., 2)`` in px."""
        return np.asarray(np.asarray(phases, dtype=float) @ self.vectors / (2 * np.pi))


def canonical(vectors: Floats) -> Floats:
    """Order and sign of lattice vectors as `Lattice` documents them."""
    if len(vectors) == 0:
        return np.zeros((0, 2))
    if len(vectors) == 1:
        (y, x) = vectors[0]
        return vectors * (1.0 if (x, y) >= (0, 0) or (abs(x) < 1e-9 and y > 0) else -1.0)
    a, b = reduce_basis(vectors)
    if abs(a[0]) / np.hypot(*a) < abs(b[0]) / np.hypot(*b):
        a, b = b, a
    a = a if a[0] > 0 else -a
    b = b if a[0] * b[1] - a[1] * b[0] > 0 else -b
    return np.array([a, b])


def _prepare(frames: Sequence[NDArray[Any]]) -> list[Floats]:
    """A few frames as float64, outliers clipped, mean removed, each channel scaled to unit variance."""
    if len(frames) == 0:
        raise FrameError("expected at least one frame to look for a lattice in, got none")
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(MOST_FRAMES, len(frames))).round().astype(int))
    prepared = []
    for frame in (np.asarray(frames[i]) for i in chosen):
        if frame.ndim != 3:
            raise FrameError(f"expected frames of shape (channels, height, width), got {frame.shape}: use as_pixels first")
        pixels = frame.astype(np.float64)
        low, high = np.quantile(pixels, [0.001, 0.999], axis=(1, 2), keepdims=True)
        pixels = np.clip(pixels, low, high)
        pixels -= pixels.mean(axis=(1, 2), keepdims=True)
        spread = pixels.std(axis=(1, 2), keepdims=True)
        pixels = pixels[spread[:, 0, 0] > 0] / spread[spread[:, 0, 0] > 0]
        if len(pixels):
            prepared.append(pixels)
    return prepared


def _nothing(confidence: float, why: str) -> Lattice:
    return Lattice(np.zeros((0, 2)), confidence, "no period", f"no period: {why}")


def _best_scale(frames: list[Floats]) -> tuple[Peaks, Indexing] | None:
    """Peaks and basis at the tile size that explains most."""
    height, width = frames[0].shape[1:]
    scales = []
    for divisor in (1, 2, 4, 8):
        tile = (max(height // divisor, 1), width // divisor)
        if divisor > 1 and (min(tile) if height > 1 else tile[1]) < LEAST_TILE:
            break
        scales.append(find_peaks(averaged_spectrum(frames, tile)))
    faintest = FAINTEST * max(peaks.power.max(initial=0.0) for peaks in scales)
    scales = [peaks.select(peaks.power > faintest) for peaks in scales]
    tried = [(peaks, index_peaks(peaks)) for peaks in scales]
    best = max(tried, key=lambda pair: pair[1].gain)
    return best if len(best[1].reciprocal) else None


def _phase_tile(vectors: Floats, shape: tuple[int, int]) -> tuple[int, int]:
    """Tiles of about six periods, at most half the frame."""
    size = max(6.0 * float(np.hypot(*vectors.T).max()), 24.0)
    return int(min(size, max(shape[0] // 2, 1))), int(min(size, shape[1] // 2))


def _strongest(peaks: Peaks, indexing: Indexing, most: int) -> NDArray[np.intp]:
    """Orders of the strongest explained peaks."""
    use = np.flatnonzero(indexing.explained)
    return indexing.orders[use[np.argsort(-peaks.power[use])][:most]]


def _sublattice(
    reciprocal: Floats, orders: NDArray[np.intp], form: NDArray[np.intp]
) -> tuple[Floats, NDArray[np.intp], NDArray[np.bool_]]:
    """Reduced basis of the sublattice that the rows of `form` span, the orders on it of its waves, and which waves those are."""
    on_form = orders @ np.linalg.inv(form)
    keep = (np.abs(on_form - np.rint(on_form)) < 1e-6).all(axis=1)
    basis = reduce_basis(form @ reciprocal)
    return basis, np.rint(orders[keep] @ reciprocal @ np.linalg.inv(basis)).astype(np.intp), keep


def _periods_in_words(vectors: Floats) -> str:
    lengths = " x ".join(f"{n:.2f}" for n in np.hypot(*vectors.T))
    if len(vectors) == 1:
        return f"{lengths} px"
    a, b = vectors
    return f"{lengths} px at {np.degrees(np.arctan2(abs(a[0] * b[1] - a[1] * b[0]), a @ b)):.1f} degrees"


def find_lattice(frames: Sequence[NDArray[Any]]) -> Lattice:
    """Find the smallest cell under which the frames repeat.

    Parameters
    ----------
    frames
        One or more frames ``(channels, height, width)`` of one shape, any real dtype; height 1 for signals.
        Of more than `MOST_FRAMES`, that many are used.

    Returns
    -------
    Lattice
        With verdict "no period" and no vectors when nothing repeats.

    Raises
    ------
    FrameError
        No frame, or not (channels, height, width).
    """
    prepared = _prepare(frames)
    if not prepared:
        return _nothing(0.0, "the frame has no contrast")
    best = _best_scale(prepared)
    if best is None:
        return _nothing(0.0, "no set of peaks stands out of the spectrum")
    peaks, indexing = best
    confidence = float(1 / (1 + np.exp(-(indexing.gain - SURE_GAIN) / 2.0)))
    if confidence < 0.5:
        count = int(indexing.explained.sum())
        return _nothing(confidence, f"the best lattice explains {count} of {len(peaks.evidence)} spectral peaks, maybe by chance")
    channels = [channel for frame in prepared for channel in frame]
    second = index_peaks(peaks.select(~indexing.explained))
    share2 = float(peaks.power[~indexing.explained][second.explained].sum() / peaks.power[indexing.explained].sum())
    reciprocal, orders = indexing.reciprocal, _strongest(peaks, indexing, 16)
    notes, two = [], second.gain > SURE_GAIN and share2 > 0.1
    if two:
        cell = _periods_in_words(canonical(np.linalg.pinv(second.reciprocal).T))
        notes.append(f"second lattice of {cell} with {share2:.0%} of its power")
    local = local_power(channels, reciprocal, orders)
    while len(reciprocal) == 2 and (part := unanchored_part(local, orders)) is not None:
        cell = _periods_in_words(canonical(np.linalg.pinv(reciprocal).T))
        reciprocal, orders, keep = _sublattice(reciprocal, orders, part[0])
        local = LocalPower(local.power[keep], local.noise[keep])
        grains = part[1] == "patchy" and local.coverage()[:4].min() < 0.85
        two |= grains
        notes.append(f"second grain, common cell {cell}" if grains else f"superlattice of {cell}, {part[1]}")
    coverage = float(np.median(local.coverage()[:4]))
    rough = np.linalg.pinv(reciprocal).T
    reciprocal = refine_reciprocal(channels, reciprocal, orders[:8], _phase_tile(rough, prepared[0].shape[1:]))
    vectors = canonical(np.linalg.pinv(reciprocal).T)
    reason = f"lattice of {_periods_in_words(vectors)}, from {indexing.explained.sum()} of {len(peaks.evidence)} spectral peaks, in {coverage:.0%} of the frame"
    return Lattice(vectors, confidence, "two periods" if two else "lattice", "; ".join([reason, *notes]))
