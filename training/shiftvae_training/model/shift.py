"""Where the motif sits: the shift on the torus of a lattice, or on the plane where there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from .encoder_weights import LEAST_SLOPE, WIDEST_PHASE

__all__ = ["PlanarShift", "Shift", "ShiftName", "TorusShift"]

#: On the torus of a lattice, or on the plane around an isolated feature.
ShiftName = Literal["torus", "planar"]
#: tanh(UNIFORM u) of a normal u is nearly uniform.
UNIFORM = math.sqrt(2 / math.pi)


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


class PlanarShift(nn.Module):
    """A position on the plane, for windows that hold one isolated feature; uniform prior over a range that is learned.

    The raw code is ``[u, log sd of u]`` along each axis of the data; the shift is ``reach tanh(u width / reach)``, so
    that the prior N(0, 1) of u is nearly uniform within ``reach`` px, ends softly, and bends no more than it must: with
    a normal prior of the shift itself, features near the edge of the range cost more than they tell.

    Parameters
    ----------
    dimensions
        1 or 2.
    reach_px
        Where the prior ends, to begin with.
    """

    def __init__(self, dimensions: int, reach_px: float) -> None:
        super().__init__()
        self.dimensions, self._unit_px = dimensions, UNIFORM * reach_px
        self.log_reach = nn.Parameter(torch.tensor(math.log(reach_px)))
        self.log_width = nn.Parameter(torch.tensor(math.log(UNIFORM * reach_px)))

    @property
    def size(self) -> int:
        """Raw numbers for a window."""
        return 2 * self.dimensions

    @property
    def reach(self) -> tuple[float, float]:
        """Half as much again as the prior's range to begin with, px."""
        most = 1.5 * self._unit_px / UNIFORM
        return (0.0 if self.dimensions == 1 else most), most

    @property
    def width_px(self) -> float:
        """px for a unit of u at 0."""
        return float(self.log_width.detach().exp())

    @property
    def reach_px(self) -> float:
        """Where the prior ends, px."""
        return float(self.log_reach.detach().exp())

    def mean_px(self, code: Tensor) -> Tensor:
        """Shift of the posterior mean."""
        return self._both_axes(self._warp(self._split(code)[0]))

    def sample_px(self, code: Tensor) -> Tensor:
        """Posterior sample."""
        mean, log_sd = self._split(code)
        return self._both_axes(self._warp(mean + log_sd.exp() * torch.randn_like(mean)))

    def std_px(self, code: Tensor) -> Tensor:
        """Posterior standard deviation, by the slope at the mean."""
        mean, log_sd = self._split(code)
        width = self.log_width.exp()
        slope = 1 - (mean * width / self.log_reach.exp()).tanh().square()
        return self._both_axes(log_sd.exp() * width * slope.clamp(min=LEAST_SLOPE))

    def wrap_px(self, shift: Tensor) -> Tensor:
        """As it is: the plane has no cell."""
        return shift

    def kl(self, code: Tensor) -> Tensor:
        """Of normals, nats."""
        mean, log_sd = self._split(code)
        return 0.5 * (mean.square() + (2 * log_sd).exp() - 1 - 2 * log_sd).sum(-1)

    def mismatch(self, code: Tensor, other: Tensor, displacement: Tensor) -> Tensor:
        """Squared error of the known displacement, in units of the prior's deviation to begin with."""
        moved = self.mean_px(code) - displacement - self.mean_px(other)
        return (moved[..., 2 - self.dimensions :] / self._unit_px).square().sum(-1)

    def miss(self, code: Tensor, wanted: Tensor) -> Tensor:
        """Squared difference, in units of the prior's deviation to begin with."""
        off = self.mean_px(code) - wanted
        return (off[..., 2 - self.dimensions :] / self._unit_px).square().sum(-1)

    def unruly(self, code: Tensor) -> Tensor:
        """Nothing: the prior holds the code."""
        return torch.zeros(code.shape[:-1], device=code.device)

    def _warp(self, u: Tensor) -> Tensor:
        reach = self.log_reach.exp()
        return reach * torch.tanh(u * (self.log_width.exp() / reach))

    def _split(self, code: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_sd = code.chunk(2, dim=-1)
        return mean, log_sd.clamp(-8, 1)

    def _both_axes(self, px: Tensor) -> Tensor:
        return px if self.dimensions == 2 else torch.cat([torch.zeros_like(px), px], dim=-1)
