"""Local amplitude and phase of lattice waves across a frame, as in geometric phase analysis.

A wave of exactly the frequency q has the same phase in every tile; where the lattice is strained or drifts, its phase
advances from tile to tile by 2 pi (q_local - q) . step. The mean advance refines q, its spread is the variation of the
period. Source: Hytch, Snoeck, Kilaas, Ultramicroscopy 74 (1998) 131.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64

from .spectrum import hann, tile_starts

__all__ = ["local_waves", "phase_tile", "refine_reciprocal"]

Complexes = NDArray[np.complex128]


def local_waves(
    channel: NDArray[Any], frequency: Float64, tile: tuple[int, int], *, most: int | None = None
) -> tuple[Complexes, Float64, Float64]:
    """Demodulate a channel by plane waves, in Hann-windowed tiles that overlap by half.

    Parameters
    ----------
    channel
        ``(height, width)``, float, mean removed.
    frequency
        float64 ``(n, 2)``, (y, x) in cycles per px.
    tile
        Tile size ``(ty, tx)`` in px.
    most
        Largest number of tiles along each axis, spread over the frame; None for an overlap of half.

    Returns
    -------
    amplitudes, centre_y, centre_x
        complex ``(n, rows, cols)`` in the channel's unit (half the crest height of a wave), its phase referred to
        pixel (0, 0); tile centres in px, float64 ``(rows,)`` and ``(cols,)``.
    """
    height, width = channel.shape
    ty, tx = min(tile[0], height), min(tile[1], width)
    ys, xs = tile_starts(height, ty, most), tile_starts(width, tx, most)
    across = np.exp(-2j * np.pi * np.outer(np.arange(tx), frequency[:, 1])) * (hann(tx) / hann(tx).sum())[:, None]
    down = np.exp(-2j * np.pi * np.outer(np.arange(ty), frequency[:, 0])) * (hann(ty) / hann(ty).sum())[:, None]
    parts = np.concatenate([across.real, across.imag], axis=1)
    out = np.empty((len(ys), len(xs), len(frequency)), dtype=np.complex128)
    for row, y in enumerate(ys):
        pieces = np.lib.stride_tricks.sliding_window_view(channel[y : y + ty], tx, axis=1)[:, xs]
        part = pieces @ parts
        n = len(frequency)
        out[row] = np.einsum("ycn,yn->cn", part[..., :n] + 1j * part[..., n:], down)
    to_origin = ys[:, None, None] * frequency[:, 0] + xs[:, None] * frequency[:, 1]
    out *= np.exp(-2j * np.pi * to_origin)
    return np.moveaxis(out, -1, 0), ys + (ty - 1) / 2, xs + (tx - 1) / 2


def phase_tile(reciprocal: Float64, shape: tuple[int, ...]) -> tuple[int, int]:
    """Size ``(ty, tx)`` px of tiles of about six periods, small enough for at least two in a frame of `shape`."""
    size = max(6.0 * float(np.hypot(*np.linalg.pinv(reciprocal)).max()), 24.0)
    return int(min(size, max(0.6 * shape[-2], 1))), int(min(size, 0.6 * shape[-1]))


def _turn(waves: Complexes, axis: int, lag: int) -> tuple[Complexes, Float64]:
    """Mean of conj(wave) * (wave `lag` tiles further) for each frequency, and the mean power: an upper bound."""
    n = waves.shape[axis]
    first, second = np.take(waves, range(n - lag), axis), np.take(waves, range(lag, n), axis)
    return (first.conj() * second).mean(axis=(1, 2)), 0.5 * (np.abs(first) ** 2 + np.abs(second) ** 2).mean(axis=(1, 2))


def refine_reciprocal(
    channels: list[NDArray[Any]], reciprocal: Float64, orders: NDArray[np.intp], tile: tuple[int, int]
) -> Float64:
    """Refine a reciprocal basis so that the phases of its waves are on average constant across the frame.

    Parameters
    ----------
    channels
        Channels ``(height, width)`` that share the lattice, float, mean removed, equally scaled.
    reciprocal
        float64 ``(k, 2)``, (y, x) in cycles per px, accurate to better than half a bin of the tile.
    orders
        int ``(n, k)``: the waves to use; several harmonics make the result more precise.
    tile
        Tile size ``(ty, tx)`` in px.

    Returns
    -------
    ndarray
        float64 ``(k, 2)``: the mean reciprocal basis over the frame, weighted by wave power.
    """
    basis = np.array(reciprocal, dtype=float)
    for _ in range(2):
        stacks = [local_waves(channel, orders @ basis, tile) for channel in channels]
        for axis in (1, 2):
            centres = stacks[0][axis]
            lag = 1
            slope, found = np.zeros(len(orders)), np.zeros(len(basis))
            while lag < len(centres):
                distance = float(np.mean(centres[lag:] - centres[:-lag]))
                turns = [_turn(waves, axis, lag) for waves, _, _ in stacks]
                turn, power = sum(t for t, _ in turns), sum(p for _, p in turns)
                if (np.abs(turn).sum() < 0.5 * np.sum(power)) and lag > 1:
                    break
                expected = 2 * np.pi * slope * distance
                angle = expected + np.angle(turn * np.exp(-1j * expected))
                weight = np.sqrt(np.abs(turn))[:, None]
                found = np.linalg.lstsq(
                    orders * weight, (angle / (2 * np.pi * distance))[:, None] * weight, rcond=None
                )[0][:, 0]
                slope = orders @ found
                lag *= 2
            if len(centres) > 1:
                basis[:, axis - 1] += found
    return basis
