"""List the streams of a journal, list the refused frames of a stream, or write its maps as HyperSpy files."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..names import file_name, json_shown, shown
from . import add_force
from .text import answer, counted, say

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `shiftvae export`."""
    parser.add_argument("journal", type=Path, metavar="JOURNAL", help="file written by `shiftvae serve --journal`")
    parser.add_argument("stream", nargs="?", metavar="STREAM", help="name of a stream (default: list them)")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE.hspy",
        help="file for the maps of the stream, with axes time, latent, y, x; FILE-1.hspy, FILE-2.hspy, ... if their "
        "shape or model changed; or a folder for STREAM.hspy (default: list the refused frames with their reasons)",
    )
    add_force(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON line for each stream")


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
            f"expected the name of a stream for {arguments.output}: `shiftvae export {arguments.journal}` lists them"
        )
    if arguments.output is not None and arguments.output.is_dir():
        arguments.output = arguments.output / f"{file_name(arguments.stream)}.hspy"
    if arguments.output is not None and arguments.output.suffix.lower() != ".hspy":
        raise DataFileError(f"expected an output that ends in .hspy, got {arguments.output}: rename it")
    if arguments.output is not None:
        try_output(arguments.output, force=arguments.force)
    if not arguments.journal.is_file():
        raise DataFileError(f"there is no journal {arguments.journal}: `shiftvae serve --journal FILE` creates one")

    def tell(state: StreamState) -> None:
        if arguments.json:
            import msgspec

            print(json_shown(msgspec.json.encode(state).decode()))
        else:
            how = "ended" if state.ended else "not ended: in progress, or interrupted"
            answer(f"{shown(state.name)} ({state.mode}, {how}): {counters_line(state.counters)}")

    journal = JournalReader(arguments.journal)
    try:
        if arguments.stream is None:
            for state in journal.streams():
                tell(state)
        elif arguments.output is None:
            tell(stream_state(journal, arguments.stream))
            for record in () if arguments.json else journal.without_map(arguments.stream):
                reason = shown(record.header.decode(errors="replace"))
                answer(f"{record.seq} {record.outcome}: {reason}")
        else:
            state, parts = export_stream(journal, arguments.stream, arguments.output, force=arguments.force)
            tell(state)
            for part in () if arguments.json else parts:
                rows = " x ".join(map(str, part.map_shape))
                answer(f"{part.path}: {counted(part.maps, 'map')} of {rows}, model {part.model_sha256[:16]}")
            if len(parts) > 1:
                say(
                    "the maps differ in shape, grid, pixel size or model, and one file holds one kind: "
                    f"wrote {len(parts)} files"
                )
    finally:
        journal.close()
