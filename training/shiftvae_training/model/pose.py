"""Where and how the motif lies in a window: its shift, and where the model has them, its turn and its size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

__all__ = ["Pose", "PoseLatent"]


@dataclass(frozen=True)
class Pose:
    """Poses of n motifs: ``shift_px (n, 2)``, ``turn (n,)`` rad counter-clockwise as seen, ``log_scale (n,)``.

    None stands for a motif that does not turn, or has one size.
    """

    shift_px: Tensor
    turn: Tensor | None = None
    log_scale: Tensor | None = None


class PoseLatent(Protocol):
    """A latent beside the shift that says how the motif lies; `code` below is ``(..., size)``, the encoder's raw
    outputs for it, the logarithm of the posterior's width last.
    """

    @property
    def name(self) -> str:
        """In results."""

    @property
    def kind(self) -> Literal["rotation", "scale"]:
        """In the manifest."""

    @property
    def unit(self) -> str:
        """Of what is reported."""

    @property
    def period(self) -> float | None:
        """Reported values that far apart mean the same; None if none do."""

    @property
    def size(self) -> int:
        """Raw numbers for a window."""

    def mean(self, code: Tensor) -> Tensor:
        """Posterior mean ``(...)``, as the decoder takes it."""

    def sample(self, code: Tensor) -> Tensor:
        """A reparametrised sample ``(...)``."""

    def reported(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation ``(...)`` in `unit`."""

    def kl(self, code: Tensor) -> Tensor:
        """Divergence from the prior ``(...)``, nats."""

    def miss(self, code: Tensor, wanted: Tensor) -> Tensor:
        """How far the mean is from ``wanted (...)``."""

    def mismatch(self, code: Tensor, other: Tensor, change: Tensor) -> Tensor:
        """How far `other` is from where it must be: its motifs are changed by a known ``change (...)``."""

    def unruly(self, code: Tensor) -> Tensor:
        """A penalty that keeps the code itself well scaled, ``(...)``."""
