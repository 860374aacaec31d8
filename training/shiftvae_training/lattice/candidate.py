"""The lattice that the spectra propose: spectra at several tile sizes -> peaks -> basis -> superlattices -> phases.

`find` accepts it only where the image itself repeats.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

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
from .superlattice import LocalPower, clearest_part, local_power, superlattice_vectors, unanchored_part

__all__ = ["Candidate", "CellName", "propose"]

#: Which cell is taken where there are two: the larger one if its waves are clear all over the frame; the smaller; the
#: larger.
CellName = Literal["auto", "parent", "super"]


#: A second lattice of at least this share of the power of the first makes the verdict "two periods".
SECOND = 0.1
#: A second lattice of at least this share of the power is mentioned in the reason.
FAINT = 0.003
#: Largest number of lattices of one frame; a peak further than this from a lattice, in bins, is not of it.
MOST_LATTICES, FAR = 4, 0.66
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
    satellites
        float64 ``(m, 2)``: superlattice vectors on ``reciprocal``, see `superlattice_vectors`.
    further
        Vectors, ``(2, 2)`` px each, of further lattices with a share of its power.
    """

    reciprocal: Float64
    orders: NDArray[np.intp]
    gain: float
    explained: float
    peaks: int
    local: LocalPower
    two: bool
    notes: tuple[str, ...]
    satellites: Float64
    further: tuple[Float64, ...] = ()

    def superlattice(self) -> Float64:
        """Superlattice vectors, float64 ``(m, 2)`` in reciprocal vectors of `vectors`, each in -1/2 .. 1/2."""
        if len(self.reciprocal) < 2:
            return np.zeros((0, 2))
        waves = self.satellites @ self.reciprocal @ self.vectors().T
        return superlattice_vectors(waves, np.arange(len(waves), 0, -1.0))

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


def propose(frames: list[Float64], sure_gain: float, cell: CellName = "auto") -> Candidate | None:
    """Propose the lattice that explains most of the peaks in the spectra of prepared frames.

    Parameters
    ----------
    frames
        Frames from `prepare_frames`, at least one.
    sure_gain
        Gain in nats at which a second lattice is as likely as not.
    cell
        Which cell is taken where there is a superlattice.

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
        notes.append(f"{what} of {in_words(pair.second)} with {100 * pair.second_power:.1f} % of its power")
    if two and len(pair.first) == len(pair.second) == 1 and not signal:
        crossed = np.concatenate([pair.first, pair.second])
        if abs(np.linalg.det(crossed / np.hypot(*crossed.T)[:, None])) > np.sin(LEAST_ANGLE):
            reciprocal, orders, two, notes = crossed, np.eye(2, dtype=np.intp), False, []
    channels = [channel for frame in frames for channel in frame]
    waves = _Waves(reciprocal, orders, local_power(channels, reciprocal, orders))
    part = _Part(waves)
    if len(reciprocal) == 2:
        part = _without_superlattice(waves, cell)
    reciprocal, orders = part.waves.reciprocal, part.waves.orders
    reciprocal = refine_reciprocal(channels, reciprocal, orders[:8], phase_tile(reciprocal, frames[0].shape[1:]))
    two |= part.grains
    seen = [pair.second] if pair.second_power > FAINT and len(pair.second) == 2 else []
    further = _further(peaks, [reciprocal, *seen], sure_gain) if (part.grains or seen) and len(reciprocal) == 2 else ()
    return Candidate(
        reciprocal,
        orders,
        best.gain,
        pair.explained,
        len(peaks.evidence),
        part.waves.local,
        bool(two),
        (*notes, *part.notes),
        part.superlattice,
        further,
    )


@dataclass(frozen=True)
class _Waves:
    """Waves of a lattice: their orders ``(n, 2)`` on ``reciprocal (2, 2)``, and their local power."""

    reciprocal: Float64
    orders: NDArray[np.intp]
    local: LocalPower

    def on(self, form: NDArray[np.intp]) -> tuple[_Waves, tuple[Float64, Float64]]:
        """Waves on a sublattice; and the others, (y, x) in cycles per px, with their power without noise."""
        reciprocal, orders, keep = sublattice(self.reciprocal, self.orders, form)
        local = LocalPower(self.local.power[keep], self.local.noise[keep])
        power = self.local.power[~keep].mean(axis=1) - self.local.noise[~keep]
        return _Waves(reciprocal, orders, local), ((self.orders @ self.reciprocal)[~keep], power)


@dataclass(frozen=True)
class _Part:
    """Waves of the cell that is taken, notes on the others, whether those are grains, and superlattice vectors."""

    waves: _Waves
    notes: tuple[str, ...] = ()
    grains: bool = False
    superlattice: Float64 = field(default_factory=lambda: np.zeros((0, 2)))


def _without_superlattice(waves: _Waves, cell: CellName) -> _Part:
    """Waves of the cell that is taken where there is a superlattice."""
    if cell == "super":
        return _Part(waves, ("the largest cell, as asked",))
    found = _anchored(waves)
    if cell == "parent" and not found.notes and (form := clearest_part(waves.local, waves.orders)) is not None:
        parent, (left, power) = waves.on(form)
        vectors = superlattice_vectors(left @ np.linalg.inv(parent.reciprocal), power)
        why = f"the parent of a superlattice of {in_words(waves.reciprocal)}, as asked"
        return _Part(parent, (why,), superlattice=vectors)
    return found


def _anchored(waves: _Waves) -> _Part:
    """Waves of the largest cell that all windows show."""
    grains, notes, satellites = False, [], []
    while (part := unanchored_part(waves.local, waves.orders)) is not None:
        common = in_words(waves.reciprocal)
        waves, rest = waves.on(part[0])
        if part[1] == "patchy" and waves.local.coverage()[:4].min() < EVERYWHERE:
            grains = True
            notes.append(f"second grain, common cell {common}")
        elif part[1] == "patchy":
            notes.append(f"superlattice of {common} in parts of the frame or with antiphase walls")
            satellites.append(rest)
        else:
            notes.append(f"superlattice of {common} too weak for a window")
    if not satellites:
        return _Part(waves, tuple(notes), grains)
    left, power = (np.concatenate(values) for values in zip(*satellites, strict=True))
    vectors = superlattice_vectors(left @ np.linalg.inv(waves.reciprocal), power)
    return _Part(waves, tuple(notes), grains, vectors)


def _further(peaks: Peaks, known: list[Float64], sure_gain: float) -> tuple[Float64, ...]:
    """Vectors of the lattices beside the first of `known` (reciprocal vectors), and of more in what they leave."""
    found = list(known)
    while len(found) < MOST_LATTICES:
        free = np.ones(len(peaks.evidence), bool)
        for reciprocal in found:
            orders = np.rint(peaks.frequency @ np.linalg.inv(reciprocal))
            gap = (peaks.frequency - orders @ reciprocal) * np.array(peaks.tile, dtype=float)
            free &= np.hypot(*gap.T) > FAR
        more = index_peaks(peaks.select(free))
        if len(more.reciprocal) < 2 or more.gain < sure_gain:
            break
        found.append(more.reciprocal)
    return tuple(canonical(np.linalg.inv(each).T) for each in found[1:])
