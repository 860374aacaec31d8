"""The shift latents, which say where the motif sits: on the torus of a lattice, or on the plane without one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from ..noise import noise_like
from .encoder_weights import LEAST_SLOPE, WIDEST_PHASE

__all__ = ["PlanarShift", "Shift", "ShiftName", "TorusShift"]

#: Kind of shift: on the torus of a lattice, or on the plane around an isolated feature.
ShiftName = Literal["torus", "planar"]
#: tanh(UNIFORM u) of a normal u is nearly uniform.
UNIFORM = math.sqrt(2 / math.pi)


class Shift(Protocol):
    """Shift of the motif from the window's centre; `code` is ``(..., size)``, the encoder's raw outputs for it."""

    @property
    def size(self) -> int:
        """Number of raw outputs per window."""

    @property
    def reach(self) -> tuple[float, float]:
        """Largest shift along y and x, px."""

    def mean_px(self, code: Tensor) -> Tensor:
        """Posterior mean ``(..., 2)`` in px from the window's centre, (y, x)."""

    def sample_px(self, code: Tensor) -> Tensor:
        """Reparametrised sample ``(..., 2)`` in px."""

    def std_px(self, code: Tensor) -> Tensor:
        """Posterior standard deviation ``(..., 2)`` in px."""

    def wrap_px(self, shift: Tensor, code: Tensor | None = None) -> Tensor:
        """Shifts ``(..., 2)`` px reduced to the cell around the window's centre; unchanged without a lattice.

        `code` tells the lattice where there are several.
        """

    def offset_px(self, offset: Tensor, code: Tensor) -> Tensor:
        """Offset ``(..., 2)`` px in the decoder's template as one in the window of `code`."""

    def kl(self, code: Tensor) -> Tensor:
        """KL divergence from the prior ``(...)``, nats."""

    def mismatch(self, code: Tensor, other: Tensor, displacement: Tensor) -> Tensor:
        """Squared distance ``(...)`` of `other`, ``displacement (..., 2)`` px further on, from its expected value."""

    def distance(self, code: Tensor, target: Tensor) -> Tensor:
        """Squared distance ``(...)`` of the posterior mean from the shift ``target (..., 2)`` px."""

    def code_penalty(self, code: Tensor) -> Tensor:
        """Penalty ``(...)`` that keeps the raw code well scaled."""


