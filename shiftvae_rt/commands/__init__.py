"""The runtime's subcommands, one module each, named as the command.

A module exposes ``add(subparsers)``, which adds its parser and sets ``run``, a function from the parsed arguments to
nothing. Modules import argparse alone at the top, and what they need inside ``run``: `shiftvae --help` stays quick.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ..encode.mapper import LatentMapper

__all__ = ["AddCommand", "Subparsers", "add_encoding", "add_force", "add_provider", "say_encoding"]


class Subparsers(Protocol):
    """What `argparse.ArgumentParser.add_subparsers` gives; argparse has no public name for it."""

    def add_parser(self, name: str, *, help: str, description: str | None = None) -> argparse.ArgumentParser:  # noqa: A002
        """Add a subcommand and give its parser."""


#: Adds one subcommand.
AddCommand = Callable[[Subparsers], None]


def add_encoding(parser: argparse.ArgumentParser) -> None:
    """Add the options ``--provider`` and ``--verbose``."""
    add_provider(parser)
    parser.add_argument("-v", "--verbose", action="store_true", help="say how the frames are encoded, and why")


def add_provider(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--provider``."""
    parser.add_argument(
        "--provider",
        choices=["auto", "cpu", "cuda", "tensorrt"],
        default="cpu",
        help="where the encoder runs; auto measures once on this machine and keeps the answer (default %(default)s)",
    )


def add_force(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--force`` of every command that writes a file."""
    parser.add_argument("--force", action="store_true", help="replace a file that is there already")


def say_encoding(mapper: LatentMapper, arguments: argparse.Namespace) -> None:
    """Say on stderr what ``auto`` chose, and why; if asked to, the way from lines to latents too."""
    if arguments.verbose or arguments.provider == "auto":
        print(f"shiftvae: provider {mapper.provider} ({mapper.provider_reason})", file=sys.stderr)
    if arguments.verbose:
        print(f"shiftvae: route {mapper.route.description}", file=sys.stderr)
