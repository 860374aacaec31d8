"""What the commands of the training half have in common: types of arguments, and where a model may go."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shiftvae_rt.errors import ModelFileError
from shiftvae_rt.output_file import try_output

__all__ = ["automatic_or", "check_model_output", "checked", "field", "positive"]

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
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def field(check: Callable[[str, Any], None], name: str, parse: Callable[[str], Any] = str) -> Callable[[str], Any]:
    """Read the value of a field of a settings class, and let its own check judge.

    Parameters
    ----------
    check
        Takes name and value; `ValueError` says what is wrong.
    name
        Name of the field.
    parse
        From a word to a value; a word that it cannot read is judged as it is.
    """

    def parse_field(text: str) -> Any:
        try:
            value = parse(text)
        except ValueError:
            value = text
        check(name, value)
        return value

    return checked(parse_field)


def automatic_or(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """None for 'auto'; else what `parse` says."""
    return lambda text: None if text == "auto" else parse(text)
