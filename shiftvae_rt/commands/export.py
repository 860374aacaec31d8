"""`shiftvae export`: a stream of the journal as one HyperSpy file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import Subparsers

__all__ = ["add"]


def add(subparsers: Subparsers) -> None:
    """Add `shiftvae export`."""
    parser = subparsers.add_parser("export", help="a recorded stream as a file", description=__doc__)
    parser.add_argument("journal", type=Path, metavar="JOURNAL", help="file of `shiftvae serve --journal`")
    parser.add_argument("stream", nargs="?", metavar="STREAM", help="name of a stream; without it, they are listed")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.hspy", help="axes: time, latent, y, x")
    parser.add_argument("--json", action="store_true", help="the streams, one JSON line each")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """List the streams, or write one."""
    from ..errors import DataFileError
    from ..stream import JournalReader, StreamState, counters_line, export_stream

    if (arguments.stream is None) != (arguments.output is None):
        raise DataFileError("to write a file give both STREAM and -o FILE.hspy; to list the streams neither")
    if arguments.output is not None and arguments.output.suffix.lower() != ".hspy":
        raise DataFileError(f"cannot write {arguments.output}: a stream is exported as .hspy")
    if not arguments.journal.is_file():
        raise DataFileError(f"there is no journal {arguments.journal}: `shiftvae serve --journal FILE` makes one")

    def say(state: StreamState) -> None:
        if arguments.json:
            import msgspec

            print(msgspec.json.encode(state).decode())
        else:
            how = "ended" if state.ended else "not ended: in progress, or interrupted"
            print(f"{state.name} ({state.mode}, {how}): {counters_line(state.counters)}")

    journal = JournalReader(arguments.journal)
    try:
        if arguments.stream is None:
            for state in journal.streams():
                say(state)
        else:
            say(export_stream(journal, arguments.stream, arguments.output))
    finally:
        journal.close()
