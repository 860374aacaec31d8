"""Settings of a training, and their validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from shiftvae_rt.errors import TrainingError

from ..constraints import CONSTRAINTS, Constraint
from ..lattice.cell import Cell, is_cell
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
    """Tell whether `value` is a constraint, and not the class of one."""
    return callable(value) and not isinstance(value, type) and number().accepts(getattr(value, "weight", None))


def _rules() -> dict[str, Rule]:
    """Rule of every field; made at each call, because encoder families may have been added."""
    return {
        "window": optional(whole(4), "auto: choose it"),
        "content": optional(whole(0, MOST_CONTENT), "auto: choose it"),
        "encoder": one_of(ENCODERS),
        "shift": one_of(get_args(ShiftName)),
        "cell": Rule("auto, parent, super, or two vectors (y,x),(y,x) in px that are not parallel", is_cell),
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
    """Check a value for the field `name` of `Settings`, as the class and the command line do.

    Raises
    ------
    TrainingError
        with the field's name, what was expected and what was given.
    """
    check_field(name, value, _rules()[name])


@dataclass(frozen=True)
class Settings:
    """Settings of a training; every field is checked when they are made.

    Parameters
    ----------
    window
        Edge of a window, px; None chooses it, see `automatic`.
    content
        Number of content latents, 0 to 8; None chooses it.
    encoder
        Name of one of `encoder_families.ENCODERS`.
    shift
        ``"torus"`` (needs a lattice) or ``"planar"`` (isolated features).
    cell
        Which cell a sample with a superlattice has, see `find_lattice`; or its two vectors (y, x), px.
    constraints
        Weights by name, see `constraints`. A weight of ``"smooth"`` that is not given is chosen; 0 switches it off.
    conditions
        Further constraints, such as your own: see docs/how-to/constraints.md.
    steps
        Optimiser steps.
    seed
        Seed of everything random.
    threads
        Number of threads of torch.
    rotation
        Rotational symmetry of a motif that turns, for isolated features: 1 for none, n if it looks the same after
        ``360 / n`` degrees; 0 if it does not turn.
    scale
        Whether the motif differs in size, for isolated features.
    decoder
        ``"template"``, or ``"coordinate"``, the much slower decoder of the paper.
    likelihood
        ``"gaussian"`` with learned noise, ``"poisson"`` for counts, ``"bernoulli"`` for data scaled to 0..1.
    kl_shift, kl_content
        Weights of the KL divergences from the priors of the pose and the content. They set the deviations as trained;
        the exported ones are calibrated (docs/reference/benchmarks.md).
    classes
        Name of the class of each frame, on which the decoder is conditioned but not the encoder; none by default.

    Raises
    ------
    TrainingError
        with the field, what was expected and what was given.
    """

    window: int | None = None
    content: int | None = None
    encoder: str = "convolutional"
    shift: ShiftName = "torus"
    cell: Cell = "auto"
    constraints: dict[str, float] = field(default_factory=lambda: {"displacement": 100.0})
    conditions: tuple[Constraint, ...] = ()
    steps: int = 1000
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
        if self.cell != "auto" and self.shift != "torus":
            raise TrainingError(f"expected a cell with shift='torus' alone, got {self.cell!r} with {self.shift!r}")
