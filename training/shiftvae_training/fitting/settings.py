"""How to train: what a user may set, and what is chosen where nothing is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from shiftvae_rt.errors import TrainingError

from ..constraints import CONSTRAINTS, Constraint
from ..model.decoder import DecoderName
from ..model.encoder_families import ENCODERS
from ..model.likelihood import LikelihoodName
from ..model.shift import ShiftName
from .field_rules import (
    Rule,
    check_field,
    check_fields,
    each_name,
    flag,
    number,
    one_of,
    optional,
    whole,
)

__all__ = ["MOST_CONTENT", "Settings", "check_setting"]

#: Largest number of content latents.
MOST_CONTENT = 8
#: Largest seed, and number of steps, threads and turns: what four bytes hold.
LARGEST = 2**31 - 1


def _are_weights(value: object) -> bool:
    is_weight = number().accepts
    return isinstance(value, Mapping) and all(name in CONSTRAINTS and is_weight(w) for name, w in value.items())


def _are_conditions(value: object) -> bool:
    return isinstance(value, tuple) and all(map(_is_condition, value))


def _is_condition(value: object) -> bool:
    """Tell a constraint from its class, which has been forgotten to be called."""
    return callable(value) and not isinstance(value, type) and number().accepts(getattr(value, "weight", None))


def _rules() -> dict[str, Rule]:
    """Give the rule of every field; anew each time, as families of encoders may have been added."""
    return {
        "window": optional(whole(4), "auto: choose it"),
        "content": optional(whole(0, MOST_CONTENT), "auto: choose it"),
        "encoder": one_of(ENCODERS),
        "shift": one_of(get_args(ShiftName)),
        "constraints": Rule(f"weights of at least 0 by the names {', '.join(CONSTRAINTS)}", _are_weights),
        "conditions": Rule("a tuple of constraints, each callable, with a weight of at least 0", _are_conditions),
        "steps": whole(1, LARGEST),
        "seed": whole(0, LARGEST),
        "threads": whole(1, LARGEST),
        "rotation": whole(0, LARGEST),
        "scale": flag(),
        "decoder": one_of(get_args(DecoderName)),
        "likelihood": one_of(get_args(LikelihoodName)),
        "kl_shift": number(),
        "kl_content": number(),
        "classes": each_name(),
    }


def check_setting(name: str, value: object) -> None:
    """Refuse a value that the field `name` of `Settings` cannot have: the check of the class and of the command line.

    Raises
    ------
    TrainingError
        with the field's name, what was expected and what came.
    """
    check_field(name, value, _rules()[name])


@dataclass(frozen=True)
class Settings:
    """How to train; every field is checked when the settings are made.

    Parameters
    ----------
    window
        px; None chooses it, see `automatic`.
    content
        Number of content latents, 0 to 8; None chooses it.
    encoder
        Name of one of `encoder_families.ENCODERS`.
    shift
        ``"torus"`` (needs a lattice) or ``"planar"`` (isolated features).
    constraints
        Weights by name, see `constraints`. A weight of ``"smooth"`` that is not given is chosen; 0 switches it off.
    conditions
        Further constraints, such as your own: see docs/how-to/constraints.md.
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
        set the deviations as trained; the exported ones are calibrated (docs/reference/benchmarks.md).
    classes
        Name of the class of each frame, which the decoder is told and the encoder is not; none by default.

    Raises
    ------
    TrainingError
        naming the field, what was expected and what came.
    """

    window: int | None = None
    content: int | None = None
    encoder: str = "dilated"
    shift: ShiftName = "torus"
    constraints: dict[str, float] = field(default_factory=lambda: {"displacement": 100.0})
    conditions: tuple[Constraint, ...] = ()
    steps: int = 3000
    seed: int = 0
    threads: int = 1
    rotation: int = 0
    scale: bool = False
    decoder: DecoderName = "template"
    likelihood: LikelihoodName = "gaussian"
    kl_shift: float = 1.0
    kl_content: float = 1.0
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self, _rules())
        if (self.rotation or self.scale) and self.shift != "planar":
            raise TrainingError(
                f"expected rotation and scale with shift='planar' alone, got rotation={self.rotation}, "
                f"scale={self.scale} with shift={self.shift!r}: a lattice turns and grows with its motif; for isolated "
                "features use --shift planar with --window"
            )
