"""The course of a training: all that changes from one step of the optimiser to the next."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from ..model.shift_vae import ShiftVAE
from .adam import Adam
from .weight_average import WeightAverage

__all__ = ["Course", "Step"]


@dataclass(frozen=True)
class Step:
    """One look at the held-out tiles.

    Attributes
    ----------
    step
        Number of optimiser steps so far.
    loss
        Negative evidence lower bound, nats per window.
    kl_shift, kl_content
        KL divergences of shift and content from their priors, nats per window.
    noise_sd
        Standard deviation of the learned noise, in units of a window's.
    """

    step: int
    loss: float
    kl_shift: float
    kl_content: float
    noise_sd: float


@dataclass
class Course:
    """Place of a training on its way; two at the same place go on to the same bits.

    Attributes
    ----------
    model, optimiser
        The model, and the optimiser of its weights.
    generators
        Generators of the tiles; the noise comes from torch's own.
    step
        Number of steps so far.
    history
        All looks at the held-out tiles.
    best
        Averaged weights at the look with the smallest loss; empty before the first look.
    average
        Average of the weights, which is looked at.
    """

    model: ShiftVAE
    optimiser: Adam
    generators: list[np.random.Generator]
    step: int = 0
    history: list[Step] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    average: WeightAverage = field(init=False)

    def __post_init__(self) -> None:
        self.average = WeightAverage(self.model)

    @property
    def best_look(self) -> int:
        """Index in `history` of the first look with the smallest loss."""
        return min(range(len(self.history)), key=lambda index: self.history[index].loss)

    def add(self, look: Step) -> None:
        """Add a look at the model as it is now."""
        self.history.append(look)
        if self.best_look == len(self.history) - 1:
            self.best = {name: value.clone() for name, value in self.model.state_dict().items()}
