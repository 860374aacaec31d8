"""Variation of the period across frames, from strain, drift or scan distortion, by geometric phase analysis.

Source: Hytch, Snoeck, Kilaas, Ultramicroscopy 74 (1998) 131.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64
from shiftvae_rt.errors import LatticeError

from .find import Lattice
from .local_phase import local_waves
from .peaks import prepare_frames

__all__ = ["LocalPeriod", "local_period"]


#: Waves that measure the local period: low orders, because high ones lose their phase where the period differs most.
ORDERS = {1: np.array([[1], [2]]), 2: np.array([[1, 0], [0, 1], [1, 1], [1, -1]])}
#: Width of a tile in periods; tiles overlap by half.
TILE_PERIODS = 6.0
#: Below this many periods in a tile the neighbouring waves leak into each other.
LEAST_PERIODS = 3.5
#: A position shows the lattice where its waves have this share of their power in the best positions.
PRESENT = 0.06


@dataclass(frozen=True)
class LocalPeriod:
    """Map of the period along each lattice vector.

    Parameters
    ----------
    deviation_percent
        float64 ``(k, rows, cols)``: local length of a_k relative to its given length, in per cent; NaN where there is
        no lattice.
    centre_y_px, centre_x_px
        Positions in px, float64 ``(rows,)`` and ``(cols,)``.
    variation_percent
        float64 ``(k,)``: width of the range that holds nine tenths of the deviations, corrected for noise.
    """

    deviation_percent: Float64
    centre_y_px: Float64
    centre_x_px: Float64
    variation_percent: Float64


def local_period(frames: Sequence[NDArray[Any]], lattice: Lattice) -> LocalPeriod:
    """Measure how the period of a lattice varies across frames.

    Parameters
    ----------
    frames
        Frames ``(channels, height, width)`` of one shape, any real dtype; they may drift against each other.
    lattice
        Their lattice, from `find_lattice`.

    Returns
    -------
    LocalPeriod
        Positions lie between tiles of six periods; there are none in a frame of less than six periods.

    Raises
    ------
    LatticeError
        if the lattice has no vectors.
    """
    rank = len(lattice.vectors)
    if rank == 0:
        raise LatticeError(f"expected a lattice with vectors to follow across the frame, got '{lattice.verdict}'")
    channels = [channel for frame in prepare_frames(frames) for channel in frame]
    reciprocal, orders = lattice.reciprocal, ORDERS[rank]
    size = int(np.ceil(max(TILE_PERIODS * lattice.period_px.max(), 24.0)))
    tile = tuple(min(size, max(1, int(0.6 * n))) for n in channels[0].shape)
    nowhere = LocalPeriod(np.zeros((rank, 0, 0)), np.zeros(0), np.zeros(0), np.zeros(rank))
    if min(n for n in tile if n > 1) < LEAST_PERIODS * lattice.period_px.max():
        return nowhere
    stacks = [local_waves(channel, orders @ reciprocal, (tile[0], tile[1])) for channel in channels]
    _, ys, xs = stacks[0]
    turns, slopes = [], []
    for axis, centres in ((1, ys), (2, xs)):
        if len(centres) < 2:
            continue
        turn = sum(_turns(waves, axis) for waves, _, _ in stacks)
        turns.append(np.asarray(turn))
        slopes.append(np.angle(turns[-1]) / (2 * np.pi * float(np.mean(np.diff(centres)))))
    if len(turns) < (1 if channels[0].shape[0] == 1 else 2):
        return nowhere
    along_y, along_x = slopes if len(slopes) == 2 else (np.zeros_like(slopes[0]), slopes[0])
    weight = np.abs(sum(np.abs(turn) for turn in turns))
    change = _fit(orders, weight, np.stack([along_y, along_x], axis=-1))
    vectors = np.swapaxes(np.linalg.pinv(reciprocal + change), -1, -2)
    deviation = 100 * (np.hypot(vectors[..., 0], vectors[..., 1]) / lattice.period_px - 1)
    total = weight.sum(axis=0)
    deviation[total < PRESENT * np.quantile(total, 0.9)] = np.nan
    deviation = np.moveaxis(deviation, -1, 0)
    return LocalPeriod(deviation, _between(ys), _between(xs), np.array([_range_without_noise(d) for d in deviation]))


def _between(centres: Float64) -> Float64:
    return (centres[1:] + centres[:-1]) / 2 if len(centres) > 1 else centres


def _turns(waves: NDArray[np.complex128], axis: int) -> NDArray[np.complex128]:
    """Phase advance from each tile to the next along an axis, averaged over the pair of neighbours across it."""
    n = waves.shape[axis]
    turn = np.take(waves, range(n - 1), axis).conj() * np.take(waves, range(1, n), axis)
    across = 3 - axis
    m = waves.shape[across]
    return turn if m == 1 else np.asarray(np.take(turn, range(m - 1), across) + np.take(turn, range(1, m), across))


def _fit(orders: NDArray[np.intp], weight: Float64, slopes: Float64) -> Float64:
    """Weighted least-squares change ``(rows, cols, k, 2)`` of a reciprocal basis from ``slopes (n, rows, cols, 2)``."""
    normal = np.einsum("hyx,hi,hj->yxij", weight, orders, orders)
    right = np.einsum("hyx,hi,hyxd->yxid", weight, orders, slopes)
    return np.asarray(
        np.linalg.solve(normal + 1e-12 * np.eye(orders.shape[1]) * np.trace(normal.mean(axis=(0, 1))), right)
    )


def _range_without_noise(deviation: Float64) -> float:
    """Width of the central nine tenths, reduced by the noise that second differences of neighbours show."""
    values = deviation[np.isfinite(deviation)]
    if values.size < 2:
        return 0.0
    jumps = [np.diff(deviation, n=2, axis=axis).ravel() for axis in (0, 1) if deviation.shape[axis] > 2]
    rough = np.concatenate(jumps) if jumps else np.zeros(1)
    rough = rough[np.isfinite(rough)]
    noise = float(np.mean(rough**2)) / 6.0 if rough.size else 0.0
    low, high = np.quantile(values, [0.05, 0.95])
    return float((high - low) * np.sqrt(max(1.0 - noise / max(values.var(), 1e-30), 0.0)))
