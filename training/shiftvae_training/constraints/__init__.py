"""Physical constraints on the latents of neighbouring windows: pairs of posteriors in, a violation out.

Each constraint is a weighted term of the objective. It receives the posteriors of pairs of windows of one tile, the
exact displacement between them and the positions of the windows. To add one, write an object with a ``weight`` and a
``__call__``: see docs/how-to/constraints.md.
"""

from .decorrelation import Decorrelation
from .known_displacement import KnownDisplacement
from .known_field import KnownField
from .named import CONSTRAINTS, parse_constraint
from .protocol import Constraint, Pairs, Windows
from .smooth_latents import SmoothLatents
from .total_variation import TotalVariation

__all__ = [
    "CONSTRAINTS",
    "Constraint",
    "Decorrelation",
    "KnownDisplacement",
    "KnownField",
    "Pairs",
    "SmoothLatents",
    "TotalVariation",
    "Windows",
    "parse_constraint",
]
