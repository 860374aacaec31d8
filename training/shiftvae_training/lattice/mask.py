"""Mask of the pixels of a frame that show a lattice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64

from .local_phase import local_waves

__all__ = ["lattice_mask"]


#: Width of a tile in periods, and least width in px: under its Hann window the edge of a lattice is blurred over one or
#: two periods.
TILE_PERIODS, LEAST_TILE = 3.0, 24
#: Largest number of tiles along each axis.
MOST_TILES = 24
#: Largest number of waves used, strongest first.
MOST_WAVES = 6
#: A pixel shows the lattice where the amplitude of the waves is this share of that in the best tenth of the frame: the
#: amplitude falls to a half at the edge of a lattice, and the contrast of one lattice may vary twofold.
PRESENT = 0.4


def lattice_mask(channels: list[Float64], reciprocal: Float64, orders: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Mark the pixels where the waves of a lattice are present.

    Parameters
    ----------
    channels
        Channels ``(height, width)`` of one shape, float, mean removed, equally scaled.
    reciprocal
        float64 ``(k, 2)``, (y, x) in cycles per px.
    orders
        int ``(n, k)``: the waves, strongest first.

    Returns
    -------
    ndarray
        bool ``(height, width)``: true where at least one of the channels shows the lattice.
    """
    height, width = channels[0].shape
    size = int(np.ceil(max(TILE_PERIODS * np.hypot(*np.linalg.pinv(reciprocal)).max(), LEAST_TILE)))
    tile = (min(size, height), min(size, width))
    stacks = [local_waves(channel, orders[:MOST_WAVES] @ reciprocal, tile, most=MOST_TILES) for channel in channels]
    power = np.max([(np.abs(waves) ** 2).sum(axis=0) for waves, _, _ in stacks], axis=0)
    amplitude = np.sqrt(power / max(np.quantile(power, 0.9), 1e-300))
    _, rows, cols = stacks[0]
    down, across = _between(np.arange(height), rows), _between(np.arange(width), cols)
    return np.asarray(down @ amplitude @ across.T > PRESENT)


def _between(places: NDArray[np.intp], knots: Float64) -> Float64:
    """Weights ``(places, knots)`` of linear interpolation, constant beyond the outermost knots."""
    return np.stack([np.interp(places, knots, unit) for unit in np.eye(len(knots))], axis=1)
