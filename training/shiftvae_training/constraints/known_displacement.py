"""Constraint: windows cut a known distance apart show the same motif displaced by that distance."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .protocol import Pairs

__all__ = ["KnownDisplacement"]


@dataclass(frozen=True)
class KnownDisplacement:
    """Two windows cut `d` apart differ by exactly `d` in shift, modulo the lattice.

    Violation: squared chord between the phases after turning by -2 pi g_k . d, summed over lattice vectors (0..4 each);
    on the plane, squared difference in units of the prior.
    """

    weight: float = 100.0

    def __call__(self, pairs: Pairs) -> Tensor:
        """Mean violation over the pairs."""
        return pairs.shift.mismatch(pairs.here.code, pairs.there.code, pairs.displacement).mean()
