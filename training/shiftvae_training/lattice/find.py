"""Find the lattice of frames: lattice vectors in px, with a confidence and a verdict in words.

The flow: the spectra propose a lattice -> mask of the area that shows it (a narrow strip is fitted to its pixels) ->
does the image repeat there -> verdict. If this does not succeed it is tried again in that area alone, then without the
background (docs/decisions/lattice-evidence.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shiftvae_rt.array_types import Float64
from shiftvae_rt.errors import LatticeError

from .algebra import in_words
from .candidate import CellName, propose
from .mask import lattice_mask
from .peaks import flattened, prepare_frames, scaled
from .repetition import repetition
from .strip import fit_in_strip, is_strip

__all__ = ["Lattice", "adopt_lattice", "find_lattice"]


#: Gain in nats at which a lattice is as likely as not, and the width of the logistic curve around it. Images: noise,
#: blobs and textures stay below 3. Signals have few peaks: noise stays below 3, band-limited noise below 6.
SURE_GAIN = {"image": (7.5, 2.0), "signal": (4.5, 0.8)}
# The confidence has further factors. Each pair from EXPLAINED to LINE_VARIANCE gives the two values of a quantity
# between which its factor rises from 0 to 1.

#: Share of the weight of all spectral peaks that the lattices explain; photographs stay below 0.6.
EXPLAINED = (0.5, 0.7)
#: Repetition of a cell in real space, as a share of its best correlation: rings of features stay below 0.4, lattices
#: under strong pick-up above 0.6.
REPEATS = (0.4, 0.6)
#: Repetition of lines across and along themselves: rows of features and scratches stay below 0.3.
LINES_REPEAT = (0.25, 0.45)
#: Share of the frame that shows the lattice: cells, lines (waves that decay from a step cover 0.4), signals.
COVERED, LINES_COVER, SIGNALS_COVER = (0.04, 0.1), (0.45, 0.6), (0.2, 0.4)
#: Share of an image's variance that a line pattern carries: electrical pick-up carries less.
LINE_VARIANCE = (0.003, 0.01)
#: An area is analysed again by itself when its bounding box is less than this share of the frame.
SMALL = 0.8
#: An image whose correlation is higher by this much at the vectors of a larger cell has that cell; with fewer than this
#: many of its periods in the frame, the spectrum cannot resolve it.
LARGER, FEW = 0.07, 4.0
#: Above this confidence and this repetition no second look is taken.
SURE, WELL = 0.9, 0.95
#: Largest confidence of a lattice against which there is a specific doubt.
DOUBTED = 0.4
#: Number of waves that are fitted to a strip.
STRONGEST = 8
#: Vectors of one lattice in two scans differ by at most this share of their lengths.
SAME = 0.03
#: An area must overlap with itself after displacements of this many periods.
SEVERAL = 3


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
        bool ``(height, width)``: the pixels where at least one of the frames shows the lattice, accurate to a period or
        two; None without a lattice, and for one that was given rather than found.
    superlattice
        float64 ``(m, 2)``: superlattice vectors of an order that comes in domains, as fractions of `reciprocal`.
    further
        Vectors, ``(2, 2)`` px each, of further lattices that the spectrum shows: those of other grains, or of a moire.
    """

    vectors: Float64
    confidence: float
    verdict: str
    reason: str
    where: NDArray[np.bool_] | None = None
    superlattice: Float64 = field(default_factory=lambda: np.zeros((0, 2)))
    further: tuple[Float64, ...] = ()

    @property
    def reciprocal(self) -> Float64:
        """Reciprocal vectors g_k, float64 ``(k, 2)`` in cycles per px: a_i . g_j = 1 where i = j, else 0."""
        return np.linalg.pinv(self.vectors).T if len(self.vectors) else np.zeros((0, 2))

    @property
    def period_px(self) -> Float64:
        """Lengths of the lattice vectors in px, float64 ``(k,)``."""
        return np.hypot(self.vectors[:, 0], self.vectors[:, 1])

    @property
    def longest_px(self) -> float:
        """Longest period in px, wavelengths of the satellites included."""
        waves = np.hypot(*(self.superlattice @ self.reciprocal).T) if len(self.superlattice) else np.zeros(0)
        return float(max([*self.period_px, *(1 / waves)]))

    @property
    def angle_deg(self) -> float | None:
        """Angle between the two lattice vectors in degrees; None without two."""
        if len(self.vectors) < 2:
            return None
        a, b = self.vectors
        return float(np.degrees(np.arctan2(abs(a[0] * b[1] - a[1] * b[0]), a @ b)))

    def to_phases(self, displacement_px: ArrayLike) -> Float64:
        """Phases 2 pi g_k . d of displacements ``(..., 2)`` in px; returns ``(..., k)`` in radians, not wrapped."""
        return np.asarray(2 * np.pi * (np.asarray(displacement_px, dtype=float) @ self.reciprocal.T))

    def to_displacement(self, phases: ArrayLike) -> Float64:
        """Displacements sum_k phi_k / 2 pi a_k of phases ``(..., k)`` in radians; returns ``(..., 2)`` in px."""
        return np.asarray(np.asarray(phases, dtype=float) @ self.vectors / (2 * np.pi))