@dataclass(frozen=True)
class TorusShift:
    """A phase for every lattice vector, with a wrapped normal posterior and a uniform prior over the cell.

    The raw code is ``[cosines, sines, log widths]``; the phase is the angle of (cosine, sine), continuous on the torus.

    Parameters
    ----------
    vectors
        ``(k, 2)`` lattice vectors (y, x) in px.
    """

    vectors: Tensor

    @property
    def size(self) -> int:
        """Number of raw outputs per window."""
        return 3 * len(self.vectors)

    @property
    def reach(self) -> tuple[float, float]:
        """Largest shift along y and x, px."""
        half = self.vectors.abs().sum(0) / 2
        return float(half[0]), float(half[1])

    def mean_px(self, code: Tensor) -> Tensor:
        """Shift ``(..., 2)`` px of the mean phase, within half a cell of the centre."""
        cosine, sine, _ = self._split(code)
        return torch.atan2(sine, cosine) @ self.vectors / (2 * math.pi)

    def sample_px(self, code: Tensor) -> Tensor:
        """Shift ``(..., 2)`` px of a sampled phase, wrapped into the cell."""
        cosine, sine, log_width = self._split(code)
        phase = torch.atan2(sine, cosine) + log_width.exp() * noise_like(sine)
        wrapped = torch.remainder(phase + math.pi, 2 * math.pi) - math.pi
        return wrapped @ self.vectors / (2 * math.pi)

    def offset_px(self, offset: Tensor, code: Tensor) -> Tensor:  # noqa: ARG002 - the protocol's
        """Offset ``(..., 2)`` px in the template: the same in a window."""
        return offset

    def phases_of(self, shift: Tensor) -> Tensor:
        """Phases ``(..., k)``, rad, of shifts ``(..., 2)`` px."""
        phases: Tensor = 2 * math.pi * shift @ torch.linalg.pinv(self.vectors)
        return phases

    def wrap_px(self, shift: Tensor, code: Tensor | None = None) -> Tensor:  # noqa: ARG002 - the protocol's
        """Reduce shifts ``(..., 2)`` px to the cell around the window's centre."""
        phase = shift @ torch.linalg.pinv(self.vectors)  # in turns
        return shift - torch.round(phase) @ self.vectors

    def std_px(self, code: Tensor) -> Tensor:
        """Posterior standard deviation ``(..., 2)`` in px, from independent widths of the phases."""
        _, _, log_width = self._split(code)
        return ((2 * log_width).exp() @ (self.vectors / (2 * math.pi)).square()).sqrt()

    def kl(self, code: Tensor) -> Tensor:
        """KL divergence ``(...)`` from uniform phases, nats, never negative; exact for widths below about 1 rad."""
        _, _, log_width = self._split(code)
        return (math.log(WIDEST_PHASE) - log_width).sum(-1)

    def mismatch(self, code: Tensor, other: Tensor, displacement: Tensor) -> Tensor:
        """Squared chord ``(...)`` between the phases, after turning those of `code` by -2 pi g_k . d."""
        turn = self._turns(-2 * math.pi * displacement, code)
        here, there = self.unit(code), self.unit(other)
        turned = here * torch.polar(torch.ones_like(turn), turn)
        return (turned - there).abs().square().sum(-1)

    def distance(self, code: Tensor, target: Tensor) -> Tensor:
        """Squared chord ``(...)`` between the phases of `code` and of ``target (..., 2)`` px."""
        angle = self._turns(2 * math.pi * target, code)
        return (self.unit(code) - torch.polar(torch.ones_like(angle), angle)).abs().square().sum(-1)

    def code_penalty(self, code: Tensor) -> Tensor:
        """Squared distance ``(...)`` of the (cosine, sine) pairs from the unit circle, summed."""
        cosine, sine, _ = self._split(code)
        return ((cosine.square() + sine.square() + 1e-9).sqrt() - 1).square().sum(-1)

    def unit(self, code: Tensor) -> Tensor:
        """Mean phases as complex numbers of modulus 1, ``(..., k)``."""
        cosine, sine, _ = self._split(code)
        radius = (cosine.square() + sine.square() + 1e-9).sqrt()
        return torch.complex(cosine / radius, sine / radius)

    def _turns(self, displacement: Tensor, code: Tensor) -> Tensor:  # noqa: ARG002 - for several lattices
        """Cells ``(..., k)`` along each vector in ``displacement (..., 2)`` px."""
        cells: Tensor = displacement @ torch.linalg.pinv(self.vectors)
        return cells

    def _split(self, code: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        cosine, sine, log_width = code.chunk(3, dim=-1)
        return cosine, sine, log_width.clamp(-8, math.log(WIDEST_PHASE))


class PlanarShift(nn.Module):
    """A position on the plane, for windows with one isolated feature; its prior is nearly uniform over a learned range.

    The raw code is ``[u, log sd of u]`` along each axis of the data; the shift is ``reach tanh(u width / reach)``, so
    that the prior N(0, 1) of u becomes nearly uniform within ``reach`` px, with soft ends. With a normal prior of the
    shift itself, features near the edge of the range would cost more nats than they explain.

    Parameters
    ----------
    dimensions
        1 for signals, 2 for images.
    reach_px
        Initial range of the prior, px.
    """

    def __init__(self, dimensions: int, reach_px: float) -> None:
        super().__init__()
        self.dimensions, self.first_reach_px, self._unit_px = dimensions, reach_px, UNIFORM * reach_px
        self.log_reach = nn.Parameter(torch.tensor(math.log(reach_px)))
        self.log_width = nn.Parameter(torch.tensor(math.log(UNIFORM * reach_px)))

    @property
    def size(self) -> int:
        """Number of raw outputs per window."""
        return 2 * self.dimensions

    @property
    def reach(self) -> tuple[float, float]:
        """Largest shift along y and x, px: 1.5 times the initial range of the prior."""
        most = 1.5 * self.first_reach_px
        return (0.0 if self.dimensions == 1 else most), most

    @property
    def width_px(self) -> float:
        """Slope of the shift at 0, px per unit of u."""
        return float(self.log_width.detach().exp())

    @property
    def reach_px(self) -> float:
        """Range of the prior, px."""
        return float(self.log_reach.detach().exp())

    def mean_px(self, code: Tensor) -> Tensor:
        """Shift ``(..., 2)`` px of the posterior mean of u."""
        return self._both_axes(self._warp(self._split(code)[0]))

    def sample_px(self, code: Tensor) -> Tensor:
        """Reparametrised sample ``(..., 2)`` in px."""
        mean, log_sd = self._split(code)
        return self._both_axes(self._warp(mean + log_sd.exp() * noise_like(mean)))

    def std_px(self, code: Tensor) -> Tensor:
        """Posterior standard deviation ``(..., 2)`` in px, linearised at the mean."""
        mean, log_sd = self._split(code)
        width = self.log_width.exp()
        slope = 1 - (mean * width / self.log_reach.exp()).tanh().square()
        return self._both_axes(log_sd.exp() * width * slope.clamp(min=LEAST_SLOPE))

    def wrap_px(self, shift: Tensor, code: Tensor | None = None) -> Tensor:  # noqa: ARG002 - the protocol's
        """Shifts, unchanged: the plane has no cell."""
        return shift

    def offset_px(self, offset: Tensor, code: Tensor) -> Tensor:  # noqa: ARG002 - the protocol's
        """Offset ``(..., 2)`` px in the template: the same in a window."""
        return offset

    def kl(self, code: Tensor) -> Tensor:
        """KL divergence ``(...)`` of normals from the normal prior of u, nats."""
        mean, log_sd = self._split(code)
        return 0.5 * (mean.square() + (2 * log_sd).exp() - 1 - 2 * log_sd).sum(-1)

    def mismatch(self, code: Tensor, other: Tensor, displacement: Tensor) -> Tensor:
        """Squared error ``(...)`` of the known displacement, in units of the prior's initial deviation."""
        moved = self.mean_px(code) - displacement - self.mean_px(other)
        return (moved[..., 2 - self.dimensions :] / self._unit_px).square().sum(-1)

    def distance(self, code: Tensor, target: Tensor) -> Tensor:
        """Squared difference ``(...)`` from ``target (..., 2)`` px, in units of the prior's initial deviation."""
        off = self.mean_px(code) - target
        return (off[..., 2 - self.dimensions :] / self._unit_px).square().sum(-1)

    def code_penalty(self, code: Tensor) -> Tensor:
        """Zeros ``(...)``: the prior already keeps the code scaled."""
        return torch.zeros(code.shape[:-1], device=code.device)

    def _warp(self, u: Tensor) -> Tensor:
        reach = self.log_reach.exp()
        return reach * torch.tanh(u * (self.log_width.exp() / reach))

    def _split(self, code: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_sd = code.chunk(2, dim=-1)
        return mean, log_sd.clamp(-8, 1)

    def _both_axes(self, px: Tensor) -> Tensor:
        return px if self.dimensions == 2 else torch.cat([torch.zeros_like(px), px], dim=-1)
