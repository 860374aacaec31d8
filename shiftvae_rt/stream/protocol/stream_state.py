"""State of one stream in a journal."""

from __future__ import annotations

from typing import Literal

import msgspec

from .counters import Counters

__all__ = ["StreamState"]


class StreamState(msgspec.Struct, frozen=True, kw_only=True):
    """A stream in the journal.

    Attributes
    ----------
    name, mode
        Name of the stream, and ``"lossless"`` or ``"live"``.
    ended
        True if it was ended for good; else it is being sent, or was interrupted and can be resumed.
    last_seq
        Number of its last committed frame.
    created_ns
        UTC of its beginning, ns since 1970.
    counters
        Outcomes of its committed frames.
    """

    name: str
    mode: Literal["lossless", "live"]
    ended: bool
    last_seq: int
    created_ns: int
    counters: Counters
