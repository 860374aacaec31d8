"""`shiftvae`: one command with subcommands, each in a module of its own.

The runtime's are in the table `commands.COMMANDS`. Other packages (the training half) add theirs through the entry
point group ``shiftvae.commands``, where a name leads to a `commands.Command`. Only the module of the subcommand that
was typed is imported, and other packages are looked up only for a subcommand that is not in the table.

Exit codes: 0 done, 1 a named error on one line of stderr, 2 wrong usage, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import TextIO

from . import __version__
from .commands import COMMANDS, Command
from .commands.argument_parser import ArgumentParser
from .errors import ShiftVaeError
from .names import shown

__all__ = ["command_parser", "installed_commands", "main"]

DESCRIPTION = "Live latent maps of order parameters for electron and tunnelling microscopes."
EPILOG = "shiftvae COMMAND --help shows what a command does and its options."


def main(argv: Sequence[str] | None = None) -> int:
    """Run `shiftvae` with `argv` (default: the arguments of the process) and give its exit code.

    Wrong usage raises `SystemExit` with code 2, as in argparse.
    """
    warnings.showwarning = _show_warning
    for stream in (sys.stdout, sys.stderr):  # a name that the console cannot show is no reason to fail after the work
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        own = [command for command in COMMANDS if command.name in words[:1]]
        arguments = command_parser(own or installed_commands(), words[:1]).parse_args(words)
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


def installed_commands() -> list[Command]:
    """List every subcommand of the installed packages, in the order of work."""
    from importlib.metadata import entry_points  # slow to import: it brings the parser of e-mail

    others: list[Command] = []
    for entry_point in entry_points(group="shiftvae.commands"):
        try:
            others.append(entry_point.load())
        except (ImportError, AttributeError) as error:
            warnings.warn(
                f"the command {entry_point.name} is not available ({error}): install its package again", stacklevel=2
            )
    return sorted([*COMMANDS, *others], key=lambda command: command.place)


def command_parser(commands: Sequence[Command], whole: Sequence[str]) -> ArgumentParser:
    """Make the parser of `shiftvae`.

    Parameters
    ----------
    commands
        The subcommands, in the order in which they are listed.
    whole
        Names of those whose modules are imported and whose arguments are added.

    Raises
    ------
    ImportError
        if one of these needs a package that is not installed.
    """
    parser = ArgumentParser(prog="shiftvae", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("--version", action="version", version=f"shiftvae-rt {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in commands:
        subparser = subparsers.add_parser(command.name, help=command.help)
        if command.name in whole:
            module = import_module(command.module)
            subparser.description = module.__doc__
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    return parser


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
