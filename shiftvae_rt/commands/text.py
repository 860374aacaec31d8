"""Answers of commands as lines that fit a terminal of 80 columns."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable
from typing import TextIO

__all__ = ["COLUMNS", "KEPT", "answer", "counted", "described", "say", "wrapped"]

COLUMNS = 80
#: A blank at which no line is broken; `wrapped` makes it an ordinary one.
KEPT = "\N{NO-BREAK SPACE}"


def wrapped(text: str, *, first: str = "", rest: str = "") -> list[str]:
    """Break text into lines of at most 80 columns; words that are longer (hashes, paths) stay whole.

    Parameters
    ----------
    text
        Text to be broken at its blanks.
    first, rest
        Beginnings of the first line, and of the others.
    """
    lines = textwrap.wrap(
        text, COLUMNS, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace(KEPT, " ") for line in lines]


def described(rows: Iterable[tuple[str, str]], *, column: int, indent: int = 0) -> str:
    """Lay out names on the left and their texts on the right, which begin at `column` on every line.

    >>> print(described([("model", "a.svae"), ("", "mlp")], column=8))
    model   a.svae
            mlp
    """
    lines = []
    for name, text in rows:
        first = f"{'':{indent}}{name}"
        lines += wrapped(text, first=first.ljust(column), rest=" " * column) or [first]
    return "\n".join(lines)


def counted(number: int, noun: str) -> str:
    """Give a number of things that have a regular plural.

    >>> counted(1, "frame"), counted(0, "frame")
    ('1 frame', '0 frames')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def answer(text: str) -> None:
    """Print text on stdout, in lines that fit."""
    _write(sys.stdout, text)


def say(words: str) -> None:
    """Print progress on stderr."""
    _write(sys.stderr, f"shiftvae: {words}")


def _write(stream: TextIO, text: str) -> None:
    stream.write("".join(f"{line}\n" for line in wrapped(text, rest="  ")))  # at once: Ctrl-C may come between two
    stream.flush()
