"""Log lines that a client can cause: the first is written at once, then one a minute with the number left out."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

__all__ = ["EVERY_S", "SparseLog"]

EVERY_S = 60.0


class SparseLog:
    """A log with at most one line a minute, so that no client can flood it. Thread-safe.

    Parameters
    ----------
    log
        Logger that writes the lines.
    every_s
        Least time between two lines, s.
    now_s
        Monotonic clock, s.
    """

    def __init__(
        self, log: logging.Logger, every_s: float = EVERY_S, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._log, self._every_s, self._now_s = log, every_s, now_s
        self._lock = threading.Lock()
        self._next_s = now_s()
        self._unsaid = 0

    def warn(self, message: str, *values: object) -> None:
        """Log `message` with the number of lines left out since the last one; or leave it out, if that was recent."""
        with self._lock:
            now_s = self._now_s()
            if now_s < self._next_s:
                self._unsaid += 1
                return
            unsaid, self._unsaid, self._next_s = self._unsaid, 0, now_s + self._every_s
        if unsaid:
            message, values = message + " (%d similar lines were left out since the last)", (*values, unsaid)
        self._log.warning(message, *values)
