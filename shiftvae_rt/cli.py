"""`shiftvae`: one command; each subcommand lives with its thing.

The runtime's subcommands are the modules of `shiftvae_rt.commands`. Other packages (the training half) add theirs
through the entry point group ``shiftvae.commands``: its name, and a function that takes the subparsers.

Exit codes: 0 done, 1 a named error on one line of stderr, 2 wrong usage, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import pkgutil
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import entry_points
from io import TextIOWrapper
from typing import NoReturn, TextIO

from . import __version__, commands
from .errors import ShiftVaeError
from .names import shown

__all__ = ["main"]

DESCRIPTION = "Live latent maps of order parameters for electron and tunnelling microscopes."


def main(argv: Sequence[str] | None = None) -> int:
    """Run `shiftvae` with `argv` (default: the process's own arguments) and give its exit code.

    Wrong usage leaves through `SystemExit` with code 2, as argparse does it.
    """
    warnings.showwarning = _show_warning
    for stream in (sys.stdout, sys.stderr):  # a name that the console cannot show is no reason to fail after the work
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        arguments = _parser(words).parse_args(words)
        arguments.run(arguments)
        sys.stdout.flush()
    except ShiftVaeError as error:
        _complain("error", str(error))
        return 1
    except ImportError as error:
        _complain(
            "error",
            f"{error}: install the extra that brings it, pip install 'shiftvae-rt[cpu,io]' to run models, "
            "'shiftvae-rt[cpu,io,train]' to train them",
        )
        return 1
    except KeyboardInterrupt:
        print("shiftvae: stopped by Ctrl-C", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of stdout went away (`shiftvae ... | head`). Python would complain again while it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


class _Parser(argparse.ArgumentParser):
    """Complains on one line, like every other error; argparse would print the usage before it."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: error: {message}: see {self.prog} --help", file=sys.stderr)
        raise SystemExit(2)


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """The commands that `words` may mean: all, or if the first is one of ours, ours alone.

    The training half brings torch, which costs far more processor time than the start and end of a service.
    """
    parser = _Parser(prog="shiftvae", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"shiftvae-rt {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in pkgutil.iter_modules(commands.__path__):
        import_module(f"{commands.__name__}.{module.name}").add(subparsers)
    if words and words[0] in subparsers.choices:
        return parser
    for entry_point in sorted(entry_points(group="shiftvae.commands"), key=lambda entry_point: entry_point.name):
        try:
            add: commands.AddCommand = entry_point.load()
        except ImportError as error:
            _add_absent(subparsers, entry_point.name, error)
        else:
            add(subparsers)
    return parser


def _add_absent(subparsers: argparse._SubParsersAction[_Parser], name: str, reason: ImportError) -> None:
    """Add a subcommand of a package that cannot be imported: whatever its arguments, it says why."""

    def explain(_: argparse.Namespace) -> None:
        raise reason

    parser = subparsers.add_parser(name, help=f"not available: {reason}", add_help=False, prefix_chars="\0")
    parser.add_argument("anything", nargs="*")
    parser.set_defaults(run=explain)


def _complain(kind: str, message: str) -> None:
    print(f"shiftvae: {kind}: {shown(' '.join(message.split()))}", file=sys.stderr)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    del category, filename, lineno, file, line  # a user of the command needs the sentence, not our source line
    _complain("warning", str(message))
