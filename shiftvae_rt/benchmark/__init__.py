"""Limits of this machine, and the speed of a model on it: for `shiftvae benchmark` and the project's own figures."""

from __future__ import annotations

from .machine import (
    Limits,
    cores,
    describe_machine,
    measure_limits,
    multiply_add_rate,
)
from .model_speed import (
    ModelSpeed,
    RowSpeed,
    StrideSpeed,
    lattice_frame,
    measure_model,
    row_latencies,
)
from .timing import repeated, take_turns

__all__ = [
    "Limits",
    "ModelSpeed",
    "RowSpeed",
    "StrideSpeed",
    "cores",
    "describe_machine",
    "lattice_frame",
    "measure_limits",
    "measure_model",
    "multiply_add_rate",
    "repeated",
    "row_latencies",
    "take_turns",
]
