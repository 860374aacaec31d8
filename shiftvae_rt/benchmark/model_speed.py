"""Speed of a model on this machine: frames a second by stride and threads, and the delay of a row of the map."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..encode.mapper import LatentMapper
from ..encode.provider_choice import ON_CPU
from ..errors import WindowError
from ..model.model_file import ModelFile
from .machine import cores
from .timing import take_turns

__all__ = ["ModelSpeed", "RowSpeed", "StrideSpeed", "lattice_frame", "measure_model", "row_latencies"]

#: Strides, px; those that the model does not support are left out.
STRIDES = (1, 2, 4, 8, 16)
#: Seconds for the frames of one stride, and again for its rows; least number of frames.
BUDGET_S, LEAST_ROUNDS = 1.5, 3
#: Ratio of the length of a 1D signal to the width of a frame.
SIGNAL_FACTOR = 32


class StrideSpeed(msgspec.Struct, frozen=True, kw_only=True):
    """Speed of whole frames at a stride with a number of threads, in real time.

    ``frame_ms`` is the median time of a frame, ``spread_ms`` half the interquartile range.
    """

    stride: int
    threads: int
    frames_per_s: float
    frame_ms: float
    spread_ms: float


class RowSpeed(msgspec.Struct, frozen=True, kw_only=True):
    """Delay of a row of the map, ms: from the last scan line that it needs to its latents, with one thread."""

    stride: int
    rows: int
    p50_ms: float
    p99_ms: float


class ModelSpeed(msgspec.Struct, frozen=True, kw_only=True):
    """Speed of a model on a frame of shape ``(channels, height, width)``; no rows for a model of 1D signals."""

    frame: tuple[int, int, int]
    provider: str
    frames: tuple[StrideSpeed, ...]
    rows: tuple[RowSpeed, ...]


def measure_model(
    model: ModelFile, *, size: int = 512, provider: str | None = None, say: Callable[[str], None] = lambda _: None
) -> ModelSpeed:
    """Measure a model on frames of `size` x `size` px, or signals of 32 times that length.

    It is measured at every stride of 1, 2, 4, 8 and 16 px that it supports, with one thread and with one for each core.

    Parameters
    ----------
    model
        The model.
    size
        Edge of a frame, px.
    provider
        As for `LatentMapper`; threads share the work on the CPU alone, so one is measured on a GPU.
    say
        Called with what is measured next.

    Raises
    ------
    ModelFileError, ProviderError
        as for `LatentMapper`.
    WindowError
        if the window is larger than the frame.
    """
    manifest = model.manifest
    if size < max(manifest.window):
        raise WindowError(
            f"expected a frame of at least the window's {max(manifest.window)} px, got {size} px: choose a larger size"
        )
    flat = manifest.dimensions == 1
    shape = (manifest.channels, 1, SIGNAL_FACTOR * size) if flat else (manifest.channels, size, size)
    frame = lattice_frame(shape)
    frames: list[StrideSpeed] = []
    rows: list[RowSpeed] = []
    used = ""
    for stride in STRIDES:
        if all(stride % known for known in manifest.strides):
            continue
        say(f"measuring stride {stride}")
        mapper = LatentMapper(model, stride=stride, provider=provider)
        provider = used = mapper.provider  # settled once
        mappers = {1: mapper}
        if provider in ON_CPU and cores() > 1:
            mappers[cores()] = LatentMapper(model, stride=stride, threads=cores(), provider=provider)
        frames += _whole_frames(mappers, frame[:, 0] if flat else frame)
        if not flat:
            rows.append(_rows(mapper, frame))
    return ModelSpeed(frame=shape, provider=used, frames=tuple(frames), rows=tuple(rows))


def row_latencies(mapper: LatentMapper, frame: NDArray[Any]) -> NDArray[np.float64]:
    """Give the seconds ``(rows - 1,)`` of real time from the last line of each row of windows to its row of the map.

    The lines of ``frame (C, H, W)`` come one at a time; the first row is left out.
    """
    scan, seconds = mapper.begin_scan(frame.shape[1:], dtype=frame.dtype), []
    for top in range(frame.shape[1]):
        start = time.perf_counter()
        if scan.push_rows(frame[:, top : top + 1]) is not None:
            seconds.append(time.perf_counter() - start)
    return np.array(seconds[1:] or seconds)


def lattice_frame(shape: tuple[int, int, int] = (1, 512, 512)) -> NDArray[np.uint16]:
    """Make counts ``(channels, height, width)`` of a lattice of 24 px, up to 220 at a peak, with shot noise."""
    y, x = np.ogrid[: shape[1], : shape[2]]
    mean = 100 * (1.2 + np.cos(2 * np.pi * y / 24) * np.cos(2 * np.pi * x / 24))
    return np.random.default_rng(0).poisson(mean, shape).astype(np.uint16)


def _whole_frames(mappers: dict[int, LatentMapper], frame: NDArray[Any]) -> list[StrideSpeed]:
    """Measure frames with each number of threads, in turns."""
    start = time.perf_counter()
    for mapper in mappers.values():
        mapper.map(frame)
    rounds = max(LEAST_ROUNDS, int(BUDGET_S / (time.perf_counter() - start)))
    jobs = {str(threads): lambda m=mapper: m.map(frame) for threads, mapper in mappers.items()}
    times = take_turns(jobs, rounds, clock=time.perf_counter)
    return [
        StrideSpeed(
            stride=mapper.stride,
            threads=threads,
            frames_per_s=1e3 / times[str(threads)],
            frame_ms=times[str(threads)],
            spread_ms=times[f"{threads}_spread"],
        )
        for threads, mapper in mappers.items()
    ]


def _rows(mapper: LatentMapper, frame: NDArray[Any]) -> RowSpeed:
    """Measure the rows of as many frames as the budget allows, at least one."""
    until = time.perf_counter() + BUDGET_S
    found: list[NDArray[np.float64]] = []
    while not found or time.perf_counter() < until:
        found.append(row_latencies(mapper, frame))
    p50, p99 = np.quantile(1e3 * np.concatenate(found), [0.5, 0.99])
    return RowSpeed(stride=mapper.stride, rows=sum(map(len, found)), p50_ms=float(p50), p99_ms=float(p99))
