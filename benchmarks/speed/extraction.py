"""Windows and their statistics: our kernels, NumPy, torch, scikit-learn, a copy of the result, and the memory's limit.

    python benchmarks/speed/extraction.py [--json FILE] [--rounds 7]

Prints Markdown. Stride 1, z-score, uint16 in, float32 out. All outputs are touched before they are timed. Whatever is
compared is measured in the same rounds, one after the other, so that a busy moment hits all alike; figures are medians
of the rounds, ± half the distance between the quartiles. One thread is timed by its CPU time, two by the clock.
Where all windows of a frame exceed --memory, a band of rows is measured and the table says so. scikit-learn's
`extract_patches_2d` gives raw windows: it is compared without any normalisation.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from sklearn.feature_extraction.image import extract_patches_2d

from shiftvae_rt import _core
from shiftvae_rt.windows import extract_windows, window_statistics

Timed = tuple[Callable[[], Any], Callable[[], float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024, 2048], help="edges of the frames, px")
    parser.add_argument("--windows", type=int, nargs="+", default=[16, 24, 32], help="edges of the windows, px")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--memory", type=float, default=1.0, help="GiB that one output may take")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    machine = describe_machine()
    cases = [(size, window) for size in options.sizes for window in options.windows]
    extraction = [measure_extraction(size, window, options.rounds, options.memory) for size, window in cases]
    statistics = [measure_statistics(size, dtype, 4 * options.rounds) for size in options.sizes for dtype in DTYPES]
    print(f"{machine['cpu']}, {machine['cores']} cores, {machine['isa']}, load {machine['load']:.1f}\n")
    print(markdown_of(extraction, EXTRACTION_COLUMNS))
    print(markdown_of(statistics, STATISTICS_COLUMNS))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        report = {"machine": machine, "extraction": extraction, "statistics": statistics}
        options.json.write_text(json.dumps(report, indent=1) + "\n")


DTYPES = ("uint16", "float32")
EXTRACTION_COLUMNS = {
    "frame": "frame",
    "window": "window",
    "rows": "rows measured",
    "ours_ms": "ours, ms",
    "gb_per_s": "GB/s",
    "limit_ms": "write limit, ms",
    "of_limit": "ours / limit",
    "copy_ms": "copy of the result, ms",
    "times_copy": "faster than copy",
    "numpy_ms": "NumPy, ms",
    "times_numpy": "faster than NumPy",
    "times_torch": "than torch unfold",
    "times_sklearn": "than scikit-learn, raw",
    "two_threads": "two threads faster",
    "error": "largest error",
}
STATISTICS_COLUMNS = {
    "frame": "frame",
    "dtype": "dtype",
    "window": "window",
    "ours_ms": "mean and sd of all windows, ms",
    "two_threads": "two threads faster",
    "sd_error": "largest error of sd",
}


def measure_extraction(size: int, window: int, rounds: int, memory_gib: float) -> dict[str, Any]:
    """Time the windows of a frame of offset 60000 and deviation 3, the hardest for float32."""
    pixels = np.random.default_rng(0).normal(60000, 3, (1, size, size)).round().astype(np.uint16)
    cols = size - window + 1
    bytes_a_row = cols * window * window * 4
    rows = min(cols, max(1, int(memory_gib * 2**30 / bytes_a_row)))
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
    milliseconds = {name: np.median(values) * 1e3 for name, values in times.items()}
    return {
        "frame": size,
        "window": window,
        "rows": f"{rows} of {cols}",
        "ours_ms": milliseconds["ours"],
        "ours_spread_ms": spread(times["ours"]) * 1e3,
        "gb_per_s": out.nbytes / milliseconds["ours"] / 1e6,
        "limit_ms": milliseconds["limit"],
        "limit_spread_ms": spread(times["limit"]) * 1e3,
        "of_limit": float(np.median(times["limit"] / times["ours"])),
        "copy_ms": milliseconds["copy"],
        "copy_spread_ms": spread(times["copy"]) * 1e3,
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
        "ours_spread_ms": spread(times["ours"]) * 1e3,
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


def spread(values: NDArray[np.float64]) -> float:
    low, high = np.quantile(values, [0.25, 0.75])
    return float(high - low) / 2


def describe_machine() -> dict[str, Any]:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return {"cpu": cpu, "cores": os.cpu_count(), "isa": _core.isa(), "numpy": np.__version__, "load": load}


def markdown_of(rows: list[dict[str, Any]], columns: dict[str, str]) -> str:
    lines = ["| " + " | ".join(columns.values()) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(cell_of(row, name) for name in columns) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def cell_of(row: dict[str, Any], name: str) -> str:
    value = row[name]
    if not isinstance(value, float):
        return str(value)
    text = f"{value:.1e}" if "error" in name else f"{value:.2f}"
    half = row.get(name.replace("_ms", "_spread_ms")) if name.endswith("_ms") else None
    return text if half is None else f"{text} ± {half:.2f}"


if __name__ == "__main__":
    main()
