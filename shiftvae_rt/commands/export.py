"""List the streams of a journal, list the refused frames of a stream, or write its maps as HyperSpy files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..names import file_name, json_shown, shown
from . import add_force

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `shiftvae export`."""
    parser.add_argument("journal", type=Path, metavar="JOURNAL", help="file of `shiftvae serve --journal`")
    parser.add_argument("stream", nargs="?", metavar="STREAM", help="name of a stream; without it, they are listed")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE.hspy",
        help="write its maps: axes time, latent, y, x; into FILE-1.hspy, FILE-2.hspy, ... if their shape or model "
        "changed; a folder: into STREAM.hspy there; without it, its refused frames are listed with their reasons",
    )
    add_force(parser)
    parser.add_argument("--json", action="store_true", help="one JSON line for each stream")


def run(arguments: argparse.Namespace) -> None:
    """List the streams, or the refused frames of one, or write it."""
    from ..errors import DataFileError
    from ..output_file import try_output
    from ..stream import (
        JournalReader,
        StreamState,
        counters_line,
        export_stream,
        stream_state,
    )

    if arguments.stream is None and arguments.output is not None:
        raise DataFileError(
            f"say which stream goes to {arguments.output}: `shiftvae export {arguments.journal}` lists them"
        )
    if arguments.output is not None and arguments.output.is_dir():
        arguments.output = arguments.output / f"{file_name(arguments.stream)}.hspy"
    if arguments.output is not None and arguments.output.suffix.lower() != ".hspy":
        raise DataFileError(f"cannot write {arguments.output}: a stream is exported as .hspy")
    if arguments.output is not None:
        try_output(arguments.output, force=arguments.force)
    if not arguments.journal.is_file():
        raise DataFileError(f"there is no journal {arguments.journal}: `shiftvae serve --journal FILE` makes one")

    def say(state: StreamState) -> None:
        if arguments.json:
            import msgspec

            print(json_shown(msgspec.json.encode(state).decode()))
        else:
            how = "ended" if state.ended else "not ended: in progress, or interrupted"
            print(f"{shown(state.name)} ({state.mode}, {how}): {counters_line(state.counters)}")

    journal = JournalReader(arguments.journal)
    try:
        if arguments.stream is None:
            for state in journal.streams():
                say(state)
        elif arguments.output is None:
            say(stream_state(journal, arguments.stream))
            for record in () if arguments.json else journal.without_map(arguments.stream):
                print(f"{record.seq} {record.outcome}: {shown(record.header.decode(errors='replace'))}")
        else:
            state, parts = export_stream(journal, arguments.stream, arguments.output, force=arguments.force)
            say(state)
            for part in () if arguments.json else parts:
                rows = " x ".join(map(str, part.map_shape))
                print(f"{part.path}: {part.maps} maps of {rows}, model {part.model_sha256[:16]}")
            if len(parts) > 1:
                print(
                    f"shiftvae: the maps differ in shape, grid, pixel size or model, and one file holds one kind: "
                    f"{len(parts)} files",
                    file=sys.stderr,
                )
    finally:
        journal.close()
