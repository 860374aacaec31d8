"""Constraints by their names on the command line and in settings."""

from __future__ import annotations

from collections.abc import Callable

from .decorrelation import Decorrelation
from .known_displacement import KnownDisplacement
from .protocol import Constraint
from .smooth_latents import SmoothLatents
from .total_variation import TotalVariation

__all__ = ["CONSTRAINTS", "parse_constraint"]

#: Classes by name; each takes a weight, and has a default weight.
CONSTRAINTS: dict[str, Callable[..., Constraint]] = {
    "displacement": KnownDisplacement,
    "smooth": SmoothLatents,
    "total-variation": TotalVariation,
    "decorrelate": Decorrelation,
}


def parse_constraint(text: str) -> dict[str, float]:
    """Read ``name=weight``, or ``name`` alone for the default weight of that constraint.

    Raises
    ------
    ValueError
        for a name alone that is unknown, or a weight that is not a number.
    """
    name, _, weight = text.partition("=")
    if not weight and name in CONSTRAINTS:
        return {name: CONSTRAINTS[name]().weight}
    return {name: float(weight)}
