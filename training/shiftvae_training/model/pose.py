"""Pose of the motif in a window: its shift and, if the model has them, its rotation and scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from torch import Tensor

__all__ = ["Pose", "PoseLatent", "Posterior", "Reported"]


@dataclass(frozen=True)
class Pose:
    """Poses of n motifs: ``shift_px (n, 2)``, ``turn (n,)`` rad counter-clockwise as displayed, ``log_scale (n,)``.

    ``linear (n, 2, 2)`` brings rows (y, x) from the motif's grain to the first. ``order (n, 2 m)`` are real and
    imaginary parts of the amplitudes of a superlattice in the frame of the motif. None stands for a model without
    rotation, scale or order, or with a single grain.
    """

    shift_px: Tensor
    turn: Tensor | None = None
    log_scale: Tensor | None = None
    linear: Tensor | None = None
    order: Tensor | None = None

    @property
    def shift_only(self) -> bool:
        """True for poses that differ in shift alone."""
        return self.turn is None and self.log_scale is None and self.linear is None


class Reported(NamedTuple):
    """Name, unit, kind and period of a reported latent; see `manifest.Latent`."""

    name: str
    unit: str
    kind: Literal["shift", "grain", "rotation", "scale", "order", "content"]
    period: float | None


class PoseLatent(Protocol):
    """A latent of the pose other than the shift.

    `code` is ``(..., size)``: the encoder's raw outputs for this latent, the logarithm of the posterior's width last.
    """

    @property
    def name(self) -> str:
        """Name of the latent in results."""

    @property
    def kind(self) -> Literal["rotation", "scale"]:
        """Kind of the latent in the manifest."""

    @property
    def unit(self) -> str:
        """Unit of the reported values."""

    @property
    def period(self) -> float | None:
        """Period of the reported values in `unit`; None if they are not periodic."""

    @property
    def size(self) -> int:
        """Number of raw outputs per window."""

    def mean(self, code: Tensor) -> Tensor:
        """Posterior mean ``(...)`` in the unit of `Pose`."""

    def sample(self, code: Tensor) -> Tensor:
        """Reparametrised sample ``(...)`` in the unit of `Pose`."""

    def reported(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior mean and standard deviation ``(...)`` in `unit`."""

    def at(self, reported: Tensor) -> Tensor:
        """Value ``(...)`` in the unit of `Pose` of ``reported (...)`` in `unit`."""

    def kl(self, code: Tensor) -> Tensor:
        """KL divergence from the prior ``(...)``, nats."""

    def distance(self, code: Tensor, target: Tensor) -> Tensor:
        """Squared distance ``(...)`` of the posterior mean from ``target (...)``."""

    def mismatch(self, code: Tensor, other: Tensor, change: Tensor) -> Tensor:
        """Squared distance ``(...)`` of `other` from `code` after a known ``change (...)`` of the motif."""

    def code_penalty(self, code: Tensor) -> Tensor:
        """Penalty ``(...)`` that keeps the raw code well scaled."""


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
