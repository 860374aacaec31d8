"""Posterior of windows: what the encoder gives of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

__all__ = ["Posterior"]


@dataclass(frozen=True)
class Posterior:
    """Posterior of windows; each part is ``(..., n)`` with its own n.

    Attributes
    ----------
    code
        Raw code of the shift, see `Shift`.
    mean, log_sd
        Mean of the content, and logarithm of its standard deviation.
    further
        Raw codes of the further latents of the pose, see `PoseLatent`.
    order
        Raw code of the order latents, see `Order`; None for a model without.
    """

    code: Tensor
    mean: Tensor
    log_sd: Tensor
    further: tuple[Tensor, ...] = ()
    order: Tensor | None = None

    def __getitem__(self, index: object) -> Posterior:
        """Posterior of some of the windows."""
        return self.each(lambda part: part[index])  # type: ignore[index]

    def each(self, change: Callable[[Tensor], Tensor]) -> Posterior:
        """Apply `change` to every part."""
        further = tuple(change(part) for part in self.further)
        order = None if self.order is None else change(self.order)
        return Posterior(change(self.code), change(self.mean), change(self.log_sd), further, order)
