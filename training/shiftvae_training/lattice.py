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
from .local_phase import local_waves, refine_reciprocal
from .spectrum import Peaks, averaged_spectrum, find_peaks

__all__ = ["Lattice", "find_lattice"]

Floats = NDArray[np.float64]

#: Frames looked at: evenly chosen from a longer series.
MOST_FRAMES = 4


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


def _best_scale(frames: list[Floats]) -> tuple[Peaks, Indexing] | None:
    """Peaks and basis at the tile size that explains most."""
    height, width = frames[0].shape[1:]
    best: tuple[Peaks, Indexing] | None = None
    for divisor in (1, 2, 4, 8):
        tile = (max(height // divisor, 1), width // divisor)
        if divisor > 1 and (min(tile) if height > 1 else tile[1]) < 32:
            break
        peaks = find_peaks(averaged_spectrum(frames, tile))
        indexing = index_peaks(peaks)
        if len(indexing.reciprocal) and (best is None or indexing.gain > best[1].gain):
            best = peaks, indexing
    return best


def _phase_tile(vectors: Floats, shape: tuple[int, int]) -> tuple[int, int]:
    """Tiles of about six periods, at most half the frame and at least two periods."""
    size = 6.0 * float(np.hypot(*vectors.T).max())
    return tuple(1 if n == 1 else int(min(max(size, 24), n / 2)) for n in shape)  # type: ignore[return-value]


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
    nothing = Lattice(np.zeros((0, 2)), 0.0, "no period", "no period: the frame has no contrast")
    if not prepared:
        return nothing
    best = _best_scale(prepared)
    if best is None:
        return Lattice(np.zeros((0, 2)), 0.0, "no period", "no period: no peak stands out of the spectrum")
    peaks, indexing = best
    confidence = float(1 / (1 + np.exp(-(indexing.gain - 20.0) / 4.0)))
    if confidence < 0.5:
        reason = f"no period: the best lattice explains {indexing.explained.sum()} of {len(peaks.evidence)} peaks, which may be chance"
        return Lattice(np.zeros((0, 2)), confidence, "no period", reason)
    channels = [channel for frame in prepared for channel in frame]
    use = np.flatnonzero(indexing.explained)[:8]
    rough = np.linalg.pinv(indexing.reciprocal).T
    reciprocal = refine_reciprocal(channels, indexing.reciprocal, indexing.orders[use], _phase_tile(rough, prepared[0].shape[1:]))
    vectors = canonical(np.linalg.pinv(reciprocal).T)
    lengths = " x ".join(f"{n:.2f}" for n in np.hypot(*vectors.T))
    reason = f"lattice of {lengths} px, from {indexing.explained.sum()} of {len(peaks.evidence)} spectral peaks"
    return Lattice(vectors, confidence, "lattice", reason)
