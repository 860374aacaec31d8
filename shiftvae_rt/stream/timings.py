"""Durations of the last messages of a service, and their percentiles."""

from __future__ import annotations

import numpy as np

__all__ = ["Timings"]


class Timings:
    """The last `size` durations in s; may be read from other threads."""

    def __init__(self, size: int = 4096) -> None:
        self._seconds = np.zeros(size)
        self._count = 0

    def add(self, seconds: float) -> None:
        """Take one in; the oldest falls out."""
        self._seconds[self._count % len(self._seconds)] = seconds
        self._count += 1

    def percentile_ms(self, percent: float) -> float | None:
        """Percentile in ms, None before the first."""
        known = self._seconds[: min(self._count, len(self._seconds))]
        return round(float(np.percentile(known, percent)) * 1e3, 3) if len(known) else None
