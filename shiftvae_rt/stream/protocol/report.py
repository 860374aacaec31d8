"""Figures of a running service: counters, ages, encoding times."""

from __future__ import annotations

import msgspec

from ...verdict import DomainVerdict
from .counters import Counters, Tally

__all__ = ["Refusal", "Report", "StreamVerdict", "counters_line"]


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Frames of `stream` that were refused for `name` (see `messages.ErrorName`); `text` is the last one's reason."""

    stream: str
    name: str
    count: Tally
    text: str


class StreamVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """Newest verdict on a stream: on its frame number `frame`, of which `lines` of `height` lines had come."""

    stream: str
    frame: int
    lines: int
    height: int
    verdict: DomainVerdict


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Counts since a service started, and times over its last 4,096 messages.

    Attributes
    ----------
    total, streams
        Outcomes of all frames, and of the frames of each stream by its name.
    malformed
        Messages that break the protocol and belong to no frame.
    unanswered
        Answers that could not be delivered.
    results
        Results that were published.
    out_of_domain
        Frames unlike the training data of the model.
    verdicts
        Newest verdict of each stream, of the 16 that were judged last.
    unrecorded
        Live results that are missing from the journal.
    refused_clients
        Connections without an allowed key.
    refusals
        Reasons why frames were rejected or quarantined.
    age_p50_ms, age_p99_ms
        Median and 99th percentile of the time from the offer of the newest line of a result to its publication, ms;
        None before the first.
    encode_p50_ms, encode_p99_ms
        Median and 99th percentile of the time of an encoding, ms; None before the first.
    """

    total: Counters
    streams: dict[str, Counters]
    malformed: int
    unanswered: int
    results: int
    out_of_domain: int
    verdicts: tuple[StreamVerdict, ...]
    unrecorded: int
    refused_clients: int
    refusals: tuple[Refusal, ...]
    age_p50_ms: float | None
    age_p99_ms: float | None
    encode_p50_ms: float | None
    encode_p99_ms: float | None


def counters_line(counters: Counters) -> str:
    """Say in one line how the offered frames in `counters` add up."""
    return (
        f"offered {counters.offered} = processed {counters.processed} + dropped by the producer "
        f"{counters.dropped_producer} + dropped as stale {counters.dropped_stale} + rejected {counters.rejected} "
        f"+ quarantined {counters.quarantined}"
    )
