"""Run several services on this machine: start, watch and restart one for each detector, model or GPU.

FLEET.toml lists the services. A status page shows them, and clients find the service of their stream by the address
fleet://127.0.0.1:5779 in place of an endpoint.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .text import answer, counted

if TYPE_CHECKING:
    from ..fleet import Fleet

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `shiftvae fleet`."""
    parser.add_argument("file", metavar="FLEET.toml", help="file that lists the services")
    parser.add_argument("--check", action="store_true", help="check the file and leave")
    parser.add_argument(
        "--json", action="store_true", help="print JSON lines: one when started, one when stopped, and the log"
    )


def run(arguments: argparse.Namespace) -> None:
    """Read the file, start the services, and keep them running until SIGINT or SIGTERM."""
    from ..fleet import Fleet, read_fleet
    from .serve import log_lines, stop_on_signals

    settings = read_fleet(arguments.file)
    number = counted(len(settings.service), "service")
    if arguments.check:
        answer(f"{arguments.file}: {number}, {', '.join(entry.name for entry in settings.service)}")
        return
    log_lines(arguments.json)
    with Fleet(settings, Path(arguments.file).resolve().parent) as fleet:
        stop_on_signals(fleet)
        _say("started", fleet, arguments, f"{number}; status page and directory: http://{fleet.http}/; Ctrl-C stops")
        fleet.wait()
    _say("stopped", fleet, arguments, f"stopped: {number}")


def _say(event: str, fleet: Fleet, arguments: argparse.Namespace, words: str) -> None:
    if not arguments.json:
        answer(words)
        return
    import msgspec

    said = {"event": event, "http": fleet.http, "services": msgspec.to_builtins(fleet.status().services)}
    print(msgspec.json.encode(said).decode(), flush=True)
