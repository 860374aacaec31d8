"""Constraint: the content is flat within domains, which have sharp walls."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .protocol import Pairs

__all__ = ["TotalVariation"]

#: Differences below this, in units of the prior, cost their square, because the absolute value has no gradient at 0.
ROUND = 0.05


@dataclass(frozen=True)
class TotalVariation:
    """Content is flat within domains and may jump between them.

    Violation: norm of the difference of the content means between windows less than a window apart, in units of the
    prior. A wall costs its height whatever its width, whereas `SmoothLatents` favours wide walls; use it with
    ``smooth=0``. Source: Rudin, Osher, Fatemi, Physica D 60 (1992) 259.
    """

    weight: float = 20.0

    def __call__(self, pairs: Pairs) -> Tensor:
        """Mean norm of the difference, smoothed near 0."""
        square = (pairs.here.mean - pairs.there.mean).square().sum(-1)
        return ((square + ROUND**2).sqrt() - ROUND).mean()
