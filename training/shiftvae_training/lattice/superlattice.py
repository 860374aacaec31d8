"""Local power of lattice waves: superlattices in domains or too weak for a window, grains, coverage.

The spectrum of a whole frame does not distinguish a cell that is doubled everywhere from one that is doubled in some
domains only (ordered perovskites, adsorbate islands), nor from two grains with a common row of spots. The local power
of the waves does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64

from .algebra import sublattices
from .local_phase import local_waves

__all__ = ["LocalPower", "clearest_part", "local_power", "superlattice_vectors", "unanchored_part"]


#: Width of a tile in periods: under its Hann window it resolves what a window of two or three periods can.
TILE_PERIODS = 4.0
#: Smallest tile, px: windows are seldom smaller than 20 px, and a Hann window is half as wide as its tile.
LEAST_TILE = 40
#: Largest number of tiles along each axis.
MOST_TILES = 12
#: A superlattice is patchy when its share of the power in the poorest twentieth of the frame falls below this part of
#: its mean. Columns whose brightness varies between a quarter and three quarters of their neighbours' stay at 0.3 of
#: the mean, a domain without the superlattice is at 0.04.
PATCHY, POOREST = 0.12, 0.05
#: Tiles where the parent lattice has less than this share of its power in the best tiles do not count: at an edge the
#: satellites fade first.
PARENT = 0.6
#: Least number of tiles from which a superlattice is called patchy or weak.
LEAST_TILES = 6
#: A superlattice fixes the phase of a window when it stands this far above the noise in four fifths of the frame.
VISIBLE = 8.0
#: A wave is present in a tile that has this share of its power in the best tiles (contrast may vary fourfold).
PRESENT = 0.06
#: The waves of a lattice carry at least this share of the power of all waves, if a superlattice is to be left out.
MOSTLY = 0.6
#: A superlattice vector gets an order latent if its waves have this share of the power of all satellites; largest
#: number of them; denominator of their fractions.
FAINTEST, MOST_VECTORS, FRACTION = 0.05, 3, 12


@dataclass(frozen=True)
class LocalPower:
    """Power of lattice waves, tile by tile.

    Parameters
    ----------
    power
        float64 ``(n, tiles)``, in the square of the frame's unit, including noise.
    noise
        float64 ``(n,)``: mean noise power, from frequencies halfway between the points of the reciprocal lattice.
    """

    power: Float64
    noise: Float64

    def coverage(self) -> Float64:
        """Share of the frame, 0..1, in which each wave is present, float64 ``(n,)``.

        The larger of two estimates: tiles above a threshold (right when the contrast varies) and the participation
        ratio of the noise-free power, mean(s)^2 / mean(s^2) (right when a wave is weaker than the noise of a tile).
        """
        noise = self.noise[:, None]
        best = np.quantile(self.power, 0.9, axis=1, keepdims=True)
        above = (self.power > np.maximum(4.0 * noise, PRESENT * best)).mean(axis=1)
        mean = np.maximum(self.power - noise, 0.0).mean(axis=1)
        square = (self.power**2 - 4.0 * np.maximum(self.power - noise, 0.0) * noise - 2.0 * noise**2).mean(axis=1)
        spread = mean**2 / np.maximum(square, mean**2 + 1e-300)
        return np.asarray(np.maximum(above, spread))


def local_power(channels: list[Float64], reciprocal: Float64, orders: NDArray[np.intp]) -> LocalPower:
    """Measure the power of lattice waves in tiles of a few periods.

    Parameters
    ----------
    channels
        Channels ``(height, width)``, float, mean removed, equally scaled.
    reciprocal
        float64 ``(k, 2)``, (y, x) in cycles per px.
    orders
        int ``(n, k)``: the waves, as indices on `reciprocal`.

    Returns
    -------
    LocalPower
        Power averaged over the channels.
    """
    periods = np.linalg.pinv(reciprocal).T
    size = int(np.ceil(max(TILE_PERIODS * np.hypot(*periods.T).max(), LEAST_TILE)))
    between = np.array(np.meshgrid(*[[-0.5, 0.5]] * len(reciprocal))).reshape(len(reciprocal), -1).T
    frequency = np.concatenate([orders @ reciprocal, *((orders + offset) @ reciprocal for offset in between)])
    tile = (min(size, channels[0].shape[0]), min(size, channels[0].shape[1]))
    waves = [np.abs(local_waves(channel, frequency, tile, most=MOST_TILES)[0]) ** 2 for channel in channels]
    squares = np.asarray(sum(waves) / len(channels))
    squares = squares.reshape(1 + len(between), len(orders), -1)
    return LocalPower(squares[0], np.median(squares[1:], axis=(0, 2)) / np.log(2.0))


def unanchored_part(local: LocalPower, orders: NDArray[np.intp]) -> tuple[NDArray[np.intp], str] | None:
    """Find a superlattice whose waves do not appear in all windows.

    Parameters
    ----------
    local
        Local power of the waves.
    orders
        int ``(n, 2)``: their orders.

    Returns
    -------
    (sublattice, reason) or None
        int ``(2, 2)``: rows span the orders of the waves that do appear in windows; and "patchy" or "weak". None when
        all waves appear.
    """
    mean = local.power.mean(axis=1)
    for index in (2, 3):
        for form in sublattices(index):
            parent = _on(orders, form)
            if parent.all() or np.linalg.matrix_rank(orders[parent]) < 2 or mean[parent].sum() < MOSTLY * mean.sum():
                continue
            rest, shown = local.power[~parent].sum(axis=0), local.power[parent].sum(axis=0)
            here = shown > PARENT * np.quantile(shown, 0.9)  # vacuum has no information on the superlattice
            if here.sum() < LEAST_TILES:
                continue
            share = rest / (rest + shown)
            if np.quantile(share[here], POOREST) < PATCHY * share[here].mean():
                return form, "patchy"
            if np.quantile(rest[here], 0.2) < VISIBLE * local.noise[~parent].sum():
                return form, "weak"
    return None


def clearest_part(local: LocalPower, orders: NDArray[np.intp]) -> NDArray[np.intp] | None:
    """Find the sublattice of waves that leaves out least of the power: int ``(2, 2)``, or None if all leave out much.

    Parameters
    ----------
    local, orders
        As for `unanchored_part`.
    """
    mean = local.power.mean(axis=1)
    found: list[tuple[float, NDArray[np.intp]]] = []
    for form in [*sublattices(2), *sublattices(3)]:
        parent = _on(orders, form)
        share = float(mean[parent].sum() / mean.sum())
        if not parent.all() and np.linalg.matrix_rank(orders[parent]) == 2 and share >= MOSTLY:
            found.append((share, form))
    return max(found, key=lambda each: each[0])[1] if found else None


def superlattice_vectors(waves: Float64, power: Float64) -> Float64:
    """Superlattice vectors of satellites, strongest first.

    Parameters
    ----------
    waves
        float64 ``(n, 2)``: the satellites, in reciprocal vectors of the lattice.
    power
        float64 ``(n,)``: their mean power, without noise.

    Returns
    -------
    ndarray
        float64 ``(m, 2)`` in reciprocal vectors, each in -1/2 .. 1/2: vectors that differ by a reciprocal vector, or in
        sign, are one.
    """
    total: dict[tuple[int, int], float] = {}
    for wave, strength in zip(np.rint(waves * FRACTION).astype(int), power, strict=True):
        y, x = (int(v) for v in wave % FRACTION)
        key = min((y, x), (-y % FRACTION, -x % FRACTION))
        total[key] = total.get(key, 0.0) + max(float(strength), 0.0)
    ranked = sorted(total.items(), key=lambda each: -each[1])
    kept = [key for key, strength in ranked if strength >= FAINTEST * sum(total.values())][:MOST_VECTORS]
    fractions = np.reshape(kept, (-1, 2)) / FRACTION
    return np.where(fractions > 0.5, fractions - 1.0, fractions)


def _on(orders: NDArray[np.intp], form: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Mask of the orders that lie on the sublattice of a form."""
    part = (orders @ np.linalg.inv(form)) % 1.0
    return np.asarray((np.minimum(part, 1.0 - part) < 1e-6).all(axis=1))
