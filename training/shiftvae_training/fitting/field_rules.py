"""Validation rules for the fields of a settings class, and the check that applies them.

A rule states in words what it expects, for messages, and decides whether a value is accepted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from shiftvae_rt.errors import TrainingError

__all__ = ["Rule", "check_field", "check_fields", "each_name", "flag", "number", "one_of", "optional", "text", "whole"]


@dataclass(frozen=True)
class Rule:
    """Rule for the values of a field.

    Parameters
    ----------
    expected
        Description of the accepted values, which follows "expected NAME to be".
    accepts
        Whether a value is accepted.
    """

    expected: str
    accepts: Callable[[Any], bool]


def check_field(name: str, value: object, rule: Rule) -> None:
    """Check the value of the field `name` by its rule.

    Raises
    ------
    TrainingError
        with the field's name, what was expected and what was given.
    """
    if not rule.accepts(value):
        raise TrainingError(f"expected {name} to be {rule.expected}, got {value!r}")


def check_fields(settings: Any, rules: Mapping[str, Rule]) -> None:
    """Check every field of a dataclass by the rule of its name; `TrainingError` as `check_field`."""
    for field in fields(settings):
        check_field(field.name, getattr(settings, field.name), rules[field.name])


def whole(least: int = 0, most: int | None = None) -> Rule:
    """Rule for a whole number from `least` to `most`; True and False are not numbers."""
    limits = f"of at least {least}" if most is None else f"from {least} to {most}"

    def accepts(value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int):
            return False
        return value >= least and (most is None or value <= most)

    return Rule(f"a whole number {limits}", accepts)


def number(least: float = 0.0, *, above: bool = False) -> Rule:
    """Rule for a finite number of at least `least`, or `above` it; True and False are not numbers."""

    def accepts(value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            return False
        return value > least if above else value >= least

    return Rule(f"a number {'above' if above else 'of at least'} {least:g}", accepts)


def flag() -> Rule:
    """Rule for True or False."""
    return Rule("True or False", lambda value: isinstance(value, bool))


def text() -> Rule:
    """Rule for a string that is not empty."""
    return Rule("a text", lambda value: isinstance(value, str) and bool(value))


def one_of(names: Iterable[str]) -> Rule:
    """Rule for one of `names`."""
    known = tuple(names)
    return Rule(f"one of {', '.join(known)}", lambda value: isinstance(value, str) and value in known)


def each_name() -> Rule:
    """Rule for a tuple, possibly empty, of strings that are not empty."""
    is_name = text().accepts
    return Rule("a tuple of texts", lambda value: isinstance(value, tuple) and all(map(is_name, value)))


def optional(rule: Rule, meaning: str) -> Rule:
    """Rule for what `rule` accepts, or None; `meaning` says what None stands for."""
    return Rule(f"{rule.expected}, or None ({meaning})", lambda value: value is None or rule.accepts(value))
