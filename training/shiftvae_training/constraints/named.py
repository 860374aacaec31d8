"""Constraints by the name that a user types."""

from __future__ import annotations

import math
from collections.abc import Callable

from .decorrelation import Decorrelation
from .known_displacement import KnownDisplacement
from .protocol import Constraint
from .smooth_latents import SmoothLatents
from .total_variation import TotalVariation

__all__ = ["CONSTRAINTS", "parse_constraint"]

#: Each takes a weight, and has a default for it.
CONSTRAINTS: dict[str, Callable[..., Constraint]] = {
    "displacement": KnownDisplacement,
    "smooth": SmoothLatents,
    "total-variation": TotalVariation,
    "decorrelate": Decorrelation,
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
