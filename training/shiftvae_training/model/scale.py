"""The scale latent: the size of the motif relative to the decoder's template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..noise import noise_like
from .encoder_weights import LOG_SCALE, LOG_SD

__all__ = ["Scale"]


@dataclass(frozen=True)
class Scale:
    """Logarithm of a magnification, with a normal posterior and the prior N(0, `prior`^2).

    The raw code is ``[mean / prior, log (sd / prior)]``. The reported value is how much larger the motif is than the
    decoder's template, in per cent.

    Parameters
    ----------
    prior
        Standard deviation of the prior, of the logarithm.
    """

    prior: float
    name = "scale"
    kind: Literal["scale"] = "scale"
    unit = "%"
    size = 2
    period = None

    def mean(self, code: Tensor) -> Tensor:
        """Posterior mean ``(...)`` of the logarithm of the magnification."""
        return (code[..., 0] * self.prior).clamp(*LOG_SCALE)

    def sample(self, code: Tensor) -> Tensor:
        """Reparametrised sample ``(...)`` of the logarithm of the magnification."""
        sampled = code[..., 0] + self._log_sd(code).exp() * noise_like(code[..., 0])
        return (sampled * self.prior).clamp(*LOG_SCALE)

    def reported(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior mean and standard deviation ``(...)`` of the magnification minus 1, in per cent."""
        times = self.mean(code).exp()
        return 100 * (times - 1), 100 * self.prior * times * self._log_sd(code).exp()

    def at(self, reported: Tensor) -> Tensor:
        """Logarithm of the magnification ``(...)`` of ``reported (...)`` per cent."""
        return (1 + reported / 100).log().clamp(*LOG_SCALE)

    def kl(self, code: Tensor) -> Tensor:
        """KL divergence ``(...)`` of a normal from the normal prior, nats."""
        log_sd = self._log_sd(code)
        return 0.5 * (code[..., 0].square() + (2 * log_sd).exp() - 1 - 2 * log_sd)

    def distance(self, code: Tensor, target: Tensor) -> Tensor:
        """Squared difference ``(...)`` from ``target (...)``, in units of the prior."""
        return (code[..., 0] - target / self.prior).square()

    def mismatch(self, code: Tensor, other: Tensor, change: Tensor) -> Tensor:
        """Squared difference ``(...)`` after ``change (...)`` is added to the logarithm, in units of the prior."""
        return (code[..., 0] + change / self.prior - other[..., 0]).square()

    def code_penalty(self, code: Tensor) -> Tensor:
        """Zeros ``(...)``: the prior already keeps the code scaled."""
        return torch.zeros(code.shape[:-1], device=code.device)

    def _log_sd(self, code: Tensor) -> Tensor:
        return code[..., 1].clamp(*LOG_SD)
