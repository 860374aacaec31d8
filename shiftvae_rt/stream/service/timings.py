"""How long things took: percentiles for people, and what is expected of the next encoding."""

from __future__ import annotations

from collections import deque

import numpy as np

__all__ = ["Speed", "Timings"]

#: Encodings that are remembered.
RECENT = 32
#: An encoding is let run for this much longer than those before it took for as many windows, and for so long at least.
SLACK = 20.0
LEAST_S = 5.0
#: Longer than a window takes on any machine that we know, by a factor of ten; for the first encoding of a model.
UNKNOWN_S = 20e-6


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


class Speed:
    """Seconds a window of one model on this machine; may be read from other threads."""

    def __init__(self) -> None:
        self._recent: deque[tuple[int, float]] = deque(maxlen=RECENT)
        self._window_s: float | None = None

    def add(self, windows: int, seconds: float) -> None:
        """Take in that an encoding of this many windows took so long."""
        if windows:
            self._recent.append((windows, seconds))
            self._window_s = sum(s for _, s in self._recent) / sum(n for n, _ in self._recent)

    def expected_s(self, windows: int) -> float | None:
        """For how long an encoding of this many windows will run; None before the first."""
        return None if self._window_s is None else windows * self._window_s

    def limit_s(self, windows: int) -> float:
        """For how long an encoding of this many windows is let run."""
        window_s = UNKNOWN_S if self._window_s is None else SLACK * self._window_s
        return max(LEAST_S, windows * window_s)
