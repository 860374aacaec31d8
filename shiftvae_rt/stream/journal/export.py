"""Exports a stream of the journal to HyperSpy files: axes time, latent, y, x, with units and provenance.

One file holds maps of one kind: one shape, one grid, one pixel size, one model. A stream in which these changed is
exported to several files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataFileError, WireError
from ...files.writers.hspy import SignalFile, new_file
from ...latent_exchange import Axis
from ...latent_map import LatentMap
from ...output_file import try_output, whole_or_nothing
from ...verdict import DomainVerdict, verdict_text
from ..protocol.results import read_result
from ..protocol.stream_state import StreamState
from ..protocol.wire import decode_result_header
from .journal_reader import JournalReader

__all__ = ["ExportedPart", "export_stream", "stream_state"]

_TOGETHER = 64  # maps per write


@dataclass(frozen=True)
class ExportedPart:
    """A file that was written: its path, the shape ``(latent, rows, cols)`` and number of its maps, and their model."""

    path: Path
    map_shape: tuple[int, ...]
    maps: int
    model_sha256: str


@dataclass
class _Part:
    """Sequence numbers of the records of one kind."""

    map_shape: tuple[int, ...]
    model_sha256: str
    seqs: list[int] = field(default_factory=list)


def export_stream(
    journal: JournalReader, stream: str, path: Path, *, force: bool = True
) -> tuple[StreamState, list[ExportedPart]]:
    """Write the latent maps of all processed frames of `stream` in `journal`; returns the stream's state and the files.

    The file is `path`; maps of several kinds go to ``NAME-1.hspy``, ``NAME-2.hspy``, ... in the order in which the
    kinds began. Each file is written whole or not at all. An existing file is replaced only with `force`.

    A file holds the signals ``latent mean`` and ``latent std``, float32 ``(time, latent, y, x)``, or
    ``(time, latent, x)`` for line signals; where the model has a lattice of two vectors, also ``fields`` and
    ``field std`` ``(time, field, y, x)``. ``metadata/shiftvae`` holds the hash of the model; the frame number,
    ``utc_ns`` and domain score of every map; the reasons of those out of domain; the sequence numbers and reasons of
    frames without a map. Memory does not grow with the length of the stream.

    Raises
    ------
    DataFileError
        if there is no such stream, it has no map, or a file cannot be written.
    JournalError, WireError
        if the journal cannot be read, or a record is no result.
    """
    state = stream_state(journal, stream)
    parts, without = _sort(journal, state.name)
    if not parts:
        why = f"; the first: {without[0]}" if without else ""
        raise DataFileError(f"cannot write {path}: no frame of stream {state.name!r} has a map{why}")
    numbered = [path.with_name(f"{path.stem}-{number}{path.suffix}") for number in range(1, len(parts) + 1)]
    targets = [path] if len(parts) == 1 else numbered
    for target in targets:
        try_output(target, force=force)
    exported = []
    for part, target in zip(parts, targets, strict=True):
        with whole_or_nothing(target, "h5py") as unfinished, new_file(unfinished) as file:
            count = _write(file, journal, state, part.seqs, list(without))
        exported.append(ExportedPart(target, part.map_shape, count, part.model_sha256))
    return state, exported


def stream_state(journal: JournalReader, stream: str) -> StreamState:
    """Return the state of `stream` in `journal`.

    Raises
    ------
    DataFileError
        if there is no such stream; the message lists those that exist.
    """
    state = next(journal.streams(stream), None)
    if state is None:
        known = ", ".join(repr(state.name) for state in journal.streams()) or "none"
        raise DataFileError(f"{journal.path} has no stream {stream!r}: it has {known}")
    return state


def _sort(journal: JournalReader, stream: str) -> tuple[list[_Part], list[str]]:
    """Group the records by kind of map; the groups, and one line of text for each record without a map."""
    parts: dict[tuple[object, ...], _Part] = {}
    without: list[str] = []
    for record in journal.headers(stream):
        if record.outcome != "processed":
            without.append(f"{record.seq} {record.outcome}: {record.header.decode(errors='replace')}")
            continue
        try:
            header = decode_result_header(record.header)
        except WireError as error:
            without.append(f"{record.seq} unreadable: {error}")
            continue
        kind = (
            *(header.shape, header.frame_shape, header.window, header.stride),
            *(header.names, header.units, header.pixel_size_nm, header.model_sha256),
        )
        part = parts.setdefault(kind, _Part(header.shape[1:], header.model_sha256))
        part.seqs.append(record.seq)
    return list(parts.values()), without


def _write(file: Any, journal: JournalReader, state: StreamState, seqs: list[int], without: list[str]) -> int:
    """Write the maps of these records, all of one kind; returns their number."""
    signals: SignalFile | None = None
    waiting: list[LatentMap] = []
    numbers: list[tuple[int, int, int]] = []  # seq, frame, utc_ns
    verdicts: list[DomainVerdict | None] = []
    for seq in seqs:
        record = journal.read(state.name, seq - 1)
        try:
            if record is None or record.seq != seq:
                raise WireError("the record is gone")
            result = read_result((record.header, record.buffer))
        except WireError as error:
            without.append(f"{seq} unreadable: {error}")
            continue
        if signals is None:
            signals = SignalFile(file, result.latent_map, several=True)
        numbers.append((seq, result.frame, result.utc_ns))
        verdicts.append(result.latent_map.domain)
        waiting.append(result.latent_map)
        if len(waiting) == _TOGETHER:
            signals.append(waiting)
            waiting.clear()
    if signals is None:
        raise DataFileError(f"no map of stream {state.name!r} can be read: {without[-1]}")
    if waiting:
        signals.append(waiting)
    _finish(signals, state, numbers, verdicts, without=without)
    return len(numbers)


def _finish(
    signals: SignalFile,
    state: StreamState,
    numbers: list[tuple[int, int, int]],
    verdicts: list[DomainVerdict | None],
    *,
    without: list[str],
) -> None:
    """Write the axis of time, and what is known of every frame: its number, its time, its verdict."""
    seqs, frames, utc_ns = np.array(numbers, np.int64).T
    seconds = float(np.median(np.diff(utc_ns))) / 1e9 if len(utc_ns) > 1 else 1.0
    out = [verdict is not None and verdict.out_of_domain for verdict in verdicts]
    doubtful = zip(seqs, verdicts, out, strict=True)
    reasons = [f"{seq} {verdict_text(verdict)}" for seq, verdict, is_out in doubtful if is_out]
    signals.finish(
        leading=Axis(name="time", units="s", scale=seconds if seconds > 0 else 1.0, offset=0.0),
        about={
            "stream": state.name,
            "mode": state.mode,
            "ended": state.ended,
            "frames_without_a_map": "\n".join(without),
            "seq": seqs,
            "frame": frames,
            "utc_ns": utc_ns,
            "out_of_domain": np.array(out),
            "domain_score": np.array([np.nan if verdict is None else verdict.score for verdict in verdicts]),
            "domain_reason": "\n".join(reasons),
        },
        notes=f"{len(reasons)} of {len(seqs)} frames are out of domain" if reasons else "",
        source=state.name,
        name=f"{state.name}: ",
    )
