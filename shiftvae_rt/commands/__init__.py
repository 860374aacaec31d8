"""The runtime's subcommands, one module each with the name of the command; and the options that they share.

A module has ``add_arguments(parser)`` and ``run(arguments)``, and its docstring describes the command. It is imported
only when its command was typed: `shiftvae --help` needs no more than the table below.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .text import say

if TYPE_CHECKING:
    from ..encode.mapper import LatentMapper

__all__ = ["COMMANDS", "Command", "add_encoding", "add_force", "add_provider", "say_encoding"]


@dataclass(frozen=True)
class Command:
    """A subcommand as `shiftvae --help` lists it.

    Attributes
    ----------
    name
        Word after `shiftvae`.
    help
        What it does, on one line that begins with a verb.
    place
        Position in the order of work, in which commands are listed.
    module
        Full name of its module.
    """

    name: str
    help: str
    place: int
    module: str


def _command(name: str, about: str, place: int) -> Command:
    return Command(name, about, place, f"{__name__}.{name}")


#: The subcommands in the order of work, which begins with those of the training half.
COMMANDS = (
    _command("inspect", "verify and describe a model file", 30),
    _command("map", "write the latent maps of a file's frames", 40),
    _command("benchmark", "measure the speed of a model on this machine", 50),
    _command("serve", "compute the latent maps of a scan while it runs", 60),
    _command("fleet", "run several services: one for each detector, model or GPU", 65),
    _command("send", "replay a file to a running service", 70),
    _command("simulate", "send frames of a simulated microscope to a service", 80),
    _command("watch", "show the results of a running service", 90),
    _command("open", "open the live page, or the report of a model, in the browser", 95),
    _command("status", "show the status of a running service, or stop it", 100),
    _command("export", "list the streams of a journal, or write one as a file", 110),
    _command("keys", "create, list and revoke the keys of clients", 120),
    _command("sign", "sign a model file", 130),
)


def add_encoding(parser: argparse.ArgumentParser) -> None:
    """Add the options ``--provider`` and ``--verbose``."""
    add_provider(parser)
    parser.add_argument("-v", "--verbose", action="store_true", help="say how frames are encoded, and why")


def add_provider(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--provider``."""
    parser.add_argument(
        "--provider",
        choices=["auto", "native", "onnxruntime", "cuda", "tensorrt"],
        help="what runs the network; auto measures once on this machine and keeps the answer (default: native, or "
        "onnxruntime for a network over single windows)",
    )


def add_force(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--force`` of every command that writes a file."""
    parser.add_argument("--force", action="store_true", help="replace files that exist already")


def say_encoding(mapper: LatentMapper, arguments: argparse.Namespace) -> None:
    """Print on stderr what ``auto`` chose, and why; with ``--verbose`` also the route from lines to latents."""
    if arguments.verbose or arguments.provider == "auto":
        say(f"provider {mapper.provider} ({mapper.provider_reason})")
    if arguments.verbose:
        say(f"route {mapper.route.description}")
