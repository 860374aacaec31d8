"""Limits on the number of threads of a kernel."""

from __future__ import annotations

from ..errors import WindowError

__all__ = ["check_threads"]

#: Largest number of threads of a kernel or a mapper.
MOST_THREADS = 256


def check_threads(threads: int) -> None:
    """Refuse a number of threads outside the limits.

    Raises
    ------
    WindowError
        for fewer than 1 or more than `MOST_THREADS`.
    """
    if not 1 <= threads <= MOST_THREADS:
        raise WindowError(f"expected 1 to {MOST_THREADS} threads, got {threads}")
