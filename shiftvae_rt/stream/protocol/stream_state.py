"""State of one stream in a journal."""

from __future__ import annotations

from typing import Literal

import msgspec

from .wire import Counters

__all__ = ["StreamState"]


class StreamState(msgspec.Struct, frozen=True, kw_only=True):
    """A stream in the journal. One that is not `ended` is being sent, or was interrupted and can be resumed."""

    name: str
    mode: Literal["lossless", "live"]
    ended: bool
    last_seq: int
    created_ns: int
    counters: Counters