def adopt_lattice(found: Lattice, known: Float64) -> Lattice:
    """Give `found` the vectors ``known (k, 2)`` px of a trained model, in their order, where it is the same lattice.

    Raises
    ------
    LatticeError
        if a vector differs by more than 3 %, the tolerance of a pixel size, from every vector of the lattice found.
    """
    same = len(found.vectors) == len(known)
    if same:
        steps = np.rint(known @ np.linalg.pinv(found.vectors))
        off = np.hypot(*(known - steps @ found.vectors).T) / np.hypot(*known.T)
        same = bool((off <= SAME).all()) and abs(round(float(np.linalg.det(steps)))) == 1
    if not same:
        here, there = (in_words(np.linalg.pinv(v).T) if len(v) else "none" for v in (found.vectors, known))
        raise LatticeError(
            f"expected the lattice of the model to go on from, {there}, within 3 %, got {here}: resample the frames to "
            "the model's pixel size, or train a new model"
        )
    return replace(found, vectors=known)


def _ramp(value: float, ends: tuple[float, float]) -> float:
    return float(np.clip((value - ends[0]) / (ends[1] - ends[0]), 0.0, 1.0))


def find_lattice(frames: Sequence[NDArray[Any]], *, cell: CellName = "auto") -> Lattice:
    """Find the smallest cell that windows of a few periods can resolve.

    A superlattice that is too weak for such windows, or present in domains only, is mentioned in the reason; the
    vectors are those of the lattice that every window shows, because each window must find its position on it. An
    antiphase wall is a gap in it, too: only the smaller lattice goes on across the wall.

    Parameters
    ----------
    frames
        One or more frames ``(channels, height, width)`` of one shape, any real dtype; height 1 for signals.
        At most `MOST_FRAMES` of them, evenly chosen, are used.
    cell
        ``"parent"`` takes the smaller cell where there is a superlattice, ``"super"`` the larger one whatever it shows.

    Returns
    -------
    Lattice
        Verdict "no period" and no vectors when nothing repeats; "two periods" (grains, moire) with the vectors of the
        stronger lattice.

    Raises
    ------
    FrameError
        if there is no frame, or a frame is not ``(channels, height, width)``.
    """
    prepared = prepare_frames(frames)
    if not prepared:
        return Lattice(np.zeros((0, 2)), 0.0, "no period", "no period: the frame has no contrast")
    look = _look(prepared, cell)
    if not look.settled:
        look = _look_closer(prepared, look, cell)
    if not look.settled and look.lattice.confidence < 0.5 and prepared[0].shape[1] > 1:
        even = _look([flattened(frame) for frame in prepared], cell)
        look = even if even.lattice.confidence >= 0.5 and len(even.lattice.vectors) == 2 else look
    found = look.lattice
    if found.confidence < 0.5:
        return Lattice(np.zeros((0, 2)), found.confidence, "no period", f"no period: {found.reason}")
    return found


