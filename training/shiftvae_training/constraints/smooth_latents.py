"""Constraint: order parameters vary slowly on the scale of the lattice."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .protocol import Pairs

__all__ = ["SmoothLatents"]


@dataclass(frozen=True)
class SmoothLatents:
    """Content varies slowly on the scale of the lattice.

    Violation: squared difference of the content means between windows less than a window apart, in units of the prior.
    It also blurs sharp domain walls; for those use `TotalVariation`. Source: the physics constraint of Ziatdinov, Wong,
    Kalinin, MLST 4 (2023) 045033, here differentiable and applied to real neighbours.
    """

    weight: float = 50.0

    def __call__(self, pairs: Pairs) -> Tensor:
        """Mean squared difference, in units of the prior."""
        return (pairs.here.mean - pairs.there.mean).square().sum(-1).mean()
