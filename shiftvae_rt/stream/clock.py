"""How old a frame is, on monotonic clocks, also when the sender's clock is another one. No sockets here.

Two processes on one machine read the same monotonic clock, so ages are exact. Between machines (or when a foreign
sender does not name its clock) the smallest difference between the two clocks over the last minute is taken for the
offset: ages are then counted from the fastest message of that minute.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path

__all__ = ["SenderClock", "clock_name", "monotonic_ns"]

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_HALF_WINDOW_NS = 30_000_000_000
#: Two processes that name the same clock but read it further apart than this do not share it (time namespaces).
_SAME_CLOCK_NS = 10_000_000_000

#: Monotonic clock of the whole machine: CLOCK_MONOTONIC, QueryPerformanceCounter, mach_absolute_time.
monotonic_ns = time.perf_counter_ns


def clock_name() -> str:
    """A name that two processes share exactly when they read the same monotonic clock."""
    try:
        boot = _BOOT_ID.read_text().strip()
    except OSError:  # not Linux: the host's name has to do
        boot = "-"
    return f"{socket.gethostname()}/{boot}"


class SenderClock:
    """Ages of the messages of one sender.

    Parameters
    ----------
    name, clock_ns
        What the sender called its clock, and what it read when it said so.
    now_ns
        Our clock when that message was read.
    """

    def __init__(self, name: str, clock_ns: int, now_ns: int) -> None:
        self._shared = name == clock_name() and abs(now_ns - clock_ns) < _SAME_CLOCK_NS
        self._since_ns = now_ns
        self._offset_ns = self._older_offset_ns = now_ns - clock_ns

    def hear(self, clock_ns: int, now_ns: int) -> None:
        """Take notice of what the sender's clock read in a message that was read at `now_ns`."""
        if now_ns - self._since_ns > _HALF_WINDOW_NS:
            self._older_offset_ns, self._offset_ns, self._since_ns = self._offset_ns, now_ns - clock_ns, now_ns
        self._offset_ns = min(self._offset_ns, now_ns - clock_ns)

    def age_s(self, clock_ns: int, now_ns: int) -> float:
        """Age at `now_ns` of something that happened at `clock_ns` of the sender's clock, s, never negative."""
        offset_ns = 0 if self._shared else min(self._offset_ns, self._older_offset_ns)
        return max(0, now_ns - clock_ns - offset_ns) / 1e9
