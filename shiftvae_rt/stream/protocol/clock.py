"""Age of a frame by monotonic clocks, also when sender and service have different clocks.

Two processes on one machine read the same monotonic clock, so ages are exact. Between machines (or when a foreign
sender does not name its clock) the smallest difference between the two clocks over the last minute serves as the
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
#: Longest delay of a message: the session of a sender that is silent for longer than this is closed.
_LONGEST_DELAY_NS = 2_000_000_000

#: Monotonic clock of the whole machine: CLOCK_MONOTONIC, QueryPerformanceCounter, mach_absolute_time.
monotonic_ns = time.perf_counter_ns


def clock_name() -> str:
    """Name of this machine's monotonic clock: equal in two processes exactly when they read the same clock."""
    try:
        boot = _BOOT_ID.read_text().strip()
    except OSError:  # not Linux: the host's name has to do
        boot = "-"
    return f"{socket.gethostname()}/{boot}"


class Fastest:
    """Running minimum of durations over the last 30 to 60 s, ns.

    Parameters
    ----------
    value_ns, now_ns
        The first duration, and the time at which it was measured.
    """

    def __init__(self, value_ns: int, now_ns: int) -> None:
        self._since_ns = now_ns
        self._least_ns = self._older_ns = value_ns

    def add(self, value_ns: int, now_ns: int) -> None:
        """Add a duration that was measured at `now_ns`."""
        if now_ns - self._since_ns > _HALF_WINDOW_NS:
            self._older_ns, self._least_ns, self._since_ns = self._least_ns, value_ns, now_ns
        self._least_ns = min(self._least_ns, value_ns)

    @property
    def least_ns(self) -> int:
        """The smallest duration."""
        return min(self._least_ns, self._older_ns)


class SenderClock:
    """Converts times of one sender's clock to ages.

    Parameters
    ----------
    name, clock_ns
        The sender's name for its clock, and the reading of that clock when it sent the name.
    now_ns
        Our clock when that message was read.
    """

    def __init__(self, name: str, clock_ns: int, now_ns: int) -> None:
        self._shared = name == clock_name() and abs(now_ns - clock_ns) < _SAME_CLOCK_NS
        self._offset = Fastest(now_ns - clock_ns, now_ns)

    def hear(self, clock_ns: int, now_ns: int) -> None:
        """Update the offset with the sender's clock at the sending of a PING, which we read at `now_ns`.

        A reading that no delay explains starts a new minimum: the clock was set, or this reading or an earlier one was
        wrong. A wrong reading therefore lasts until the next one. Only a PING may be passed here: the time in a frame
        is when it was measured, not when it was sent.
        """
        offset_ns = now_ns - clock_ns
        if abs(offset_ns - self._offset.least_ns) > _LONGEST_DELAY_NS:
            self._offset = Fastest(offset_ns, now_ns)
        self._offset.add(offset_ns, now_ns)

    def age_s(self, clock_ns: int, now_ns: int) -> float:
        """Age in s at `now_ns` of an event at `clock_ns` of the sender's clock; never negative."""
        offset_ns = 0 if self._shared else self._offset.least_ns
        return max(0, now_ns - clock_ns - offset_ns) / 1e9
