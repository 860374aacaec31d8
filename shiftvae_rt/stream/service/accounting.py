"""What became of every frame: ``offered = processed + dropped + rejected + quarantined``, always.

The two sides of the identity come from different facts: `offered` from the sequence numbers that producers give their
frames, the outcomes from what happened. A drop that nobody counted therefore shows as a difference.
"""

from __future__ import annotations

from collections import OrderedDict

from ..protocol.messages import Outcome
from ..protocol.report import Report
from ..protocol.wire import Counters
from .refusals import Refusals
from .timings import Timings

__all__ = ["Account", "Ledger"]

#: Ended sessions that keep a line of their own; older ones are added up, so that memory stays bounded.
MAX_ACCOUNTS = 256


class Account:
    """The frames of one session of one producer.

    Parameters
    ----------
    first_seq
        Sequence number of the first frame that this session will send.

    Attributes
    ----------
    in_use
        False once the session ended or its producer vanished; set by whoever keeps the sessions.
    """

    def __init__(self, first_seq: int = 1) -> None:
        self.in_use = True
        self._next_seq = first_seq
        self._open_seq: int | None = None
        self._offered = 0
        self._outcomes: dict[Outcome, int] = dict.fromkeys(
            ("processed", "dropped_producer", "dropped_stale", "rejected", "quarantined"), 0
        )

    @property
    def next_seq(self) -> int:
        """First sequence number that has not been seen."""
        return self._next_seq

    @property
    def open_seq(self) -> int | None:
        """The frame in hand: some of it arrived and it has no outcome yet."""
        return self._open_seq

    def counters(self) -> Counters:
        """A snapshot."""
        return Counters(offered=self._offered, **self._outcomes)

    def begin(self, seq: int) -> bool:
        """Rows of frame `seq` arrived. False if that frame has its outcome already and the rows are to be ignored.

        A gap before `seq` is frames that the producer dropped; a frame still in hand was aborted by the producer.
        """
        if seq == self._open_seq:
            return True
        if seq < self._next_seq:
            return False
        self._skip_to(seq)
        self._offered += 1
        self._next_seq, self._open_seq = seq + 1, seq
        return True

    def settle(self, outcome: Outcome) -> None:
        """Give the frame in hand its outcome."""
        if self._open_seq is None:
            raise RuntimeError(f"no frame in hand to settle as {outcome}")  # a defect of the service, never of a user
        self._open_seq = None
        self._outcomes[outcome] += 1

    def abandon(self) -> None:
        """The producer left: the frame in hand will not be finished."""
        if self._open_seq is not None:
            self.settle("dropped_producer")

    def end(self, last_seq: int) -> None:
        """The producer offered frames up to `last_seq` and no more."""
        self._skip_to(max(last_seq + 1, self._next_seq))

    def _skip_to(self, seq: int) -> None:
        self.abandon()
        missed = seq - self._next_seq
        self._offered += missed
        self._outcomes["dropped_producer"] += missed
        self._next_seq = seq


class Ledger:
    """The accounts of all sessions since the service started, per stream and in total.

    Used by one thread; the counters may be read from others.

    Attributes
    ----------
    refusals
        Why frames were rejected or quarantined.
    """

    def __init__(self) -> None:
        self.refusals = Refusals()
        self._accounts: OrderedDict[tuple[str, str], Account] = OrderedDict()
        self._older = Counters()

    def account(self, stream: str, session: str, first_seq: int) -> Account:
        """The account of `session`, a new one if it is not known; a producer that reconnects gets its own back."""
        key = (stream, session)
        if key not in self._accounts:
            self._accounts[key] = Account(first_seq)
        self._accounts.move_to_end(key)
        self._accounts[key].in_use = True
        ended = [old for old, account in self._accounts.items() if not account.in_use]
        for old in ended[: max(0, len(self._accounts) - MAX_ACCOUNTS)]:
            self._older += self._accounts.pop(old).counters()
        return self._accounts[key]

    def stream(self, stream: str) -> Counters:
        """Counters of all sessions of one stream."""
        return sum((a.counters() for (name, _), a in list(self._accounts.items()) if name == stream), Counters())

    def streams(self) -> dict[str, Counters]:
        """Counters of every stream that still has a line of its own."""
        return {name: self.stream(name) for name in dict.fromkeys(name for name, _ in list(self._accounts))}

    def total(self) -> Counters:
        """Counters of everything since the start."""
        return sum((account.counters() for account in list(self._accounts.values())), self._older)

    def report(self, ages: Timings, encodings: Timings, **counts: int) -> Report:
        """Figures of this moment; `counts` are the fields of a report that are neither counters of frames nor times."""
        return Report(
            total=self.total(),
            streams=self.streams(),
            refusals=self.refusals.table(),
            age_p50_ms=ages.percentile_ms(50),
            age_p99_ms=ages.percentile_ms(99),
            encode_p50_ms=encodings.percentile_ms(50),
            encode_p99_ms=encodings.percentile_ms(99),
            **counts,
        )
