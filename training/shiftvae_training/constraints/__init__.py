"""Physical conditions on the latents of neighbouring windows.

Each is a term that is added to the objective. It sees the posteriors of pairs of windows that lie in one tile, the
displacement between them, which is exact, and where the windows lie. One of your own is an object with a ``weight`` and
a ``__call__``: see docs/how-to/constraints.md.
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
