"""The parser of the command line: a mistake costs one line, which names the word that was meant if one is close."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

__all__ = ["ArgumentParser"]


class ArgumentParser(argparse.ArgumentParser):
    """A parser whose errors take one line and suggest a word for a mistyped command, option or choice.

    Unknown options are reported first, where argparse would report the arguments that are missing because of them.
    Numbers (arguments of type `int` or `float`) are finite and at least 0.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_Help, **options)
        self.register("type", int, _whole)
        self.register("type", float, _number)

    def error(self, message: str) -> NoReturn:
        """Print the message and where help is to be found, and leave with code 2."""
        end = "" if message.endswith("?") else ":"
        print(f"{self.prog}: error: {message}{end} see {self.prog} --help", file=sys.stderr)
        raise SystemExit(2)

    def parse_known_args(  # type: ignore[override]  # typeshed has overloads for namespaces of other classes
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse as argparse does, but leave nothing over: each parser reports the words that it does not know."""
        words = sys.argv[1:] if args is None else list(args)
        self._check_options(words)
        found, rest = super().parse_known_args(words, namespace)
        if rest:
            self.error(f"unexpected {' '.join(rest)}")
        return found, rest

    def _check_options(self, words: Iterable[str]) -> None:
        known = list(self._option_string_actions)
        for word in words:
            if word == "--" or (self._subparsers is not None and not word.startswith("-")):
                return  # what follows is no option, or another parser's
            option = word.partition("=")[0]
            if option.startswith("--") and not any(each.startswith(option) for each in known):
                self.error(f"unknown option {option}{_meant(option, known)}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        known = list(map(str, action.choices))
        meant = _meant(str(value), known) or f": choose from {', '.join(known)}"
        raise argparse.ArgumentError(action, f"there is no {value!r}{meant}")


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 0, got {text!r}")
    return int(text)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number of at least 0, got {text!r}")
    return value


class _Help(argparse.HelpFormatter):
    """Help that lists subcommands like options, without a line for their metavar above them."""

    def _format_action(self, action: argparse.Action) -> str:
        if isinstance(action, argparse._SubParsersAction):
            return "".join(map(self._format_action, action._get_subactions()))
        return super()._format_action(action)


def _meant(word: str, known: Sequence[str]) -> str:
    """Ask whether the known word that is closest was meant; empty if none is close."""
    import difflib

    longer = [each for each in known if word and each.startswith(word)]
    close = longer[:1] or difflib.get_close_matches(word, known, 1)
    return f": did you mean {close[0]}?" if close else ""
