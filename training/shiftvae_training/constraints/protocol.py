"""What a constraint sees, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from ..model.shift import Shift
from ..model.shift_vae import Posterior

__all__ = ["Constraint", "Pairs", "Windows"]


@dataclass(frozen=True)
class Windows:
    """Where the windows of a batch lie, and how bright they are: N tiles of w windows each.

    Attributes
    ----------
    frame
        ``(N, w)`` int64: which training frame.
    centre
        ``(N, w, 2)`` px (y, x) in that frame.
    mean
        ``(N, w)`` local mean intensity, over channels, in units of a window's standard deviation.
    """

    frame: Tensor
    centre: Tensor
    mean: Tensor

    @classmethod
    def none(cls) -> Windows:
        """No windows at all."""
        return cls(torch.zeros(0, 0, dtype=torch.int64), torch.zeros(0, 0, 2), torch.zeros(0, 0))


@dataclass(frozen=True)
class Pairs:
    """Windows and their partners in the same tile.

    Attributes
    ----------
    here, there
        Posteriors of windows and of their partners, each ``(N, w, ...)``: ``mean`` and ``log_sd`` of the content
        ``(N, w, m)``, and the shift's raw code.
    displacement
        ``(N, w, 2)`` px (y, x) from the one to the other, exact.
    shift
        Turns codes into px.
    windows
        Of `here`.
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
        """Mean violation over the pairs, not yet weighted; a scalar that has a gradient."""
