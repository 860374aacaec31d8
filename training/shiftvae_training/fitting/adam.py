"""Adam, by the kernel of torch that updates all parameters in one call.

The numbers are those of ``torch.optim.Adam(..., fused=True)`` to the bit. That class imports torch's compiler, with
sympy and distributed tensors, of which a training uses nothing (docs/reference/benchmarks.md, "Start-up").
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

__all__ = ["BETAS", "Adam"]

#: Decay of the running mean of the gradients, and of their squares.
BETAS = (0.9, 0.99)
#: Least root of the running mean of the squares by which a step is divided.
EPSILON = 1e-8


class Adam:
    """Adam without decay of the weights. Source: Kingma and Ba, arXiv 1412.6980.

    Parameters
    ----------
    parameters
        Parameters that are optimised; one without a gradient rests.
    shares
        Learning rate of each parameter, as a share of that of a step; by default 1.

    Attributes
    ----------
    steps, means, squares
        Number of updates, running mean of the gradients, and of their squares, for each parameter.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], shares: Iterable[float] | None = None) -> None:
        self._parameters = list(parameters)
        self._shares = [1.0] * len(self._parameters) if shares is None else list(shares)
        self.steps: list[Tensor] = [torch.zeros((), dtype=torch.float32) for _ in self._parameters]
        self.means: list[Tensor] = [torch.zeros_like(each.detach()) for each in self._parameters]
        self.squares: list[Tensor] = [torch.zeros_like(each.detach()) for each in self._parameters]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Update the parameters by their gradients, at a learning rate of `rate`."""
        every = list(zip(self._parameters, self.means, self.squares, self.steps, self._shares, strict=True))
        for share in sorted(set(self._shares)):
            _update([each[:4] for each in every if each[4] == share and each[0].grad is not None], share * rate)


def _update(every: list[tuple[nn.Parameter, Tensor, Tensor, Tensor]], rate: float) -> None:
    """Update parameters that share a learning rate, of which these are means, squares and steps."""
    if not every:
        return
    parameters, means, squares, steps = map(list, zip(*every, strict=True))
    torch._foreach_add_(steps, 1)
    torch._fused_adam_(
        [each.detach() for each in parameters],
        [each.grad for each in parameters],
        means,
        squares,
        [],
        steps,
        lr=rate,
        beta1=BETAS[0],
        beta2=BETAS[1],
        weight_decay=0.0,
        eps=EPSILON,
        amsgrad=False,
        maximize=False,
    )
