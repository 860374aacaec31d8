"""Where the motif sits: the shift on the torus of a lattice, or on the plane where there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .encoder_graph import WIDEST_PHASE

__all__ = ["PlanarShift", "Shift", "TorusShift"]


class Shift(Protocol):
    """What the objective needs of a shift; `code` below is ``(..., size)``, the encoder's raw outputs for it."""

    @property
    def size(self) -> int:
        """Raw numbers for a window."""

    @property
    def reach(self) -> tuple[float, float]:
        """Largest shift along y and x, px."""

    def mean_px(self, code: Tensor) -> Tensor:
        """Posterior mean ``(..., 2)`` in px from the window's centre, (y, x)."""

    def sample_px(self, code: Tensor) -> Tensor:
        """A reparametrised sample ``(..., 2)`` in px."""

    def std_px(self, code: Tensor) -> Tensor:
        """Posterior standard deviation ``(..., 2)`` in px."""

    def wrap_px(self, shift: Tensor) -> Tensor:
        """Shifts ``(..., 2)`` px brought into the cell around the window's centre; as they are, without a lattice."""

    def kl(self, code: Tensor) -> Tensor:
        """Divergence from the prior ``(...)``, nats."""

    def mismatch(self, code: Tensor, other: Tensor, displacement: Tensor) -> Tensor:
        """How far `other` is from where it must be, ``(...)``: its windows lie ``displacement (..., 2)`` px further."""

    def miss(self, code: Tensor, wanted: Tensor) -> Tensor:
        """How far the mean is from the shift ``wanted (..., 2)`` px; ``(...)``."""

    def unruly(self, code: Tensor) -> Tensor:
        """A penalty that keeps the code itself well scaled, ``(...)``."""


