"""Figures of a running service: counters, ages, encoding times."""

from __future__ import annotations

import msgspec

from .wire import Counters, Tally

__all__ = ["Refusal", "Report", "counters_line"]


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Frames of `stream` that were refused for `name` (see `messages.ErrorName`); `text` is the last one's reason."""

    stream: str
    name: str
    count: Tally
    text: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Counts since a service started, and times in ms over its last 4,096 messages; None before the first.

    ``age`` is from the offer of the newest line of a result to its publication. ``malformed`` counts messages that
    break the protocol and belong to no frame, ``unanswered`` answers that could not be delivered, ``unrecorded`` live
    results that are missing from the journal, ``refused_clients`` connections without an allowed key,
    ``out_of_domain`` frames unlike the training data of the model. ``refusals`` says why frames were rejected or
    quarantined.
    """

    total: Counters
    streams: dict[str, Counters]
    malformed: int
    unanswered: int
    results: int
    out_of_domain: int
    unrecorded: int
    refused_clients: int
    refusals: tuple[Refusal, ...]
    age_p50_ms: float | None
    age_p99_ms: float | None
    encode_p50_ms: float | None
    encode_p99_ms: float | None


def counters_line(counters: Counters) -> str:
    """One line of text that says how the offered frames add up."""
    return (
        f"offered {counters.offered} = processed {counters.processed} + dropped by the producer "
        f"{counters.dropped_producer} + dropped as stale {counters.dropped_stale} + rejected {counters.rejected} "
        f"+ quarantined {counters.quarantined}"
    )