@dataclass(frozen=True)
class _Look:
    """Result of one analysis of the frames.

    Attributes
    ----------
    lattice
        The lattice; below a confidence of 0.5 there is none, and its reason says why.
    repeats
        How well it repeats in real space, see `Repetition.share`.
    settled
        Whether a second look would give the same.
    """

    lattice: Lattice
    repeats: float
    settled: bool


def _look(prepared: list[Float64], cell: CellName) -> _Look:
    shape = prepared[0].shape
    signal = shape[1] == 1
    sure_gain, width = SURE_GAIN["signal" if signal else "image"]
    candidate = propose(prepared, sure_gain, cell)
    if candidate is None:
        nothing = "no set of spectral peaks stands out from the background"
        return _Look(Lattice(np.zeros((0, 2)), 0.0, "no period", nothing), 0.0, False)
    channels = [channel for frame in prepared for channel in frame]
    where = lattice_mask(channels, candidate.reciprocal, candidate.orders)
    if is_strip(where, candidate.vectors()):
        fitted = fit_in_strip(channels, candidate.reciprocal, candidate.orders[:STRONGEST], where)
        candidate = replace(candidate, reciprocal=fitted)
    vectors, words = candidate.vectors(), in_words(candidate.reciprocal)
    lines = len(vectors) == 1 and not signal
    repeats = repetition(channels, vectors, np.ones_like(where) if lines else where)
    covered = float(where.mean())
    confidence = float(1 / (1 + np.exp((sure_gain - candidate.gain) / width))) * _ramp(candidate.explained, EXPLAINED)
    confidence *= _ramp(covered, LINES_COVER if lines else SIGNALS_COVER if signal else COVERED)
    confidence *= _ramp(repeats.share, LINES_REPEAT if lines else REPEATS)
    if lines:
        confidence *= _ramp(2 * float(candidate.local.power.mean(axis=1).sum()), LINE_VARIANCE)
    evidence = (
        f"explains {100 * candidate.explained:.0f} % of the weight of {candidate.peaks} spectral peaks, "
        f"covers {100 * covered:.0f} % of the frame and "
        f"repeats there with {100 * repeats.share:.0f} % of its best correlation"
    )
    longest = float(np.hypot(*repeats.whole.T).max())
    doubt = ""
    if candidate.along_axes(shape):
        doubt = f"the waves of {words} run along the axes of the scan only, as electrical pick-up does"
    elif min(repeats.periods) < SEVERAL:
        doubt = f"too few periods of {words} in the frame to verify that it repeats"
    elif repeats.larger > LARGER and FEW * longest > min(n for n in shape[1:] if n > 1):
        doubt = f"too few periods: the frame repeats after {longest:.0f} px rather than with {words}"
    if doubt:
        doubted = Lattice(vectors, min(confidence, DOUBTED), "no period", doubt, where)
        return _Look(doubted, repeats.share, True)
    if confidence < 0.5:
        doubt = f"the best candidate is uncertain: {words}, {evidence}"
        return _Look(Lattice(vectors, confidence, "no period", doubt, where), repeats.share, False)
    reason = "; ".join([f"lattice of {words}: {evidence}", *candidate.notes])
    verdict = "two periods" if candidate.two else "lattice"
    settled = confidence > SURE and (candidate.two or repeats.share > WELL)
    found = Lattice(vectors, confidence, verdict, reason, where, candidate.superlattice(), candidate.further)
    return _Look(found, repeats.share, settled)


def _look_closer(prepared: list[Float64], look: _Look, cell: CellName) -> _Look:
    """Repeat the analysis in the bounding box of the lattice's area, when that is only a part of the frame."""
    where = look.lattice.where
    if where is None or not where.any() or len(look.lattice.vectors) < 2:
        return look
    rows, cols = (np.flatnonzero(where.any(axis=axis)) for axis in (1, 0))
    box = np.s_[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    if where[box].size > SMALL * where.size:
        return look
    inner = _look(scaled([frame[:, box[0], box[1]] for frame in prepared]), cell)
    if inner.lattice.where is None or inner.lattice.confidence < 0.5 or inner.repeats < look.repeats:
        return look
    around = np.zeros_like(where)
    around[box] = inner.lattice.where
    return replace(inner, lattice=replace(inner.lattice, where=around))