@dataclass(frozen=True)
class TorusShift:
    """A phase for every lattice vector: wrapped normal posterior, uniform prior over the cell.

    The raw code is ``[cosines, sines, log widths]``; the phase is the angle of (cosine, sine), so that it has no edge.

    Parameters
    ----------
    vectors
        ``(k, 2)`` lattice vectors (y, x) in px.
    """

    vectors: Tensor

    @property
    def size(self) -> int:
        """Raw numbers for a window."""
        return 3 * len(self.vectors)

    @property
    def reach(self) -> tuple[float, float]:
        """Largest shift along y and x, px."""
        half = self.vectors.abs().sum(0) / 2
        return float(half[0]), float(half[1])

    def mean_px(self, code: Tensor) -> Tensor:
        """Shift of the mean phase, within half a cell of the centre."""
        cosine, sine, _ = self._split(code)
        return torch.atan2(sine, cosine) @ self.vectors / (2 * math.pi)

    def sample_px(self, code: Tensor) -> Tensor:
        """Shift of a sampled phase, wrapped into the cell."""
        cosine, sine, log_width = self._split(code)
        phase = torch.atan2(sine, cosine) + log_width.exp() * torch.randn_like(sine)
        wrapped = torch.remainder(phase + math.pi, 2 * math.pi) - math.pi
        return wrapped @ self.vectors / (2 * math.pi)

    def wrap_px(self, shift: Tensor) -> Tensor:
        """Bring shifts ``(..., 2)`` px into the cell around the window's centre."""
        phase = shift @ torch.linalg.pinv(self.vectors)  # of a turn
        return shift - torch.round(phase) @ self.vectors

    def std_px(self, code: Tensor) -> Tensor:
        """From the independent widths of the phases."""
        _, _, log_width = self._split(code)
        return ((2 * log_width).exp() @ (self.vectors / (2 * math.pi)).square()).sqrt()

    def kl(self, code: Tensor) -> Tensor:
        """Of wrapped normals from the uniform phase; exact for widths below about 1, never negative."""
        _, _, log_width = self._split(code)
        return (math.log(WIDEST_PHASE) - log_width).sum(-1)

    def mismatch(self, code: Tensor, other: Tensor, displacement: Tensor) -> Tensor:
        """Squared chord between the phases, after turning by -2 pi g_k . d."""
        turn = -2 * math.pi * displacement @ torch.linalg.pinv(self.vectors)
        here, there = self.unit(code), self.unit(other)
        turned = here * torch.polar(torch.ones_like(turn), turn)
        return (turned - there).abs().square().sum(-1)

    def miss(self, code: Tensor, wanted: Tensor) -> Tensor:
        """Squared chord between the phases."""
        angle = 2 * math.pi * wanted @ torch.linalg.pinv(self.vectors)
        return (self.unit(code) - torch.polar(torch.ones_like(angle), angle)).abs().square().sum(-1)

    def unruly(self, code: Tensor) -> Tensor:
        """Squared distance of every (cosine, sine) from the unit circle."""
        cosine, sine, _ = self._split(code)
        return ((cosine.square() + sine.square() + 1e-9).sqrt() - 1).square().sum(-1)

    def unit(self, code: Tensor) -> Tensor:
        """The mean phases as complex numbers of modulus 1, ``(..., k)``."""
        cosine, sine, _ = self._split(code)
        radius = (cosine.square() + sine.square() + 1e-9).sqrt()
        return torch.complex(cosine / radius, sine / radius)

    def _split(self, code: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        cosine, sine, log_width = code.chunk(3, dim=-1)
        return cosine, sine, log_width.clamp(-8, math.log(WIDEST_PHASE))


@dataclass(frozen=True)
class PlanarShift:
    """A normal posterior on the plane, for windows that hold one isolated feature; prior N(0, `prior_px`^2).

    The raw code is ``[mean / prior, log (sd / prior)]`` along each axis of the data.
    """

    dimensions: int
    prior_px: float

    @property
    def size(self) -> int:
        """Raw numbers for a window."""
        return 2 * self.dimensions

    @property
    def reach(self) -> tuple[float, float]:
        """Three prior deviations, px."""
        return (0.0 if self.dimensions == 1 else 3 * self.prior_px), 3 * self.prior_px

    def mean_px(self, code: Tensor) -> Tensor:
        """Posterior mean."""
        return self._both_axes(self._split(code)[0] * self.prior_px)

    def sample_px(self, code: Tensor) -> Tensor:
        """Posterior sample."""
        mean, log_sd = self._split(code)
        return self._both_axes((mean + log_sd.exp() * torch.randn_like(mean)) * self.prior_px)

    def std_px(self, code: Tensor) -> Tensor:
        """Posterior standard deviation."""
        return self._both_axes(self._split(code)[1].exp() * self.prior_px)

    def wrap_px(self, shift: Tensor) -> Tensor:
        """As it is: the plane has no cell."""
        return shift

    def kl(self, code: Tensor) -> Tensor:
        """Of normals, nats."""
        mean, log_sd = self._split(code)
        return 0.5 * (mean.square() + (2 * log_sd).exp() - 1 - 2 * log_sd).sum(-1)

    def mismatch(self, code: Tensor, other: Tensor, displacement: Tensor) -> Tensor:
        """Squared error of the known displacement, in units of the prior."""
        moved = self._split(code)[0] - displacement[..., 2 - self.dimensions :] / self.prior_px
        return (moved - self._split(other)[0]).square().sum(-1)

    def miss(self, code: Tensor, wanted: Tensor) -> Tensor:
        """Squared difference, in units of the prior."""
        mean, _ = self._split(code)
        return (mean - wanted[..., 2 - self.dimensions :] / self.prior_px).square().sum(-1)

    def unruly(self, code: Tensor) -> Tensor:
        """Nothing: the prior holds the code."""
        return torch.zeros(code.shape[:-1], device=code.device)

    def _split(self, code: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_sd = code.chunk(2, dim=-1)
        return mean, log_sd.clamp(-8, 1)

    def _both_axes(self, px: Tensor) -> Tensor:
        return px if self.dimensions == 2 else torch.cat([torch.zeros_like(px), px], dim=-1)
