"""Constraint: a content latent agrees with a field measured by another method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from .decorrelation import correlation
from .protocol import Pairs

__all__ = ["KnownField"]


@dataclass(frozen=True)
class KnownField:
    """One content latent follows a given field: strain from another method, a simulation, a second detector.

    Violation: 1 - r^2 of the latent with the largest correlation over the batch (0..1). Scale and sign are free.

    Parameters
    ----------
    fields
        One field per training frame: ``(H, W)`` on the pixels of the frame, in any unit, NaN where unknown.
    weight
        Nats for a violation of 1.
    """

    fields: Sequence[NDArray[Any]]
    weight: float = 50.0

    def __call__(self, pairs: Pairs) -> Tensor:
        """Share of the field's variance that the best latent does not explain."""
        frame = pairs.windows.frame.flatten()
        place = pairs.windows.centre.flatten(0, 1).round().long()
        values = torch.zeros(len(frame))
        for index, field in enumerate(self.fields):
            members = frame == index
            y, x = place[members].T.numpy()
            values[members] = torch.from_numpy(field[y, x]).float()
        known = torch.isfinite(values)
        content = pairs.here.mean.flatten(0, 1)[known]
        return 1 - correlation(content, values[known, None]).square().max()
