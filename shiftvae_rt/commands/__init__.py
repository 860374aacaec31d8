"""The runtime's subcommands, one module each, named as the command.

A module exposes ``add(subparsers)``, which adds its parser and sets ``run``, a function from the parsed arguments to
nothing. Modules import argparse alone at the top, and what they need inside ``run``: `shiftvae --help` stays quick.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Protocol

__all__ = ["AddCommand", "Subparsers"]


class Subparsers(Protocol):
    """What `argparse.ArgumentParser.add_subparsers` gives; argparse has no public name for it."""

    def add_parser(self, name: str, *, help: str, description: str | None = None) -> argparse.ArgumentParser:  # noqa: A002
        """Add a subcommand and give its parser."""


#: Adds one subcommand.
AddCommand = Callable[[Subparsers], None]
