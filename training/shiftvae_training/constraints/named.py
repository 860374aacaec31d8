"""Constraints by the name that a user types."""

from __future__ import annotations

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


def parse_constraint(text: str) -> dict[str, float]:
    """Read ``name=weight``, or ``name`` alone, which has the constraint's own weight.

    Raises
    ------
    ValueError
        for another name, or a weight that is no number.
    """
    name, _, weight = text.partition("=")
    if not weight and name in CONSTRAINTS:
        return {name: CONSTRAINTS[name]().weight}
    return {name: float(weight)}
