"""Find the lattice that explains a set of spectral peaks.

Every pair of strong peaks, and of differences of strong peaks, is tried as a reciprocal basis. Its gain says how
unlikely it is that its lattice meets the peaks by chance: a dense reciprocal lattice (a large cell) meets any peak and
gains little, a harmonic leaves the peaks between its orders unexplained. This finds the primitive cell without relying
on the strongest peak.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64

from .algebra import reduce_basis, sublattices
from .single_waves import off_one_line, partnered
from .spectrum import Peaks

__all__ = ["Indexing", "aliased", "index_peaks", "peak_weights", "strongest_orders"]


#: Standard error of a peak's position, in bins of the tile, from leakage of neighbours and strain rather than noise.
POSITION_ERROR = 0.22
#: Number of strongest peaks from which bases are built: their pairs and differences give thousands.
SEEDS = 12
#: The tile must hold at least this many periods of the largest cell.
LEAST_PERIODS = 3.6
#: Shortest lattice vector, px; anything finer is pixel noise or resampling.
LEAST_PERIOD_PX = 2.9
#: Evidence in nats that faint peaks between the orders must bring for a larger cell.
ENLARGE = 7.0
#: Gain in nats from which the peaks that have partners form the lattice and the others are single waves.
ENOUGH = 12.0
#: Harmonics fade: those beyond the Nyquist frequency are looked for up to this many orders above the highest seen.
BEYOND = 1
#: Cost in nats of one bit of the list that says which lattice points are dark.
DARK_COST = 0.35


@dataclass(frozen=True)
class Indexing:
    """A reciprocal basis and the peaks that it explains.

    Parameters
    ----------
    reciprocal
        float64 ``(k, 2)``, (y, x) in cycles per px; k = 1 when all its peaks lie on one line, 0 when nothing was found.
    gain
        Weighted evidence in nats that the lattice meets the peaks better than by chance.
    orders
        int ``(n, k)``: the order of each peak on this basis.
    explained
        bool ``(n,)``: the peaks that lie on the lattice.
    """

    reciprocal: Float64
    gain: float
    orders: NDArray[np.intp]
    explained: NDArray[np.bool_]


def strongest_orders(peaks: Peaks, indexing: Indexing, most: int = 16) -> NDArray[np.intp]:
    """Orders ``(n, k)`` of the strongest explained peaks, strongest first, at most `most`."""
    use = np.flatnonzero(indexing.explained)
    return indexing.orders[use[np.argsort(-peaks.power[use])][:most]]


def aliased(peaks: Peaks, indexing: Indexing) -> NDArray[np.bool_]:
    """Mask ``(n,)`` of the peaks that are harmonics beyond the Nyquist frequency, aliased into the spectrum.

    A harmonic so high is the next order after those that are seen; of a long period the next order is still in reach
    and folds nowhere.
    """
    tile, found = np.array(peaks.tile, dtype=float), np.zeros(len(peaks.evidence), dtype=bool)
    if not len(indexing.reciprocal):
        return found
    highest = np.abs(indexing.orders[indexing.explained]).max(axis=0, initial=0) + BEYOND
    for fold in np.array([(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y or x) and (tile[0] > 1 or not y)]):
        orders = np.rint((peaks.frequency + fold) @ np.linalg.pinv(indexing.reciprocal))
        gap = (peaks.frequency + fold - orders @ indexing.reciprocal) * tile
        found |= (np.hypot(*gap.T) < 3 * POSITION_ERROR) & (np.abs(orders) <= highest).all(axis=1)
    return found


def peak_weights(peaks: Peaks) -> Float64:
    """Weight ``(n,)`` of each peak; it grows slowly with its evidence and with its amplitude."""
    if not len(peaks.evidence):
        return np.zeros(0)
    evidence = np.log1p(np.maximum(peaks.evidence + 2.0, 0.0) / 4.0)
    return np.asarray(evidence * (peaks.power / peaks.power.max()) ** 0.25)


def _pool(bins: Float64, weights: Float64) -> Float64:
    """Strong peaks, their sums and differences ``(n, 2)`` in bins: possible basis vectors, without near duplicates."""
    seeds = bins[np.argsort(-weights)[:SEEDS]]
    i, j = np.triu_indices(len(seeds), 1)
    pool = np.concatenate([seeds, seeds[i] - seeds[j], seeds[i] + seeds[j]])
    pool *= np.where((pool[:, 1] < -1e-9) | ((np.abs(pool[:, 1]) <= 1e-9) & (pool[:, 0] < 0)), -1.0, 1.0)[:, None]
    pool = pool[np.hypot(*pool.T) >= LEAST_PERIODS]
    kept: list[Float64] = []
    for vector in pool:
        if all(np.abs(vector - other).max() > 0.4 for other in kept):
            kept.append(vector)
    return np.array(kept[:110]).reshape(-1, 2)


def _dark_cost(explained: NDArray[np.bool_], predicted: Float64) -> Float64:
    """Cost in nats of the list that says which of the predicted points carry a peak."""
    present = explained.sum(axis=-1)
    predicted = np.maximum(predicted, present)
    share = np.clip(present / np.maximum(predicted, 1), 1e-9, 1 - 1e-9)
    return np.asarray(DARK_COST * predicted * -(share * np.log2(share) + (1 - share) * np.log2(1 - share)))


def _gains(
    bases: Float64, bins: Float64, weights: Float64, error: float, line: bool
) -> tuple[Float64, NDArray[np.bool_], Float64]:
    """Gain ``(m,)``, explained peaks ``(m, n)`` and orders ``(m, n, k)`` of many bases at once.

    ``bases (m, k, 2)`` and ``bins (n, 2)`` are in bins, `error` is the standard error of a position in bins; `line` is
    for signals.
    """
    radius = float(np.hypot(*bins.T).max()) + 1.0
    inverse = np.linalg.pinv(bases)
    orders = np.round(bins @ inverse)
    gap = bins - orders @ bases
    miss = (gap**2).sum(axis=-1) / (2 * error**2)
    lit = np.abs(orders).sum(axis=-1) > 0
    rank = bases.shape[1]
    spot = np.sqrt(2 * np.pi) * error if line else 2 * np.pi * error**2
    places = radius / spot if line else 0.5 * np.pi * radius**2 / spot
    if rank == 1:
        points = radius / np.hypot(bases[:, 0, 0], bases[:, 0, 1])
        sparse = np.log(places / points)
    else:
        area = np.abs(np.linalg.det(bases))
        sparse = np.log(area / spot)
        points = 0.5 * np.pi * np.where(lit & (miss < sparse[:, None]), np.hypot(*bins.T), 0.0).max(axis=1) ** 2 / area
    credit = np.maximum(sparse[:, None] - miss, 0.0) * lit
    explained = credit > 0
    gain = (credit * weights).sum(axis=1) - _dark_cost(explained, points) - rank * np.log(places)
    return np.asarray(gain), np.asarray(explained), np.asarray(orders)


def _refine(basis: Float64, bins: Float64, weights: Float64, explained: NDArray[np.bool_], orders: Float64) -> Float64:
    """Least-squares basis ``(k, 2)`` through the explained peaks; unchanged if they do not determine one."""
    n, root = orders[explained], np.sqrt(weights[explained])[:, None]
    if np.linalg.matrix_rank(n) < basis.shape[0]:
        return basis
    return np.asarray(np.linalg.lstsq(n * root, bins[explained] * root, rcond=None)[0])


def index_peaks(peaks: Peaks, *, least_periods: float = LEAST_PERIODS) -> Indexing:
    """Find the reciprocal lattice that best explains the peaks.

    Single waves among the peaks of a lattice, such as electrical pick-up, do not affect its basis.

    Parameters
    ----------
    peaks
        Peaks from `find_peaks`.
    least_periods
        Least number of periods of the largest cell in the tile.

    Returns
    -------
    Indexing
        Its basis is reduced.
    """
    mine = partnered(peaks)
    if mine.any() and not mine.all():
        best = _best_basis(peaks.select(mine), least_periods)
        if len(best.reciprocal) == 2 and best.gain > ENOUGH:
            basis, weights = best.reciprocal * np.array(peaks.tile), peak_weights(peaks)
            gain, explained, orders = _gains(basis[None], peaks.bins, weights, POSITION_ERROR, False)
            every = Indexing(best.reciprocal, float(gain[0]), orders[0].astype(np.intp), explained[0])
            return _enlarged(every, peaks, weights, least_periods)
    best = _best_basis(peaks, least_periods)
    return _enlarged(best, peaks, peak_weights(peaks), least_periods) if len(best.reciprocal) == 2 else best


def _best_basis(peaks: Peaks, least_periods: float) -> Indexing:
    """Indexing with the largest gain, on one or two basis vectors."""
    tile = np.array(peaks.tile, dtype=float)
    bins, weights, line = peaks.bins, peak_weights(peaks), peaks.tile[0] == 1
    best = Indexing(np.zeros((0, 2)), 0.0, np.zeros((len(bins), 0), dtype=np.intp), np.zeros(len(bins), dtype=bool))
    if not len(bins):
        return best
    pool = _pool(bins, weights)
    if not len(pool):
        return best
    families = [pool[:, None, :]]
    if not line:
        i, j = np.triu_indices(len(pool), 1)
        pairs = np.stack([pool[i], pool[j]], axis=1)
        area = np.abs(np.linalg.det(pairs))
        longest = np.hypot(pairs[..., 0], pairs[..., 1]).max(axis=1)
        families.append(pairs[(area > 0.8 * least_periods**2) & (area > 0.25 * longest * least_periods)])
    for bases in families:
        gain, _, _ = _gains(bases, bins, weights, 2 * POSITION_ERROR, line)
        for m in np.argsort(-gain)[:60]:
            basis = bases[m]
            for error in (2.0, 1.5, 1.0):
                _, explained, orders = _gains(basis[None], bins, weights, error * POSITION_ERROR, line)
                basis = _refine(basis, bins, weights, explained[0], orders[0])
            basis = reduce_basis(basis) if len(basis) == 2 else basis
            value, explained, orders = _gains(basis[None], bins, weights, POSITION_ERROR, line)
            if value[0] > best.gain and _is_possible(basis, orders[0][explained[0]], tile, least_periods):
                best = Indexing(basis / tile, float(value[0]), orders[0].astype(np.intp), explained[0])
    return best


def _enlarged(best: Indexing, peaks: Peaks, weights: Float64, least_periods: float) -> Indexing:
    """Replace the cell by a larger one when faint but significant peaks lie between its orders.

    A weak superlattice makes few and faint peaks, which count little in the gain; here they count by their evidence
    alone.
    """
    tile, bins = np.array(peaks.tile, dtype=float), peaks.bins
    evident = np.log1p(np.maximum(peaks.evidence + 2.0, 0.0) / 4.0)
    for _ in range(3):
        larger = None
        between = ~best.explained & ~aliased(peaks, best)
        for form in [*sublattices(2), *sublattices(3)]:
            basis = np.linalg.inv(form.T) @ (best.reciprocal * tile)
            _, explained, orders = _gains(basis[None], bins, weights, POSITION_ERROR, False)
            basis = _refine(basis, bins, weights, explained[0], orders[0])
            _, explained, orders = _gains(basis[None], bins, weights, POSITION_ERROR, False)
            basis = reduce_basis(_refine(basis, bins, weights, explained[0], orders[0]))
            if not _is_possible(basis, orders[0][explained[0]], tile, least_periods):
                continue
            value, explained, orders = _gains(basis[None], bins, weights, POSITION_ERROR, False)
            new = explained[0] & between
            spot = 2 * np.pi * POSITION_ERROR**2
            odds = evident[new].sum() * np.log(abs(np.linalg.det(basis)) / spot)
            kept = weights[explained[0] & best.explained].sum() > 0.97 * weights[best.explained].sum()
            most = kept and evident[new].sum() > 0.5 * evident[between].sum()
            if odds > ENLARGE and most and off_one_line(bins[new]) and (larger is None or odds > larger[0]):
                gain = max(best.gain, float(value[0]))
                larger = odds, Indexing(basis / tile, gain, orders[0].astype(np.intp), explained[0])
        if larger is None:
            break
        best = larger[1]
    return best


def _is_possible(basis: Float64, orders: Float64, tile: Float64, least_periods: float) -> bool:
    """Tell whether the peaks determine a reduced basis (in bins), with periods neither too long nor too short."""
    if np.hypot(*basis.T).min() < least_periods or np.linalg.matrix_rank(orders) < len(basis):
        return False
    if len(basis) == 2 and abs(np.linalg.det(basis)) < 0.8 * least_periods**2:
        return False
    return bool(np.hypot(*np.linalg.pinv(basis / tile)).min() >= LEAST_PERIOD_PX)
