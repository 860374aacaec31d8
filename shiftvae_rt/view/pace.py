"""Pace of the pictures that browsers get: 30 a second, without making a source of 30 frames a second wait."""

from __future__ import annotations

__all__ = ["Pace"]

#: Time between two pictures on average, s; none follows another sooner than after half of it.
INTERVAL_S = 1 / 30
#: Time by which pictures may be ahead of that average, s. A frame that comes late leaves the next ones that much less
#: time: with less room than its delay, a source as fast as the average would wait for ever after.
AHEAD_S = 0.25


class Pace:
    """Says how long the next picture has to wait. Times are those of one monotonic clock, s."""

    def __init__(self) -> None:
        self._due_s = self._earliest_s = 0.0

    def wait_s(self, now_s: float) -> float:
        """Time until the next picture may be sent, s; 0 or less if it may be sent now."""
        return max(self._due_s - AHEAD_S, self._earliest_s) - now_s

    def sent(self, now_s: float) -> None:
        """Count a picture that was sent now."""
        self._due_s = max(self._due_s, now_s) + INTERVAL_S
        self._earliest_s = now_s + INTERVAL_S / 2
