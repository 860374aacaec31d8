"""Find the lattice of frames: lattice vectors in px, with a confidence and a verdict in words.

The flow: spectra at several tile sizes -> peaks -> the basis that explains them -> what windows show -> phases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .indexing import Indexing, aliased, index_peaks, peak_weights, strongest_orders
from .lattice_algebra import canonical, sublattice
from .lattice_mask import lattice_mask
from .lattice_peaks import best_scale, prepare_frames
from .local_phase import phase_tile, refine_reciprocal
from .spectrum import Peaks
from .superlattice import LocalPower, local_power, unanchored_part

__all__ = ["Lattice", "find_lattice"]

Floats = NDArray[np.float64]

#: Gain in nats at which a lattice is as likely as not, and its width in the logistic curve of the confidence.
#: Images: noise, blobs and textures stay below 3. Signals have few peaks: noise stays below 3, band-limited noise
#: below 6.
SURE_GAIN = {"image": (7.5, 2.0), "signal": (4.5, 0.8)}
#: The confidence rises from 0 to 1 while the lattices explain this much of the weight of all peaks; photographs stay
#: below 0.6.
EXPLAINED = (0.5, 0.7)
#: ... while the lattice covers this much of the frame; roofs and windows in photographs cover 0.3.
COVERED = (0.2, 0.4)
#: ... and while a line pattern in an image carries this much of its variance: below lies electrical pick-up.
LINE_VARIANCE = (0.003, 0.01)
#: A second lattice is worth a verdict from this share of the power of the first.
SECOND = 0.1
#: ... and worth a word from this share on.
FAINT = 0.003
#: Two line patterns at a wider angle than this, in radians, are the two directions of one lattice.
LEAST_ANGLE = np.pi / 9
#: Two lattices that share a common cell are grains when the first is missing from more than the rest of the frame.
EVERYWHERE = 0.85


@dataclass(frozen=True)
class Lattice:
    """The period of frames.

    Parameters
    ----------
    vectors
        float64 ``(k, 2)``: lattice vectors a_k as (y, x) in px; k = 2 for images, 1 for signals and for line
        patterns, 0 for none. Images: the two shortest vectors, 60 to 120 degrees apart; a_1 is the closer to the y
        axis and points down, a_2 points to its right (det [a_1; a_2] > 0 in (y, x)). Where three vectors are equally
        short, as in a hexagonal cell, the pair closest to the axes is taken, so that noise does not turn the cell.
    confidence
        0..1; noise stays below 0.05, a clear lattice above 0.9.
    verdict
        "lattice", "no period" or "two periods".
    reason
        One line in words, with numbers.
    where
        bool ``(height, width)``: the pixels of a frame where at least one of the frames looked at shows the lattice,
        good to a period or two; None without a lattice, and for one that was given rather than found.
    """

    vectors: Floats
    confidence: float
    verdict: str
    reason: str
    where: NDArray[np.bool_] | None = None

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


def _ramp(value: float, ends: tuple[float, float]) -> float:
    return float(np.clip((value - ends[0]) / (ends[1] - ends[0]), 0.0, 1.0))


def _in_words(reciprocal: Floats) -> str:
    """Periods, and their angle when there are two."""
    lattice = Lattice(canonical(np.linalg.pinv(reciprocal).T), 1.0, "lattice", "")
    lengths = " x ".join(f"{length:.2f}" for length in lattice.period_px)
    return f"{lengths} px" + (f" at {lattice.angle_deg:.1f} degrees" if lattice.angle_deg is not None else " (lines)")


@dataclass(frozen=True)
class _Pair:
    """The lattice of the peaks, the lattice of the peaks that it leaves (stronger first), and how much both explain."""

    orders: NDArray[np.intp]
    first: Floats
    second: Floats
    second_power: float
    explained: float


def _pair(peaks: Peaks, first: Indexing, sure_gain: float) -> _Pair:
    weights, mine = peak_weights(peaks), first.explained | aliased(peaks, first)
    left = peaks.select(~mine)
    second = index_peaks(left)
    if second.gain < sure_gain:
        share = weights[mine].sum() / weights.sum()
        return _Pair(strongest_orders(peaks, first), first.reciprocal, np.zeros((0, 2)), 0.0, float(share))
    share = (weights[mine].sum() + weights[~mine][second.explained].sum()) / weights.sum()
    power = float(left.power[second.explained].sum() / peaks.power[first.explained].sum())
    if power > 1.0 and len(second.reciprocal) == len(first.reciprocal):
        return _Pair(strongest_orders(left, second), second.reciprocal, first.reciprocal, 1.0 / power, float(share))
    return _Pair(strongest_orders(peaks, first), first.reciprocal, second.reciprocal, power, float(share))


def find_lattice(frames: Sequence[NDArray[Any]]) -> Lattice:
    """Find the smallest cell under which the frames repeat, as far as windows of a few periods can show it.

    A superlattice that is too weak for such windows, or present in domains only, is named in the reason; the vectors
    are those of the lattice that every window shows, because a window must find its position on it.

    Parameters
    ----------
    frames
        One or more frames ``(channels, height, width)`` of one shape, any real dtype; height 1 for signals.
        Of more than `MOST_FRAMES`, that many are used.

    Returns
    -------
    Lattice
        Verdict "no period" and no vectors when nothing repeats; "two periods" (grains, moire) with the vectors of the
        stronger.

    Raises
    ------
    FrameError
        No frame, or not (channels, height, width).
    """
    prepared = prepare_frames(frames)
    if not prepared:
        return _nothing(0.0, "the frame has no contrast")
    signal = prepared[0].shape[1] == 1
    sure_gain, width = SURE_GAIN["signal" if signal else "image"]
    peaks, best = best_scale(prepared)
    if not len(best.reciprocal):
        return _nothing(0.0, "no set of spectral peaks stands out of the background")
    pair = _pair(peaks, best, sure_gain)
    reciprocal, orders, two = pair.first, pair.orders, pair.second_power > SECOND
    notes = []
    if pair.second_power > FAINT:
        what = "second lattice" if two else "faint second lattice"
        notes.append(f"{what} of {_in_words(pair.second)} with {pair.second_power:.1%} of its power")
    if two and len(pair.first) == len(pair.second) == 1 and not signal:
        crossed = np.concatenate([pair.first, pair.second])
        if abs(np.linalg.det(crossed / np.hypot(*crossed.T)[:, None])) > np.sin(LEAST_ANGLE):
            reciprocal, orders, two, notes = crossed, np.eye(2, dtype=np.intp), False, []
    channels = [channel for frame in prepared for channel in frame]
    local = local_power(channels, reciprocal, orders)
    while len(reciprocal) == 2 and (part := unanchored_part(local, orders)) is not None:
        common = _in_words(reciprocal)
        reciprocal, orders, keep = sublattice(reciprocal, orders, part[0])
        local = LocalPower(local.power[keep], local.noise[keep])
        grains = part[1] == "patchy" and local.coverage()[:4].min() < EVERYWHERE
        two |= grains
        where = "in parts of the frame" if part[1] == "patchy" else "too weak for a window"
        notes.append(f"second grain, common cell {common}" if grains else f"superlattice of {common} {where}")
    coverage = float(np.median(local.coverage()[:4]))
    confidence = float(1 / (1 + np.exp((sure_gain - best.gain) / width)))
    confidence *= _ramp(pair.explained, EXPLAINED) * _ramp(coverage, COVERED)
    if len(reciprocal) == 1 and not signal:
        confidence *= _ramp(2 * float(local.power.mean(axis=1).sum()), LINE_VARIANCE)
    seen = f"{pair.explained:.0%} of the weight of {len(peaks.evidence)} spectral peaks, {coverage:.0%} of the frame"
    if confidence < 0.5:
        return _nothing(confidence, f"the best guess, {_in_words(reciprocal)} with {seen}, is not sure enough")
    reciprocal = refine_reciprocal(channels, reciprocal, orders[:8], phase_tile(reciprocal, prepared[0].shape[1:]))
    vectors = canonical(np.linalg.pinv(reciprocal).T)
    reason = "; ".join([f"lattice of {_in_words(reciprocal)} with {seen}", *notes])
    mask = lattice_mask(channels, reciprocal, orders)
    return Lattice(vectors, confidence, "two periods" if two else "lattice", reason, mask)


def _nothing(confidence: float, why: str) -> Lattice:
    return Lattice(np.zeros((0, 2)), confidence, "no period", f"no period: {why}")
