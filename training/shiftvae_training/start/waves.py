"""Waves of a lattice that an encoder measures: the strongest to tell the phases, and those that carry the content."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64

from ..guess.class_guess import ClassGuess
from ..guess.first_guess import FirstGuess, Guess
from ..guess.motif_frame import phase_harmonics
from ..lattice.find import Lattice
from ..model.encoder_weights import Turn

__all__ = ["Waves", "waves_of"]

#: Numbers of waves that can be measured: the smaller one where these waves carry this share of all weight.
FEW, MANY, ENOUGH = 8, 16, 0.8
#: Least variance of a pixel's noise, as a share of a window's variance.
LEAST_NOISE = 0.05


@dataclass(frozen=True)
class Waves:
    """Waves of a lattice, and which of them are measured.

    Attributes
    ----------
    vectors, channel
        ``(n, 2)`` cycles per px as (y, x), and ``(n,)`` the channel of each.
    power
        ``(n,)`` mean squared modulus of its coefficient, in units of a window's variance.
    weight
        ``(n,)``: how much it tells about shift, order and content, each of which counts the same.
    noise
        Variance of a pixel's noise in units of a window's variance.
    measured
        Indices of the waves that are measured, first those that tell the phases of the lattice.
    turn
        Orders of the measured waves, in those that tell the phases.
    """

    vectors: Float64
    channel: NDArray[np.int64]
    power: Float64
    weight: Float64
    noise: float
    measured: tuple[int, ...]
    turn: Turn


def waves_of(guess: Guess, lattice: Lattice) -> Waves | None:
    """Waves of the first guess, of several classes their means; None for isolated features and several grains."""
    every = guess.parts if isinstance(guess, ClassGuess) else [guess]
    parts = [part for part in every if isinstance(part, FirstGuess)]
    if not parts:
        return None
    first = parts[0]
    mean = np.mean([np.abs(part.mean) ** 2 for part in parts], axis=0)  # (C, n)
    content = np.mean([np.abs(part.components) ** 2 for part in parts], axis=0)  # (m, C, n)
    told = mean * (first.harmonics**2).sum(axis=1)
    weight = told / told.sum() + (content / np.maximum(content.sum(axis=(1, 2), keepdims=True), 1e-12)).sum(axis=0)
    sets = [(first.harmonics, _orders(first.harmonics, lattice), mean + content.sum(axis=0), weight)]
    if first.order is not None:
        for q, satellites, pattern in zip(
            first.order.vectors, first.order.harmonics, first.order.patterns, strict=True
        ):
            power = np.abs(pattern) ** 2
            sets.append((satellites, _orders(satellites - q, lattice), power, power / power.sum()))
    channels = range(len(mean))
    vectors, orders = (np.concatenate([part[i] for part in sets for _ in channels]) for i in (0, 1))
    power, weight = (np.concatenate([part[i][c] for part in sets for c in channels]) for i in (2, 3))
    channel = np.concatenate([np.full(len(part[0]), c) for part in sets for c in channels])
    bases = phase_harmonics(sets[0][1], mean.sum(axis=0))
    bases = [index + len(first.harmonics) * int(mean[:, index].argmax()) for index in bases]
    others = [int(index) for index in np.argsort(-weight, kind="stable") if index not in bases]
    ranked = [*bases, *others]
    measured = tuple(ranked[: FEW if weight[ranked[:FEW]].sum() >= ENOUGH * weight.sum() else MANY])
    in_bases = np.rint(np.linalg.inv(orders[bases])).astype(np.int64)
    noise = max(LEAST_NOISE, 1 - 2 * float(mean.sum() + content.sum()) / len(mean))
    turn = Turn(orders[list(measured)] @ in_bases, in_bases)
    return Waves(vectors, channel, power, weight, noise, measured, turn)


def _orders(vectors: Float64, lattice: Lattice) -> NDArray[np.int64]:
    """Orders ``(n, k)`` of reciprocal ``vectors (n, 2)`` of the lattice."""
    return np.rint(vectors @ np.linalg.pinv(lattice.reciprocal)).astype(np.int64)
