"""Constraint: the content is uncorrelated with brightness and scan position."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .protocol import Pairs

__all__ = ["Decorrelation", "correlation"]


@dataclass(frozen=True)
class Decorrelation:
    """Content latents are uncorrelated with the local mean intensity and the scan row.

    Violation: squared Pearson correlation over the batch, summed over content latents and nuisances (0..1 each). It
    removes linear dependence, including that of real physics which varies along the scan or changes the brightness.
    """

    weight: float = 50.0

    def __call__(self, pairs: Pairs) -> Tensor:
        """Sum of squared correlations."""
        content = pairs.here.mean.flatten(0, 1)
        nuisances = torch.stack([pairs.windows.mean.flatten(), pairs.windows.centre[..., 0].flatten()], dim=-1)
        return correlation(content, nuisances).square().sum()


def correlation(one: Tensor, other: Tensor) -> Tensor:
    """Pearson's r ``(m, k)`` between columns of ``one (n, m)`` and ``other (n, k)``; 0 for a constant column."""
    one, other = one - one.mean(0), other - other.mean(0)
    one = one / (one.square().sum(0).sqrt() + 1e-6)
    other = other / (other.square().sum(0).sqrt() + 1e-6)
    return one.T @ other
