"""Counters of the frames of a stream, which add up at any time."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

__all__ = ["Counters", "Tally"]

#: Whole number without a limit: a producer that skips to the largest `seq` must not make the sum unreadable.
Tally: TypeAlias = Annotated[int, Meta(ge=0)]


class Counters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Outcomes of the frames of one stream, counted.

    Attributes
    ----------
    offered
        The sum of the others, plus 1 while a frame is in hand.
    processed
        Frames that have a map.
    dropped_producer, dropped_stale
        Frames dropped in the producer for a newer one, and frames that were too old when it was their turn.
    rejected, quarantined
        Frames that cannot be encoded, and frames whose encoding failed.
    """

    offered: Tally = 0
    processed: Tally = 0
    dropped_producer: Tally = 0
    dropped_stale: Tally = 0
    rejected: Tally = 0
    quarantined: Tally = 0

    @property
    def settled(self) -> int:
        """Frames whose outcome is known."""
        return self.processed + self.dropped_producer + self.dropped_stale + self.rejected + self.quarantined

    def __add__(self, other: Counters) -> Counters:
        return Counters(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})
