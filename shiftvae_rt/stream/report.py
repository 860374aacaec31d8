"""Figures of a running service: counters, ages, encoding times."""

from __future__ import annotations

import msgspec
import numpy as np

from .accounting import Ledger
from .refusals import Refusal
from .wire import Counters

__all__ = ["Report", "Timings", "counters_line"]


class Timings:
    """The last `size` durations in s; may be read from other threads."""

    def __init__(self, size: int = 4096) -> None:
        self._seconds = np.zeros(size)
        self._count = 0

    def add(self, seconds: float) -> None:
        """Take one in; the oldest falls out."""
        self._seconds[self._count % len(self._seconds)] = seconds
        self._count += 1

    def percentile_ms(self, percent: float) -> float | None:
        """Percentile in ms, None before the first."""
        known = self._seconds[: min(self._count, len(self._seconds))]
        return round(float(np.percentile(known, percent)) * 1e3, 3) if len(known) else None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a service has done since it started. Times in ms over the last 4,096 messages; None before the first.

    ``age`` is from the offer of the newest line of a result to its publication. ``malformed`` counts messages that
    were no frame of anybody, ``unanswered`` answers that could not be delivered, ``unrecorded`` live results that the
    journal did not take, ``refused_clients`` connections without an allowed key, ``out_of_domain`` frames unlike the
    training data of the model, ``refusals`` why frames were rejected or quarantined.
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

    @classmethod
    def of(cls, ledger: Ledger, ages: Timings, encodings: Timings, **counts: int) -> Report:
        """The figures of this moment; `counts` are the fields that are neither counters of frames nor times."""
        return cls(
            total=ledger.total(),
            streams=ledger.streams(),
            refusals=ledger.refusals.table(),
            age_p50_ms=ages.percentile_ms(50),
            age_p99_ms=ages.percentile_ms(99),
            encode_p50_ms=encodings.percentile_ms(50),
            encode_p99_ms=encodings.percentile_ms(99),
            **counts,
        )


def counters_line(counters: Counters) -> str:
    """The identity in words."""
    return (
        f"offered {counters.offered} = processed {counters.processed} + dropped by the producer "
        f"{counters.dropped_producer} + dropped as stale {counters.dropped_stale} + rejected {counters.rejected} "
        f"+ quarantined {counters.quarantined}"
    )
