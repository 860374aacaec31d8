"""Common parts of the training commands: types of arguments, and the check of the output path."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shiftvae_rt.errors import ModelFileError
from shiftvae_rt.output_file import try_output

__all__ = ["automatic_or", "check_model_output", "checked", "field", "positive"]

#: Upper bound of the size of a model file with its report.
MODEL_BYTES = 16 << 20


def check_model_output(path: str, *, force: bool, report: bool) -> None:
    """Check before the work that a model file can be written.

    Parameters
    ----------
    path
        Model file that will be written.
    force
        Whether existing files may be replaced.
    report
        Whether a report of the same name, with .html, will be written beside it.

    Raises
    ------
    ModelFileError
        for another ending.
    DataFileError
        for a path that cannot be written, or where a file exists.
    """
    if Path(path).suffix.lower() != ".svae":
        raise ModelFileError(f"expected a model file that ends in .svae, got {path}: rename it")
    try_output(path, force=force, room=MODEL_BYTES)
    if report:
        try_output(Path(path).with_suffix(".html"), force=force)


def checked(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Turn the `ValueError` of `parse` into argparse's error, with its message."""

    def checked_parse(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return checked_parse


def positive(text: str) -> int:
    """Read a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def field(check: Callable[[str, Any], None], name: str, parse: Callable[[str], Any] = str) -> Callable[[str], Any]:
    """Make an argument type from a field of a settings class, validated by the check of that class.

    Parameters
    ----------
    check
        Function of name and value that raises a `ValueError` with the reason.
    name
        Name of the field.
    parse
        Function from a word to a value; a word that it cannot read is checked unchanged.
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
    """Make a parser that gives None for 'auto', and else the result of `parse`."""
    return lambda text: None if text == "auto" else parse(text)
