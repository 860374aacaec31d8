"""The runtime's subcommands, one module each, named as the command.

A module exposes ``add(subparsers)``, which adds its parser and sets ``run``, a function from the parsed arguments to
nothing. Modules import argparse alone at the top, and what they need inside ``run``: `shiftvae --help` stays quick.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    #: What `argparse.ArgumentParser.add_subparsers` gives; argparse has no public name for it.
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]
    #: Adds one subcommand.
    AddCommand = Callable[[Subparsers], None]
    #: Imports what adds one subcommand.
    LoadCommand = Callable[[], AddCommand]

__all__ = ["AddCommand", "LoadCommand", "Subparsers"]
