"""How large the motif is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .encoder_weights import LOG_SCALE, LOG_SD

__all__ = ["Scale"]


@dataclass(frozen=True)
class Scale:
    """The logarithm of a magnification, normal posterior, prior N(0, `prior`^2).

    The raw code is ``[mean / prior, log (sd / prior)]``. Reported is by how many per cent the motif is larger than the
    decoder's template.
    """

    prior: float
    name = "scale"
    kind: Literal["scale"] = "scale"
    unit = "%"
    size = 2
    period = None

    def mean(self, code: Tensor) -> Tensor:
        """Logarithm of the magnification."""
        return (code[..., 0] * self.prior).clamp(*LOG_SCALE)

    def sample(self, code: Tensor) -> Tensor:
        """A sampled logarithm of the magnification."""
        sampled = code[..., 0] + self._log_sd(code).exp() * torch.randn_like(code[..., 0])
        return (sampled * self.prior).clamp(*LOG_SCALE)

    def reported(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Per cent larger."""
        times = self.mean(code).exp()
        return 100 * (times - 1), 100 * self.prior * times * self._log_sd(code).exp()

    def kl(self, code: Tensor) -> Tensor:
        """Of normals, nats."""
        log_sd = self._log_sd(code)
        return 0.5 * (code[..., 0].square() + (2 * log_sd).exp() - 1 - 2 * log_sd)

    def miss(self, code: Tensor, wanted: Tensor) -> Tensor:
        """Squared difference, in units of the prior."""
        return (code[..., 0] - wanted / self.prior).square()

    def mismatch(self, code: Tensor, other: Tensor, change: Tensor) -> Tensor:
        """Squared difference after adding `change` to the logarithm, in units of the prior."""
        return (code[..., 0] + change / self.prior - other[..., 0]).square()

    def unruly(self, code: Tensor) -> Tensor:
        """Nothing: the prior holds the code."""
        return torch.zeros(code.shape[:-1], device=code.device)

    def _log_sd(self, code: Tensor) -> Tensor:
        return code[..., 1].clamp(*LOG_SD)
