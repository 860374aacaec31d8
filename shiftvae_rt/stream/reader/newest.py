"""What a reader that wants the newest has before it: at most a whole map and a band of each stream."""

from __future__ import annotations

from ..protocol.results import Result

__all__ = ["Newest"]


class Newest:
    """Results that wait to be read; a newer one takes the place of an older one of its stream.

    A whole map takes the place of everything of its stream, a band of rows that of a band: the whole map of a frame
    stays when bands of the next follow. The streams are given in turn, so that a fast one does not starve a slow one.

    Attributes
    ----------
    skipped
        Results whose place was taken.
    """

    def __init__(self) -> None:
        self.skipped = 0
        self._waiting: dict[tuple[str, bool], Result] = {}  # keeps the place of a key whose value is replaced

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, result: Result) -> None:
        """Take in a result that is newer than all before it."""
        before = len(self._waiting)
        self._waiting[result.stream, result.complete] = result
        self.skipped += before == len(self._waiting)
        if result.complete and self._waiting.pop((result.stream, False), None) is not None:
            self.skipped += 1

    def take(self) -> Result | None:
        """The result that waits longest in its place; None if none waits."""
        if not self._waiting:
            return None
        return self._waiting.pop(next(iter(self._waiting)))
