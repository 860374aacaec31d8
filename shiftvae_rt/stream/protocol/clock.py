"""How old a frame is, on monotonic clocks, also when the sender's clock is another one.

Two processes on one machine read the same monotonic clock, so ages are exact. Between machines (or when a foreign
sender does not name its clock) the smallest difference between the two clocks over the last minute is taken for the
offset: ages are then counted from the fastest PING of that minute.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path

__all__ = ["Fastest", "SenderClock", "clock_name", "monotonic_ns"]

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_HALF_WINDOW_NS = 30_000_000_000
#: Two processes that name the same clock but read it further apart than this do not share it (time namespaces).
_SAME_CLOCK_NS = 10_000_000_000
#: A sender that is silent for longer than this has no session; nothing that it says is older.
_LONGEST_DELAY_NS = 2_000_000_000

#: Monotonic clock of the whole machine: CLOCK_MONOTONIC, QueryPerformanceCounter, mach_absolute_time.
monotonic_ns = time.perf_counter_ns


def clock_name() -> str:
    """A name that two processes share exactly when they read the same monotonic clock."""
    try:
        boot = _BOOT_ID.read_text().strip()
    except OSError:  # not Linux: the host's name has to do
        boot = "-"
    return f"{socket.gethostname()}/{boot}"


class Fastest:
    """The least of some durations over the last half to whole minute, ns.

    Parameters
    ----------
    value_ns, now_ns
        The first, and when it was.
    """

    def __init__(self, value_ns: int, now_ns: int) -> None:
        self._since_ns = now_ns
        self._least_ns = self._older_ns = value_ns

    def add(self, value_ns: int, now_ns: int) -> None:
        """Take another one in."""
        if now_ns - self._since_ns > _HALF_WINDOW_NS:
            self._older_ns, self._least_ns, self._since_ns = self._least_ns, value_ns, now_ns
        self._least_ns = min(self._least_ns, value_ns)

    @property
    def least_ns(self) -> int:
        """The least of them."""
        return min(self._least_ns, self._older_ns)


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
        self._offset = Fastest(now_ns - clock_ns, now_ns)

    def hear(self, clock_ns: int, now_ns: int) -> None:
        """Take notice of what the sender's clock read when it sent a message (a PING) that was read at `now_ns`.

        A reading that no delay explains starts a new count: the clock was set, or the reading or one before it was
        wrong. So a wrong one counts until the next. The times of frames are not heard: they are no readings of now.
        """
        offset_ns = now_ns - clock_ns
        if abs(offset_ns - self._offset.least_ns) > _LONGEST_DELAY_NS:
            self._offset = Fastest(offset_ns, now_ns)
        self._offset.add(offset_ns, now_ns)

    def age_s(self, clock_ns: int, now_ns: int) -> float:
        """Age at `now_ns` of something that happened at `clock_ns` of the sender's clock, s, never negative."""
        offset_ns = 0 if self._shared else self._offset.least_ns
        return max(0, now_ns - clock_ns - offset_ns) / 1e9
