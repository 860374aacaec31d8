"""The order latents: for each superlattice vector, a complex amplitude of the satellites in a window.

An order that comes in domains has no place in the cell: from one cell to the next it changes sign, and between two
antiphase domains too. Its amplitude w is that of a wave at the window's centre. A window that lies d further on has
w exp(2 pi i q . d), with free modulus; turned by exp(2 pi i q . s), for a motif at the shift s, it is the amplitude
in the frame of that motif, where the decoder draws Re(w T) of one complex image T for each vector.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from shiftvae_rt.array_types import Float64

from ..noise import noise_like
from .encoder_weights import LOG_SD

__all__ = ["Order", "order_at_motif"]


@dataclass(frozen=True)
class Order:
    """A complex amplitude for every superlattice vector, with a normal posterior and prior.

    The raw code is ``[real and imaginary part of each amplitude, log deviations]``; both parts share a deviation.

    Parameters
    ----------
    vectors
        ``(m, 2)`` superlattice vectors (y, x) in cycles per px.
    """

    vectors: Tensor

    @property
    def count(self) -> int:
        """Number of superlattice vectors."""
        return len(self.vectors)

    @property
    def size(self) -> int:
        """Number of raw outputs per window."""
        return 3 * self.count

    def fractions(self, lattice: Float64) -> tuple[tuple[float, float], ...]:
        """Superlattice vectors in reciprocal vectors of ``lattice (2, 2)`` px; multiples of 1/12."""
        turns = self.vectors.double().numpy() @ lattice.T
        return tuple((float(first), float(second)) for first, second in np.rint(12 * turns) / 12)

    def mean(self, code: Tensor) -> Tensor:
        """Posterior mean ``(..., m)``, complex, in units of the prior."""
        return torch.complex(code[..., : 2 * self.count : 2], code[..., 1 : 2 * self.count : 2])

    def log_sd(self, code: Tensor) -> Tensor:
        """Logarithm ``(..., m)`` of the deviation of each part."""
        return code[..., 2 * self.count :].clamp(*LOG_SD)

    def sample(self, code: Tensor) -> Tensor:
        """Reparametrised sample ``(..., m)``, complex."""
        mean, sd = self.mean(code), self.log_sd(code).exp()
        return mean + torch.complex(sd * noise_like(sd), sd * noise_like(sd))

    def turned(self, amplitude: Tensor, displacement: Tensor) -> Tensor:
        """Amplitudes ``(..., m)`` as seen from places ``displacement (..., 2)`` px further on."""
        turn = 2 * math.pi * displacement @ self.vectors.T
        return amplitude * torch.polar(torch.ones_like(turn), turn)

    def reported(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation ``(..., 2 m)`` of real and imaginary parts."""
        return code[..., : 2 * self.count], self.log_sd(code).exp().repeat_interleave(2, dim=-1)

    def kl(self, code: Tensor) -> Tensor:
        """KL divergence ``(..., m)`` from the normal prior of both parts, nats."""
        log_sd = self.log_sd(code)
        return 0.5 * self.mean(code).abs().square() + (2 * log_sd).exp() - 1 - 2 * log_sd

    def mismatch(self, code: Tensor, other: Tensor, displacement: Tensor) -> Tensor:
        """Squared difference ``(...)`` of `other`, ``displacement (..., 2)`` px further on, from an unchanged order."""
        return (self.turned(self.mean(code), displacement) - self.mean(other)).abs().square().sum(-1)

    def distance(self, code: Tensor, target: Tensor) -> Tensor:
        """Squared distance ``(...)`` of the posterior mean from ``target (..., m)``."""
        return (self.mean(code) - target).abs().square().sum(-1)


def order_at_motif(order: Order | None, code: Tensor | None, shift: Tensor, *, sample: bool = False) -> Tensor | None:
    """Real and imaginary parts ``(..., 2 m)`` of the amplitudes at motifs at `shift` px; None for a model without."""
    if order is None or code is None:
        return None
    amplitude = order.sample(code) if sample else order.mean(code)
    return torch.view_as_real(order.turned(amplitude, shift)).flatten(-2)
