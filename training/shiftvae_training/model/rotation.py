"""The rotation latent: the angle by which the motif is turned."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..noise import noise_like
from .encoder_weights import WIDEST_PHASE

__all__ = ["Rotation"]


@dataclass(frozen=True)
class Rotation:
    """An angle with a wrapped normal posterior and a uniform prior; positive is counter-clockwise as displayed.

    The raw code is ``[cosine, sine, log width]`` of `fold` times the angle, which is continuous on the circle.

    Parameters
    ----------
    fold
        Rotational symmetry: the motif looks the same after ``360 / fold`` degrees; 1 for no symmetry.
    """

    fold: int
    name = "phi"
    kind: Literal["rotation"] = "rotation"
    unit = "deg"
    size = 3

    @property
    def period(self) -> float:
        """Angle after which the motif looks the same, degrees."""
        return 360 / self.fold

    def mean(self, code: Tensor) -> Tensor:
        """Posterior mean ``(...)`` in rad, within half a period of 0."""
        return torch.atan2(code[..., 1], code[..., 0]) / self.fold

    def sample(self, code: Tensor) -> Tensor:
        """Reparametrised sample ``(...)`` in rad."""
        return self.mean(code) + self._width(code) / self.fold * noise_like(code[..., 0])

    def reported(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior mean and standard deviation ``(...)`` in degrees."""
        return torch.rad2deg(self.mean(code)), torch.rad2deg(self._width(code) / self.fold)

    def at(self, reported: Tensor) -> Tensor:
        """Angles ``(...)`` in rad of ``reported (...)`` degrees."""
        return torch.deg2rad(reported)

    def kl(self, code: Tensor) -> Tensor:
        """KL divergence ``(...)`` from the uniform angle, nats, never negative; exact for widths below about 1 rad."""
        return math.log(WIDEST_PHASE) - self._width(code).log()

    def distance(self, code: Tensor, target: Tensor) -> Tensor:
        """Squared chord ``(...)`` on the circle of `fold` times the angle; ``target (...)`` in rad."""
        cosine, sine = self._unit(code)
        return (cosine - (self.fold * target).cos()).square() + (sine - (self.fold * target).sin()).square()

    def mismatch(self, code: Tensor, other: Tensor, change: Tensor) -> Tensor:
        """Squared chord ``(...)`` between `code` turned by ``change (...)`` rad and `other`."""
        (cosine, sine), (there_cosine, there_sine) = self._unit(code), self._unit(other)
        turn_cosine, turn_sine = (self.fold * change).cos(), (self.fold * change).sin()
        off_cosine = cosine * turn_cosine - sine * turn_sine - there_cosine
        return off_cosine.square() + (sine * turn_cosine + cosine * turn_sine - there_sine).square()

    def code_penalty(self, code: Tensor) -> Tensor:
        """Squared distance ``(...)`` of (cosine, sine) from the unit circle."""
        return ((code[..., :2].square().sum(-1) + 1e-9).sqrt() - 1).square()

    def _unit(self, code: Tensor) -> tuple[Tensor, Tensor]:
        unit = code[..., :2] / (code[..., :2].square().sum(-1, keepdim=True) + 1e-9).sqrt()
        return unit[..., 0], unit[..., 1]

    def _width(self, code: Tensor) -> Tensor:
        return code[..., 2].clamp(-8, math.log(WIDEST_PHASE)).exp()
