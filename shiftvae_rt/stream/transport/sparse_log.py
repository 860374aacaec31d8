"""Log lines about what strangers do: the first at once, then one a minute that counts the others."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

__all__ = ["EVERY_S", "SparseLog"]

EVERY_S = 60.0


class SparseLog:
    """A log in which nobody can write more than a line a minute; may be used from several threads.

    Parameters
    ----------
    log
        Where the lines go.
    every_s
        Least time between two lines, s.
    now_s
        A clock that never goes back, s.
    """

    def __init__(
        self, log: logging.Logger, every_s: float = EVERY_S, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._log, self._every_s, self._now_s = log, every_s, now_s
        self._lock = threading.Lock()
        self._next_s = now_s()
        self._unsaid = 0

    def warn(self, message: str, *values: object) -> None:
        """Log `message`, with the number of those that were left out since the last line; or leave it out too."""
        with self._lock:
            now_s = self._now_s()
            if now_s < self._next_s:
                self._unsaid += 1
                return
            unsaid, self._unsaid, self._next_s = self._unsaid, 0, now_s + self._every_s
        if unsaid:
            message, values = message + " (and %d lines like this one since the last)", (*values, unsaid)
        self._log.warning(message, *values)
