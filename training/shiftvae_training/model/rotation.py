"""How far the motif is turned."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .encoder_weights import WIDEST_PHASE

__all__ = ["Rotation"]


@dataclass(frozen=True)
class Rotation:
    """An angle with a wrapped normal posterior, uniform prior; positive counter-clockwise as seen.

    The raw code is ``[cosine, sine, log width]`` of `fold` times the angle, so that it has no edge.

    Parameters
    ----------
    fold
        The motif looks the same after a turn by ``360 / fold`` degrees; 1 if it never does.
    """

    fold: int
    name = "phi"
    kind: Literal["rotation"] = "rotation"
    unit = "deg"
    size = 3

    @property
    def period(self) -> float:
        """Degrees after which the motif looks the same."""
        return 360 / self.fold

    def mean(self, code: Tensor) -> Tensor:
        """Angle in rad, within half a period of 0."""
        return torch.atan2(code[..., 1], code[..., 0]) / self.fold

    def sample(self, code: Tensor) -> Tensor:
        """A sampled angle in rad."""
        return self.mean(code) + self._width(code) / self.fold * torch.randn_like(code[..., 0])

    def reported(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Degrees."""
        return torch.rad2deg(self.mean(code)), torch.rad2deg(self._width(code) / self.fold)

    def kl(self, code: Tensor) -> Tensor:
        """Of a wrapped normal from the uniform angle; exact for widths below about 1, never negative."""
        return math.log(WIDEST_PHASE) - self._width(code).log()

    def miss(self, code: Tensor, wanted: Tensor) -> Tensor:
        """Squared chord on the circle of `fold` times the angle."""
        cosine, sine = self._unit(code)
        return (cosine - (self.fold * wanted).cos()).square() + (sine - (self.fold * wanted).sin()).square()

    def mismatch(self, code: Tensor, other: Tensor, change: Tensor) -> Tensor:
        """Squared chord, after turning by `change` rad."""
        (cosine, sine), (there_cosine, there_sine) = self._unit(code), self._unit(other)
        turn_cosine, turn_sine = (self.fold * change).cos(), (self.fold * change).sin()
        off_cosine = cosine * turn_cosine - sine * turn_sine - there_cosine
        return off_cosine.square() + (sine * turn_cosine + cosine * turn_sine - there_sine).square()

    def unruly(self, code: Tensor) -> Tensor:
        """Squared distance of (cosine, sine) from the unit circle."""
        return ((code[..., :2].square().sum(-1) + 1e-9).sqrt() - 1).square()

    def _unit(self, code: Tensor) -> tuple[Tensor, Tensor]:
        unit = code[..., :2] / (code[..., :2].square().sum(-1, keepdim=True) + 1e-9).sqrt()
        return unit[..., 0], unit[..., 1]

    def _width(self, code: Tensor) -> Tensor:
        return code[..., 2].clamp(-8, math.log(WIDEST_PHASE)).exp()
