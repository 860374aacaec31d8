"""Settings of `shiftvae demo`."""

from __future__ import annotations

from dataclasses import dataclass

from ..fitting.field_rules import (
    Rule,
    check_field,
    check_fields,
    flag,
    number,
    one_of,
    optional,
    text,
    whole,
)
from ..model.encoder_families import ENCODERS

__all__ = ["DemoSettings", "check_demo_setting"]


def _rules() -> dict[str, Rule]:
    return {
        "output": text(),
        "force": flag(),
        "input": optional(text(), "simulated microscope"),
        "encoder": one_of(ENCODERS),
        "seed": whole(),
        "steps": whole(1),
        "frames": whole(1),
        "frames_per_s": number(above=True),
        "rows": whole(0),
        "stride": whole(1),
    }


def check_demo_setting(name: str, value: object) -> None:
    """Check a value for the field `name` of `DemoSettings`; raises `TrainingError` with the name."""
    check_field(name, value, _rules()[name])


@dataclass(frozen=True)
class DemoSettings:
    """Settings of the demo's training and stream; every field is checked when the settings are made.

    Parameters
    ----------
    output
        Folder for model, picture and summary.
    force
        Whether files that are there already may be replaced.
    input
        Scan or movie; None: the simulated microscope.
    encoder, seed, steps
        Of the training, see `Settings`; the seed is that of the microscope too.
    frames
        Number of frames to stream.
    frames_per_s
        Pace of the stream.
    rows
        Scan lines of a message; 0: whole frames.
    stride
        px between windows.

    Raises
    ------
    TrainingError
        naming the field, what was expected and what came.
    """

    output: str
    force: bool = False
    input: str | None = None
    encoder: str = "convolutional"
    seed: int = 0
    steps: int = 1000
    frames: int = 30
    frames_per_s: float = 5.0
    rows: int = 16
    stride: int = 4

    def __post_init__(self) -> None:
        check_fields(self, _rules())
