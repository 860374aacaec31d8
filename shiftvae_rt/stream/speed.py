"""How long an encoding takes, from those before it. No sockets here."""

from __future__ import annotations

from collections import deque

__all__ = ["Speed"]

#: Encodings that are remembered.
RECENT = 32
#: An encoding is let run for this much longer than those before it took for as many windows, and for so long at least.
SLACK = 20.0
LEAST_S = 5.0
#: Longer than a window takes on any machine that we know, by a factor of ten; for the first encoding of a model.
UNKNOWN_S = 20e-6


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
