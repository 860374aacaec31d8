"""Reasons of rejected and quarantined frames: a count and the last text for each stream and kind, and a log line."""

from __future__ import annotations

import logging
import time

from ..protocol.report import Refusal
from ..transport.sparse_log import EVERY_S, SparseLog

__all__ = ["OTHERS", "Refusals"]

#: Most pairs of stream and kind that are counted separately; later streams share one line for each kind.
MAX_LINES = 128
OTHERS = "(other streams)"
_MAX_TEXT = 300
_log = logging.getLogger(__name__)


class Refusals:
    """Counts the refused frames since the start. Used by one thread; the table may be read from others."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str], Refusal] = {}
        self._logs: dict[tuple[str, str], SparseLog] = {}
        self._next_defect_s = time.monotonic()

    def add(self, stream: str, frame: int, reason: str) -> None:
        """Count frame number `frame` of `stream`, refused for `reason` (``NAME: TEXT``).

        The first of a kind is logged at once, later ones at most once a minute with the number left out.
        """
        name, _, text = reason.partition(": ")
        key = (stream, name)
        if key not in self._lines and len(self._lines) >= MAX_LINES:
            key = (OTHERS, name)
        if key not in self._logs:
            self._logs[key] = SparseLog(_log)
        count = self._lines[key].count + 1 if key in self._lines else 1
        self._lines[key] = Refusal(stream=key[0], name=name, count=count, text=text[:_MAX_TEXT])
        self._logs[key].warn("frame %d of stream %r was refused: %s", frame, stream, f"{name}: {text[:_MAX_TEXT]}")

    def defect(self, error: Exception) -> None:
        """Log the traceback of an unexpected error, at most once a minute."""
        if time.monotonic() >= self._next_defect_s:
            self._next_defect_s = time.monotonic() + EVERY_S
            _log.error("the model failed on a frame", exc_info=error)

    def table(self) -> tuple[Refusal, ...]:
        """Return one line for each stream and kind."""
        return tuple(self._lines.values())
