"""Queue of a reader that wants only the newest results: at most one whole map and one band of each stream."""

from __future__ import annotations

from ..protocol.results import Result

__all__ = ["Newest"]


class Newest:
    """Results that wait to be read; a newer one replaces an older one of its stream.

    A whole map replaces every waiting result of its stream. A band replaces only a band, so the whole map of a frame
    stays when bands of the next frame follow. The streams take turns: a fast one does not starve a slow one.

    Attributes
    ----------
    skipped
        Number of results that were replaced.
    """

    def __init__(self) -> None:
        self.skipped = 0
        self._waiting: dict[tuple[str, bool], Result] = {}  # a key keeps its place when its value is replaced

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, result: Result) -> None:
        """Add a result that is newer than all before it."""
        before = len(self._waiting)
        self._waiting[result.stream, result.complete] = result
        self.skipped += before == len(self._waiting)
        if result.complete and self._waiting.pop((result.stream, False), None) is not None:
            self.skipped += 1

    def take(self) -> Result | None:
        """Take the result whose place in the queue is oldest; None if none waits."""
        if not self._waiting:
            return None
        return self._waiting.pop(next(iter(self._waiting)))
