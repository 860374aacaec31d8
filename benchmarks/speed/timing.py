"""Times that can be compared: jobs take turns in one process, one thread, CPU time, medians and spread."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from shiftvae_rt import _core

Job = Callable[[], Any]


def take_turns(jobs: dict[str, Job], rounds: int, *, clock: Callable[[], float] = time.process_time) -> dict[str, Any]:
    """Milliseconds of each job: ``name`` the median of the rounds, ``name_spread`` half the interquartile range.

    Every round runs each job once, so that a busy moment hits all alike; the first round is not counted.
    """
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(rounds + 1):
        for name, job in jobs.items():
            start = clock()
            job()
            seconds[name].append(clock() - start)
    result: dict[str, Any] = {}
    for name, values in seconds.items():
        low, middle, high = np.quantile(np.array(values[1:]) * 1e3, [0.25, 0.5, 0.75])
        result |= {name: float(middle), f"{name}_spread": float(high - low) / 2}
    return result


def repeated(job: Job, least_s: float = 0.02) -> tuple[Job, int]:
    """A job that is long enough for the clock, and how often it runs `job`."""
    start = time.process_time()
    job()
    times = max(1, int(least_s / max(time.process_time() - start, 1e-6)))

    def run() -> None:
        for _ in range(times):  # what it gives is freed at once, as by who uses it
            job()

    return run, times


def describe_machine() -> dict[str, Any]:
    """Processor, versions and load: what figures of two runs must share to be compared."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "isa": _core.isa(),
        "system": platform.system(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "onnxruntime": onnxruntime.__version__,
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }
