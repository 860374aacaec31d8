"""Exports a stream of the journal to HyperSpy files: axes time, latent, y, x, with units and provenance.

One file holds maps of one kind: one shape, one grid, one pixel size, one model. A stream in which these changed is
exported to several files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ... import __version__
from ...errors import DataFileError, WireError
from ...output_file import try_output, whole_or_nothing
from ...verdict import DomainVerdict, verdict_text
from ..protocol.results import Result, read_result
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

    A file holds two signals, ``latent mean`` and ``latent std``, float32 ``(time, latent, y, x)``, or
    ``(time, latent, x)`` for line signals. ``metadata/shiftvae`` holds the hash of the model; the frame number,
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
        with whole_or_nothing(target, "h5py") as unfinished:
            import h5py

            with h5py.File(unfinished, "w") as file:
                file.attrs["file_format"], file.attrs["file_format_version"] = "HyperSpy", "3.1"
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
    first: Result | None = None
    waiting: list[Result] = []
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
        if first is None:
            first = result
            _begin(file, first)
        numbers.append((seq, result.frame, result.utc_ns))
        verdicts.append(result.latent_map.domain)
        waiting.append(result)
        if len(waiting) == _TOGETHER:
            _append(file, waiting)
    if first is None:
        raise DataFileError(f"no map of stream {state.name!r} can be read: {without[-1]}")
    _append(file, waiting)
    _finish(file, first, state, numbers, without)
    _say_domain(file, [seq for seq, _, _ in numbers], verdicts)
    return len(numbers)


def _begin(file: Any, first: Result) -> None:
    shape = _shape(first)
    for title in ("latent mean", "latent std"):
        file.create_dataset(
            f"Experiments/{title}/data",
            shape=(0, *shape),
            maxshape=(None, *shape),
            chunks=(1, *shape),
            dtype="f4",
            compression="gzip",
            compression_opts=1,
        )


def _append(file: Any, waiting: list[Result]) -> None:
    for title, name in (("latent mean", "mean"), ("latent std", "std")):
        data = file[f"Experiments/{title}/data"]
        count = len(data)
        data.resize(count + len(waiting), axis=0)
        for place, result in enumerate(waiting, count):
            data[place] = getattr(result.latent_map, name).reshape(_shape(result))
    waiting.clear()


def _shape(result: Result) -> tuple[int, ...]:
    """Shape of one map; a line signal has no y axis."""
    latents, rows, cols = result.latent_map.mean.shape
    return (latents, cols) if result.latent_map.grid.frame_shape[0] == 1 else (latents, rows, cols)


def _finish(
    file: Any,
    first: Result,
    state: StreamState,
    numbers: list[tuple[int, int, int]],
    without: list[str],
) -> None:
    latent_map = first.latent_map
    seqs, frames, utc_ns = np.array(numbers, np.int64).T
    seconds = float(np.median(np.diff(utc_ns))) / 1e9 if len(utc_ns) > 1 else 1.0
    edges = latent_map.pixel_size_nm or (1.0, 1.0)
    units = "px" if latent_map.pixel_size_nm is None else "nm"
    navigation: dict[str, Any] = {"navigate": True, "offset": 0.0}
    axes = [
        {**navigation, "name": "time", "units": "s", "scale": seconds if seconds > 0 else 1.0},
        {**navigation, "name": "latent", "units": "", "scale": 1.0},
    ]
    for name, centres, px in zip("yx", (latent_map.centre_y_px, latent_map.centre_x_px), edges, strict=True):
        scale, offset = latent_map.grid.stride * px, float(centres[0]) * px
        axes.append({"navigate": False, "name": name, "units": units, "scale": scale, "offset": offset})
    if latent_map.grid.frame_shape[0] == 1:
        del axes[2]
    for title in ("latent mean", "latent std"):
        group = file[f"Experiments/{title}"]
        for number, (axis, size) in enumerate(zip(axes, group["data"].shape, strict=True)):
            about = {"_type": "UniformDataAxis", "index_in_array": number, "is_binned": False, "size": size}
            group.create_group(f"axis-{number}").attrs.update({**axis, **about})
        group.create_group("metadata/General").attrs["title"] = f"{state.name}: {title}"
        group.create_group("metadata/Signal").attrs["signal_type"] = ""
        provenance = group.create_group("metadata/shiftvae")
        provenance.attrs.update(
            {
                "software": f"shiftvae-rt {__version__}",
                "stream": state.name,
                "mode": state.mode,
                "ended": state.ended,
                "model_sha256": latent_map.model_sha256,
                "latent_names": ", ".join(latent_map.names),
                "latent_units": ", ".join(unit or "1" for unit in latent_map.units),
                "window_px": str(latent_map.grid.window),
                "stride_px": latent_map.grid.stride,
                "frame_shape_px": str(latent_map.grid.frame_shape),
                "frames_without_a_map": "\n".join(without)[:60_000],
            }
        )
        for name, values in (("seq", seqs), ("frame", frames), ("utc_ns", utc_ns)):
            provenance.create_dataset(name, data=values)
        group.create_group("original_metadata")


def _say_domain(file: Any, seqs: list[int], verdicts: list[DomainVerdict | None]) -> None:
    """Write the domain verdict of every frame, and the reasons for those out of domain."""
    out = [verdict is not None and verdict.out_of_domain for verdict in verdicts]
    scores = [np.nan if verdict is None else verdict.score for verdict in verdicts]
    doubtful = zip(seqs, verdicts, out, strict=True)
    reasons = [f"{seq} {verdict_text(verdict)}" for seq, verdict, is_out in doubtful if is_out]
    for group in file["Experiments"].values():
        about = group["metadata/shiftvae"]
        about.create_dataset("out_of_domain", data=np.array(out))
        about.create_dataset("domain_score", data=np.array(scores))
        about.attrs["domain_reason"] = "\n".join(reasons)[:60_000]
        notes = f"{len(reasons)} of {len(seqs)} frames are out of domain"
        group["metadata/General"].attrs["notes"] = notes if reasons else ""
