"""Flat domains with sharp walls."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .protocol import Pairs

__all__ = ["TotalVariation"]

#: Steps below this, in units of the prior, cost as their square: the absolute value has no gradient at 0.
ROUND = 0.05


@dataclass(frozen=True)
class TotalVariation:
    """Content is flat within domains and may jump between them.

    Violation: length of the difference of the content means between windows less than a window apart, in units of the
    prior. A wall costs its height however sharp it is, where `SmoothLatents` makes it cheaper the wider it is; use it
    with ``smooth=0``. Source: Rudin, Osher, Fatemi, Physica D 60 (1992) 259.
    """

    weight: float = 20.0

    def __call__(self, pairs: Pairs) -> Tensor:
        """Mean length of the difference."""
        square = (pairs.here.mean - pairs.there.mean).square().sum(-1)
        return ((square + ROUND**2).sqrt() - ROUND).mean()
