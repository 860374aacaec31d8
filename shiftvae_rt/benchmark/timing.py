"""Comparable times: jobs take turns in one process; medians and spread."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

__all__ = ["Job", "repeated", "take_turns"]

Job = Callable[[], Any]


def take_turns(
    jobs: Mapping[str, Job], rounds: int, *, clock: Callable[[], float] = time.process_time
) -> dict[str, float]:
    """Give the milliseconds of each job: ``name`` is the median, ``name_spread`` half the interquartile range.

    Every round runs each job once, so that a busy moment affects all alike; the first round is not counted.

    Parameters
    ----------
    jobs
        The jobs by name.
    rounds
        Number of rounds that count, at least 1.
    clock
        Clock in seconds: CPU time of the process, or `time.perf_counter` for the time that a user waits.
    """
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(rounds + 1):
        for name, job in jobs.items():
            start = clock()
            job()
            seconds[name].append(clock() - start)
    result: dict[str, float] = {}
    for name, values in seconds.items():
        low, middle, high = np.quantile(np.array(values[1:]) * 1e3, [0.25, 0.5, 0.75])
        result |= {name: float(middle), f"{name}_spread": float(high - low) / 2}
    return result


def repeated(job: Job, least_s: float = 0.02) -> tuple[Job, int]:
    """Make a job that repeats `job` for about `least_s` seconds of CPU time or more, and give the number of repeats."""
    start = time.process_time()
    job()
    times = max(1, int(least_s / max(time.process_time() - start, 1e-6)))

    def run() -> None:
        for _ in range(times):  # the result is freed at once, as in use
            job()

    return run, times
