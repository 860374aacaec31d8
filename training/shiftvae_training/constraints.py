"""Physical conditions on the latents of neighbouring windows.

Each is a term that is added to the objective. It sees the posteriors of pairs of windows that lie in one tile, and the
displacement between them, which is exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from .shift import Shift
from .shift_vae import Posterior

__all__ = ["CONSTRAINTS", "Constraint", "KnownDisplacement", "Pairs", "SmoothLatents", "parse_constraint"]


@dataclass(frozen=True)
class Pairs:
    """Posteriors of windows and of their partners, and the displacement ``(..., 2)`` px from the one to the other."""

    here: Posterior
    there: Posterior
    displacement: Tensor
    shift: Shift


class Constraint(Protocol):
    """A term of the objective."""

    @property
    def weight(self) -> float:
        """Nats for a violation of 1."""

    def __call__(self, pairs: Pairs) -> Tensor:
        """Mean violation over the pairs, not yet weighted; a scalar."""


@dataclass(frozen=True)
class KnownDisplacement:
    """Two windows cut `d` apart differ by exactly `d` in shift, modulo the lattice.

    Squared chord between the phases after turning by -2 pi g_k . d; on the plane, squared difference in units of the
    prior.
    """

    weight: float = 100.0

    def __call__(self, pairs: Pairs) -> Tensor:
        """Mean violation."""
        return pairs.shift.mismatch(pairs.here.code, pairs.there.code, pairs.displacement).mean()


@dataclass(frozen=True)
class SmoothLatents:
    """Content varies slowly on the scale of the lattice: squared difference between windows less than a window apart.

    The paper's condition (Ziatdinov, Wong, Kalinin 2023), here differentiable and on true neighbours.
    """

    weight: float = 50.0

    def __call__(self, pairs: Pairs) -> Tensor:
        """Mean squared difference, in units of the prior."""
        return (pairs.here.mean - pairs.there.mean).square().sum(-1).mean()


#: Constraints by the name that a user types.
CONSTRAINTS: dict[str, type[KnownDisplacement] | type[SmoothLatents]] = {
    "displacement": KnownDisplacement,
    "smooth": SmoothLatents,
}


def parse_constraint(text: str) -> tuple[str, float]:
    """Read ``name=weight`` or ``name``; ValueError says what is wrong."""
    name, _, weight = text.partition("=")
    if name not in CONSTRAINTS:
        raise ValueError(f"unknown constraint {name!r}: choose from {', '.join(CONSTRAINTS)}")
    try:
        value = float(weight) if weight else CONSTRAINTS[name]().weight
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"the weight of {name!r} must be a number of at least 0, got {weight!r}")
    return name, value
