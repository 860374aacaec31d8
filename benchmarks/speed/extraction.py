"""Windows and their statistics: our kernels, NumPy, torch, scikit-learn, a copy of the result, and the memory's limit.

Stride 1, z-score, uint16 in, float32 out. All outputs are touched before they are timed. Whatever is compared is
measured in the same rounds, one after the other, so that a busy moment hits all alike. Where all windows of a frame
exceed the memory, a band of rows is measured and the table says so. scikit-learn's `extract_patches_2d` gives raw
windows: it is compared without any normalisation.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from sklearn.feature_extraction.image import extract_patches_2d

from shiftvae_rt import _core
from shiftvae_rt.kernels.windows import extract_windows, window_statistics

Timed = tuple[Callable[[], Any], Callable[[], float]]
#: GiB that one output may take.
MEMORY = 1.0


def measure_kernels(rounds: int, sizes: tuple[int, ...]) -> dict[str, list[dict[str, Any]]]:
    """Windows of 16, 24 and 32 px, and statistics of windows of 32 px."""
    return {
        "windows": [measure_extraction(size, window, rounds) for size in sizes for window in (16, 24, 32)],
        "statistics": [
            measure_statistics(size, dtype, 4 * rounds) for size in sizes for dtype in ("uint16", "float32")
        ],
    }


def measure_extraction(size: int, window: int, rounds: int) -> dict[str, Any]:
    """Time the windows of a frame of offset 60000 and deviation 3, the hardest for float32."""
    pixels = np.random.default_rng(0).normal(60000, 3, (1, size, size)).round().astype(np.uint16)
    cols = size - window + 1
    bytes_a_row = cols * window * window * 4
    rows = min(cols, max(1, int(MEMORY * 2**30 / bytes_a_row)))
    frame, square = pixels[:, : rows + window - 1], (window, window)
    out, copy = (aligned(rows * cols * window * window).reshape(rows, cols, 1, window, window) for _ in range(2))
    few_rows = min(rows, max(1, 2**26 // bytes_a_row))
    few = pixels[:, : few_rows + window - 1]
    flat = out.reshape(-1)[: out.size // 16 * 16]

    def ours(threads: int) -> Callable[[], Any]:
        return lambda: extract_windows(frame, square, normalisation="zscore", out=out, threads=threads)

    times = interleaved(
        {
            "limit": (lambda: _core.stream_fill(flat, 1.5), time.thread_time),
            "ours": (ours(1), time.thread_time),
            "copy": (lambda: np.copyto(copy, out), time.thread_time),
            "one": (ours(1), time.perf_counter),
            "two": (ours(2), time.perf_counter),
        },
        rounds,
    )
    torch.set_num_threads(1)
    peers = interleaved(
        {
            "numpy": (lambda: numpy_zscore(few, window), time.thread_time),
            "torch": (lambda: torch_zscore(few, window), time.thread_time),
            "sklearn": (lambda: extract_patches_2d(few[0].astype(np.float32), square), time.thread_time),
        },
        3,
    )
    peers_ms = {name: float(np.median(values)) * rows / few_rows * 1e3 for name, values in peers.items()}
    milliseconds = {name: float(np.median(values)) * 1e3 for name, values in times.items()}
    return {
        "frame": size,
        "window": window,
        "rows": f"{rows} of {cols}",
        "ours_ms": milliseconds["ours"],
        "gb_per_s": out.nbytes / milliseconds["ours"] / 1e6,
        "limit_ms": milliseconds["limit"],
        "of_limit": float(np.median(times["limit"] / times["ours"])),
        "copy_ms": milliseconds["copy"],
        "times_copy": float(np.median(times["copy"] / times["ours"])),
        **{f"{name}_ms": value for name, value in peers_ms.items()},
        **{f"times_{name}": float(value / milliseconds["ours"]) for name, value in peers_ms.items()},
        "two_threads": float(np.median(times["one"] / times["two"])),
        "error": largest_error(few, window),
    }


def measure_statistics(size: int, dtype: str, rounds: int, window: int = 32) -> dict[str, Any]:
    """Time the maps of mean and deviation of all windows; their allocation is included."""
    frame = np.random.default_rng(1).normal(60000, 3, (1, size, size)).round().astype(dtype)
    times = interleaved(
        {
            "ours": (lambda: window_statistics(frame, (window, window)), time.thread_time),
            "one": (lambda: window_statistics(frame, (window, window)), time.perf_counter),
            "two": (lambda: window_statistics(frame, (window, window), threads=2), time.perf_counter),
        },
        rounds,
    )
    views = sliding_window_view(frame[0, :64].astype(np.float64), (window, window))
    sd = window_statistics(frame[:, :64], (window, window))[1]
    return {
        "frame": size,
        "dtype": dtype,
        "window": window,
        "ours_ms": float(np.median(times["ours"]) * 1e3),
        "two_threads": float(np.median(times["one"] / times["two"])),
        "sd_error": float(np.abs(sd[0] - views.std((2, 3))).max()),
    }


def numpy_zscore(frame: NDArray[Any], window: int) -> NDArray[np.float32]:
    """Cut and normalise windows as one writes it in NumPy; float32, so not exact at a large offset."""
    windows = sliding_window_view(frame[0].astype(np.float32), (window, window))
    mean, sd = windows.mean((2, 3), keepdims=True), windows.std((2, 3), keepdims=True)
    result: NDArray[np.float32] = (windows - mean) / sd
    return result


def torch_zscore(frame: NDArray[Any], window: int) -> torch.Tensor:
    """The same with torch's `unfold`."""
    windows = torch.from_numpy(frame[0].astype(np.float32)).unfold(0, window, 1).unfold(1, window, 1)
    mean, sd = windows.mean((2, 3), keepdim=True), windows.std((2, 3), keepdim=True, correction=0)
    return (windows - mean) / sd


def largest_error(frame: NDArray[Any], window: int) -> float:
    """Compare with float64, on at most 8 rows of windows."""
    frame = frame[:, : window + 7]
    views = sliding_window_view(frame[0].astype(np.float64), (window, window))
    exact = (views - views.mean((2, 3), keepdims=True)) / views.std((2, 3), keepdims=True)
    return float(np.abs(extract_windows(frame, (window, window), normalisation="zscore")[:, :, 0] - exact).max())


def interleaved(work: dict[str, Timed], rounds: int) -> dict[str, NDArray[np.float64]]:
    """Seconds of each job in each round, after one round that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds + 1):
        for name, (job, clock) in work.items():
            start = clock()
            job()
            seconds[name].append(clock() - start)
    return {name: np.array(values[1:]) for name, values in seconds.items()}


def aligned(count: int) -> NDArray[np.float32]:
    """Memory that starts on a cache line, touched."""
    block = np.ones(count + 16, dtype=np.float32)
    start = -block.ctypes.data % 64 // 4
    return block[start : start + count]
