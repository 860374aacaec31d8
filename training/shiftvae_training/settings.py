"""How to train: what a user may set, and what is chosen where nothing is."""

from __future__ import annotations

from dataclasses import dataclass, field

from .constraints import Constraint

__all__ = ["Settings"]


@dataclass(frozen=True)
class Settings:
    """How to train.

    Parameters
    ----------
    window
        px; None chooses it, see `automatic`.
    content
        Number of content latents; None chooses it.
    encoder
        One of `encoder_families.ENCODERS`.
    shift
        ``"torus"`` (needs a lattice) or ``"planar"`` (isolated features).
    constraints
        Weights by name, see `constraints`. A weight of ``"smooth"`` that is not given is chosen; 0 switches it off.
    conditions
        Further constraints, such as your own: see docs/constraints.md.
    steps
        Optimiser steps.
    seed
        Of everything that is random.
    threads
        Of torch.
    rotation
        The motif turns: 0 if not, else its symmetry; 1 if it never looks the same, n if it does after ``360 / n``
        degrees. Of isolated features.
    scale
        The motif comes in different sizes. Of isolated features.
    decoder
        ``"template"``, or ``"coordinate"``: the paper's, far slower.
    likelihood
        ``"gaussian"`` with learned noise, ``"poisson"`` for counts, ``"bernoulli"`` on data brought to 0..1.
    kl_shift, kl_content
        Weights of the divergences from the priors: how much the uncertainty of position, and of shape, is worth. They
        set the deviations as trained; the exported ones are calibrated (docs/benchmarks.md).
    classes
        Name of the class of each frame, which the decoder is told and the encoder is not; none by default.
    """

    window: int | None = None
    content: int | None = None
    encoder: str = "dilated"
    shift: str = "torus"
    constraints: dict[str, float] = field(default_factory=lambda: {"displacement": 100.0})
    conditions: tuple[Constraint, ...] = ()
    steps: int = 3000
    seed: int = 0
    threads: int = 1
    rotation: int = 0
    scale: bool = False
    decoder: str = "template"
    likelihood: str = "gaussian"
    kl_shift: float = 1.0
    kl_content: float = 1.0
    classes: tuple[str, ...] = ()
