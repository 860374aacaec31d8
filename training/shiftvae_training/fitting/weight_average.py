"""Running average of a model's weights over the last tenth of the steps so far."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["WeightAverage"]

#: The average reaches over one part in this many of the steps so far.
PARTS = 10


class WeightAverage:
    """Polynomial-decay average of the weights of `model`.

    The weights of single steps scatter about a minimum, because each step sees few tiles. Their average lies nearer to
    it, also at a learning rate that still makes progress, and costs nothing at the instrument.
    Source: Shamir and Zhang, "Stochastic gradient descent for non-smooth optimization", arXiv 1212.1824, section 4.

    Parameters
    ----------
    model
        The model that is trained.

    Attributes
    ----------
    mean
        The average, in the order of the model's parameters.
    """

    def __init__(self, model: nn.Module) -> None:
        self._weights: list[Tensor] = list(model.parameters())
        self.mean: list[Tensor] = [weight.detach().clone() for weight in self._weights]

    @torch.no_grad()
    def add(self, step: int) -> None:
        """Add the weights that the model has after `step` steps, 1 or more."""
        torch._foreach_lerp_(self.mean, self._weights, PARTS / (step + PARTS - 1))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Give the model the average while the context lasts, and then its own weights again."""
        own = [weight.detach().clone() for weight in self._weights]
        self.put()
        try:
            yield
        finally:
            self._copy(own)

    def put(self) -> None:
        """Give the model the average."""
        self._copy(self.mean)

    @torch.no_grad()
    def _copy(self, values: list[Tensor]) -> None:
        for weight, value in zip(self._weights, values, strict=True):
            weight.copy_(value)
