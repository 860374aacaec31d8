"""Order parameters vary slowly on the scale of the lattice."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .protocol import Pairs

__all__ = ["SmoothLatents"]


@dataclass(frozen=True)
class SmoothLatents:
    """Content varies slowly on the scale of the lattice.

    Violation: squared difference of the content means between windows less than a window apart, in units of the prior.
    The paper's condition (Ziatdinov, Wong, Kalinin 2023), here differentiable and on true neighbours. It also blurs
    sharp walls; for those, `TotalVariation`.
    """

    weight: float = 50.0

    def __call__(self, pairs: Pairs) -> Tensor:
        """Mean squared difference, in units of the prior."""
        return (pairs.here.mean - pairs.there.mean).square().sum(-1).mean()
