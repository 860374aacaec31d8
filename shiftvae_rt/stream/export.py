"""A stream of the journal as one HyperSpy file: axes time, latent, y, x, with units and provenance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..errors import DataFileError
from ..files.results_file import whole_or_nothing
from .journal_reader import JournalReader, StreamState
from .results import Result, read_result

__all__ = ["export_stream", "stream_state"]

_TOGETHER = 64  # maps that are written at once


def export_stream(journal: JournalReader, stream: str, path: Path) -> StreamState:
    """Write the latent maps of all processed frames of `stream` to `path`; what else the journal says of it.

    Two signals, ``latent mean`` and ``latent std``, float32 ``(time, latent, y, x)``, or ``(time, latent, x)`` of
    line signals. Below ``metadata/shiftvae``: frame numbers, ``utc_ns`` of every map and the hash of its model, and
    the sequence numbers and reasons of frames that gave none. Memory is bounded, however long the stream is.

    Raises
    ------
    DataFileError
        if there is no such stream, it has no map, its maps differ in shape, or the file cannot be written.
    """
    state = stream_state(journal, stream)
    with whole_or_nothing(path, "h5py") as part:
        import h5py

        with h5py.File(part, "w") as file:
            file.attrs["file_format"], file.attrs["file_format_version"] = "HyperSpy", "3.1"
            _write(file, journal, state, path)
    return state


def stream_state(journal: JournalReader, stream: str) -> StreamState:
    """What the journal says of `stream`.

    Raises
    ------
    DataFileError
        if there is no such stream; names those that there are.
    """
    state = next(journal.streams(stream), None)
    if state is None:
        known = ", ".join(repr(state.name) for state in journal.streams()) or "none"
        raise DataFileError(f"{journal.path} has no stream {stream!r}: it has {known}")
    return state


def _write(file: Any, journal: JournalReader, state: StreamState, path: Path) -> None:
    first: Result | None = None
    waiting: list[Result] = []
    numbers: list[tuple[int, int, int, int]] = []  # seq, frame, utc_ns, index of the model
    models: list[str] = []
    without: list[str] = []
    after = 0
    while (record := journal.read(state.name, after)) is not None:
        after = record.seq
        if record.outcome != "processed":
            without.append(f"{record.seq} {record.outcome}: {record.header.decode(errors='replace')}")
            continue
        result = read_result((record.header, record.buffer))
        if first is None:
            first = result
            _begin(file, first)
        elif result.latent_map.mean.shape != first.latent_map.mean.shape:
            raise DataFileError(
                f"cannot write {path}: frame {record.seq} has maps of shape {result.latent_map.mean.shape}, the first "
                f"{first.latent_map.mean.shape}, and one file holds one shape"
            )
        if result.latent_map.model_sha256 not in models:
            models.append(result.latent_map.model_sha256)
        numbers.append((record.seq, result.frame, result.utc_ns, models.index(result.latent_map.model_sha256)))
        waiting.append(result)
        if len(waiting) == _TOGETHER:
            _append(file, waiting)
    if first is None:
        raise DataFileError(f"cannot write {path}: no frame of stream {state.name!r} has a map")
    _append(file, waiting)
    _finish(file, first, state, numbers, models, without)


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
    """Of one map: a line signal has no y."""
    latents, rows, cols = result.latent_map.mean.shape
    return (latents, cols) if result.latent_map.grid.frame_shape[0] == 1 else (latents, rows, cols)


def _finish(
    file: Any,
    first: Result,
    state: StreamState,
    numbers: list[tuple[int, int, int, int]],
    models: list[str],
    without: list[str],
) -> None:
    latent_map = first.latent_map
    seqs, frames, utc_ns, model_of = np.array(numbers, np.int64).T
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
                "model_sha256": ", ".join(models),
                "latent_names": ", ".join(latent_map.names),
                "latent_units": ", ".join(unit or "1" for unit in latent_map.units),
                "window_px": str(latent_map.grid.window),
                "stride_px": latent_map.grid.stride,
                "frame_shape_px": str(latent_map.grid.frame_shape),
                "frames_without_a_map": "\n".join(without)[:60_000],
            }
        )
        for name, values in (("seq", seqs), ("frame", frames), ("utc_ns", utc_ns), ("model", model_of)):
            provenance.create_dataset(name, data=values)
        group.create_group("original_metadata")
