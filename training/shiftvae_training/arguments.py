"""What the commands of the training half have in common: types of arguments, and where a model may go."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shiftvae_rt.errors import ModelFileError
from shiftvae_rt.output_file import try_output

__all__ = ["automatic_or", "check_model_output", "checked", "positive", "whole"]

#: A model file with its report takes less.
MODEL_BYTES = 16 << 20


def check_model_output(path: str, *, force: bool, report: bool) -> None:
    """Refuse a model path that cannot be written before a minute of work, not after it.

    Parameters
    ----------
    path
        Model file that will be written.
    force
        Whether files that are there already may be replaced.
    report
        Whether a report, the same name with .html, will be written beside it.

    Raises
    ------
    ModelFileError
        for another ending.
    DataFileError
        for a place that cannot be written, or has a file already.
    """
    if Path(path).suffix.lower() != ".svae":
        raise ModelFileError(f"expected a model file that ends in .svae, got {path}: rename it")
    try_output(path, force=force, room=MODEL_BYTES)
    if report:
        try_output(Path(path).with_suffix(".html"), force=force)


def checked(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Let argparse say what `parse` says."""

    def checked_parse(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return checked_parse


def positive(text: str) -> int:
    """A whole number of at least 1."""
    return whole(text, least=1)


def whole(text: str, *, least: int = 0, most: int = 2**31 - 1) -> int:
    """A whole number from `least` to `most`."""
    if not text.isdecimal() or not least <= int(text) <= most:
        limits = f"of at least {least}" if most == 2**31 - 1 else f"from {least} to {most}"
        raise argparse.ArgumentTypeError(f"expected a whole number {limits}, got {text!r}")
    return int(text)


def automatic_or(parse: Callable[[str], int]) -> Callable[[str], int | None]:
    """None for 'auto'; else what `parse` says."""
    return lambda text: None if text == "auto" else parse(text)
