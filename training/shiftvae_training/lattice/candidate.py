"""The lattice that the spectra propose: spectra at several tile sizes -> peaks -> basis -> superlattices -> phases.

`find` accepts it only where the image itself repeats.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64

from .algebra import canonical, in_words, sublattice
from .indexing import (
    Indexing,
    aliased,
    index_peaks,
    peak_weights,
    strongest_orders,
)
from .local_phase import phase_tile, refine_reciprocal
from .peaks import best_scale
from .spectrum import Peaks
from .superlattice import LocalPower, local_power, unanchored_part

__all__ = ["Candidate", "propose"]


#: A second lattice of at least this share of the power of the first makes the verdict "two periods".
SECOND = 0.1
#: A second lattice of at least this share of the power is mentioned in the reason.
FAINT = 0.003
#: Two line patterns at a wider angle than this, in radians, are the two directions of one lattice.
LEAST_ANGLE = np.pi / 9
#: Two lattices that share a common cell are grains when the first covers less than this share of the frame.
EVERYWHERE = 0.85
#: A wave runs along a scan axis when it deviates from it by less than this many periods over the whole frame.
ON_AXIS = 0.5


@dataclass(frozen=True)
class Candidate:
    """A lattice that explains spectral peaks.

    Parameters
    ----------
    reciprocal
        float64 ``(k, 2)``, (y, x) in cycles per px.
    orders
        int ``(n, k)``: indices of its strongest waves on ``reciprocal``, strongest first.
    gain
        Evidence in nats.
    explained
        Share of the weight of all peaks that this and a second lattice explain.
    peaks
        Number of spectral peaks.
    local
        Power of the waves, tile by tile.
    two
        Whether there is a second lattice, or a second grain.
    notes
        Further findings in words, for the reason.
    """

    reciprocal: Float64
    orders: NDArray[np.intp]
    gain: float
    explained: float
    peaks: int
    local: LocalPower
    two: bool
    notes: tuple[str, ...]

    def vectors(self) -> Float64:
        """Lattice vectors in canonical order, float64 ``(k, 2)`` in px."""
        return canonical(np.linalg.pinv(self.reciprocal).T)

    def along_axes(self, shape: tuple[int, ...]) -> bool:
        """Tell whether all waves run along the fast or the slow axis of the scan; `shape` is that of a frame."""
        off = np.abs(self.orders @ self.reciprocal * np.array(shape[-2:]))
        single = len(self.reciprocal) == 2 or np.abs(self.orders).max() < 2
        return bool(shape[-2] > 1 and single and (off.min(axis=1) < ON_AXIS).all())


@dataclass(frozen=True)
class _Pair:
    """The two lattices that explain most of the peaks, stronger first, and the share that they explain together."""

    orders: NDArray[np.intp]
    first: Float64
    second: Float64
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


def propose(frames: list[Float64], sure_gain: float) -> Candidate | None:
    """Propose the lattice that explains most of the peaks in the spectra of prepared frames.

    Parameters
    ----------
    frames
        Frames from `prepare_frames`, at least one.
    sure_gain
        Gain in nats at which a second lattice is as likely as not.

    Returns
    -------
    Candidate or None
        None if no set of peaks stands out.
    """
    signal = frames[0].shape[1] == 1
    peaks, best = best_scale(frames)
    if not len(best.reciprocal):
        return None
    pair = _pair(peaks, best, sure_gain)
    reciprocal, orders, two = pair.first, pair.orders, pair.second_power > SECOND
    notes = []
    if pair.second_power > FAINT:
        what = "second lattice" if two else "faint second lattice"
        if len(pair.second) < len(pair.first):
            what, two = "an unrelated wave, as electrical pick-up makes,", False
        notes.append(f"{what} of {in_words(pair.second)} with {pair.second_power:.1%} of its power")
    if two and len(pair.first) == len(pair.second) == 1 and not signal:
        crossed = np.concatenate([pair.first, pair.second])
        if abs(np.linalg.det(crossed / np.hypot(*crossed.T)[:, None])) > np.sin(LEAST_ANGLE):
            reciprocal, orders, two, notes = crossed, np.eye(2, dtype=np.intp), False, []
    channels = [channel for frame in frames for channel in frame]
    local = local_power(channels, reciprocal, orders)
    while len(reciprocal) == 2 and (part := unanchored_part(local, orders)) is not None:
        common = in_words(reciprocal)
        reciprocal, orders, keep = sublattice(reciprocal, orders, part[0])
        local = LocalPower(local.power[keep], local.noise[keep])
        grains = part[1] == "patchy" and local.coverage()[:4].min() < EVERYWHERE
        two |= grains
        where = "in parts of the frame" if part[1] == "patchy" else "too weak for a window"
        notes.append(f"second grain, common cell {common}" if grains else f"superlattice of {common} {where}")
    reciprocal = refine_reciprocal(channels, reciprocal, orders[:8], phase_tile(reciprocal, frames[0].shape[1:]))
    return Candidate(reciprocal, orders, best.gain, pair.explained, len(peaks.evidence), local, bool(two), tuple(notes))
