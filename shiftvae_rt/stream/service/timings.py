"""Durations: percentiles for the report, and the expected time of the next encoding."""

from __future__ import annotations

from collections import deque

import numpy as np

__all__ = ["Speed", "Timings"]

#: Number of recent encodings whose time for each window is averaged.
RECENT = 32
#: An encoding hangs if it takes this many times the expected time, and at least this long.
SLACK = 20.0
LEAST_S = 5.0
#: Limit for each window of the first encoding of a model, s: ten times that of the slowest known machine.
UNKNOWN_S = 20e-6


class Timings:
    """The last `size` durations, s. May be read from other threads."""

    def __init__(self, size: int = 4096) -> None:
        self._seconds = np.zeros(size)
        self._count = 0

    def add(self, seconds: float) -> None:
        """Add a duration; the oldest is dropped."""
        self._seconds[self._count % len(self._seconds)] = seconds
        self._count += 1

    def percentile_ms(self, percent: float) -> float | None:
        """Return a percentile in ms; None before the first duration."""
        known = self._seconds[: min(self._count, len(self._seconds))]
        return round(float(np.percentile(known, percent)) * 1e3, 3) if len(known) else None


class Speed:
    """Encoding time of one model on this machine for each window. May be read from other threads."""

    def __init__(self) -> None:
        self._recent: deque[tuple[int, float]] = deque(maxlen=RECENT)
        self._window_s: float | None = None

    def add(self, windows: int, seconds: float) -> None:
        """Add the duration of an encoding of this many windows."""
        if windows:
            self._recent.append((windows, seconds))
            self._window_s = sum(s for _, s in self._recent) / sum(n for n, _ in self._recent)

    def expected_s(self, windows: int) -> float | None:
        """Return the expected time of an encoding of this many windows, s; None before the first encoding."""
        return None if self._window_s is None else windows * self._window_s

    def limit_s(self, windows: int) -> float:
        """Return the time after which an encoding of this many windows counts as hanging, s."""
        window_s = UNKNOWN_S if self._window_s is None else SLACK * self._window_s
        return max(LEAST_S, windows * window_s)
