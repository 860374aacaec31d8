"""Protocol of a constraint, and the windows that it receives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from ..model.pose import Posterior
from ..model.shift import Shift

__all__ = ["Constraint", "Pairs", "Windows"]


@dataclass(frozen=True)
class Windows:
    """Positions and brightness of the windows of a batch: N tiles of w windows each.

    Attributes
    ----------
    frame
        ``(N, w)`` int64: index of the training frame.
    centre
        ``(N, w, 2)`` px (y, x): centre of the window in that frame.
    mean
        ``(N, w)`` local mean intensity, averaged over channels, in units of a window's standard deviation.
    """

    frame: Tensor
    centre: Tensor
    mean: Tensor

    @classmethod
    def none(cls) -> Windows:
        """Empty set of windows."""
        return cls(torch.zeros(0, 0, dtype=torch.int64), torch.zeros(0, 0, 2), torch.zeros(0, 0))


@dataclass(frozen=True)
class Pairs:
    """Pairs of windows of the same tile.

    Attributes
    ----------
    here, there
        Posteriors of windows and of their partners, each ``(N, w, ...)``: ``mean`` and ``log_sd`` of the content
        ``(N, w, m)``, and the shift's raw code.
    displacement
        ``(N, w, 2)`` px (y, x) from `here` to `there`, exact.
    shift
        Shift latent, which interprets the raw codes.
    windows
        Positions and brightness of the windows `here`.
    """

    here: Posterior
    there: Posterior
    displacement: Tensor
    shift: Shift
    windows: Windows = field(default_factory=Windows.none)


class Constraint(Protocol):
    """A term of the objective."""

    @property
    def weight(self) -> float:
        """Nats for a violation of 1."""

    def __call__(self, pairs: Pairs) -> Tensor:
        """Mean violation over the pairs, without the weight: a differentiable scalar."""
