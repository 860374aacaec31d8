"""Progress of long work on frames: how many, how fast, and how long it will take."""

from __future__ import annotations

import time

from .text import counted, say

__all__ = ["Progress"]

#: Work of less than this says nothing, s; then a line each second.
QUIET_S, BETWEEN_S = 2.0, 1.0


class Progress:
    """Says on stderr, at most once a second, how many frames are done, how many a second, and the time that is left."""

    def __init__(self) -> None:
        self._started = self._said = time.perf_counter()

    def __call__(self, done: int, total: int) -> None:
        """Tell that `done` of `total` frames are done."""
        now = time.perf_counter()
        if now - self._started > QUIET_S and now - self._said > BETWEEN_S and done:
            self._said = now
            rate = done / (now - self._started)
            say(f"{done} of {counted(total, 'frame')}, {rate:.3g} frames/s, {duration((total - done) / rate)} to go")

    @property
    def seconds(self) -> float:
        """Time since the start, s."""
        return time.perf_counter() - self._started


def duration(seconds: float) -> str:
    """Give a time in words.

    >>> duration(59.4), duration(600), duration(7300)
    ('59 s', '10 min', '2 h 2 min')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
