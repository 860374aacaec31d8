"""Counts the outcomes of all frames: ``offered = processed + dropped + rejected + quarantined``, always.

The two sides of this identity are counted independently: `offered` from the sequence numbers that producers give their
frames, the outcomes where they are decided. A drop that is not counted therefore shows as a difference.
"""

from __future__ import annotations

from collections import OrderedDict

from ...verdict import DomainVerdict
from ..protocol.counters import Counters
from ..protocol.messages import Outcome
from ..protocol.report import Report, StreamVerdict
from ..protocol.wire import FrameHeader
from .refusals import Refusals
from .timings import Timings

__all__ = ["Account", "Ledger", "Verdicts"]

#: Number of sessions with an account of their own; older ended ones are summed up, which bounds the memory.
MAX_ACCOUNTS = 256
#: Number of streams whose newest verdict is kept.
MAX_VERDICTS = 16


class Account:
    """Counts of the frames of one session of one producer.

    Parameters
    ----------
    first_seq
        Sequence number of the first frame that this session will send.

    Attributes
    ----------
    in_use
        False once the session has ended or its producer has vanished; set by `Sessions`.
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
        """First sequence number that has not arrived."""
        return self._next_seq

    @property
    def open_seq(self) -> int | None:
        """Sequence number of the frame in hand, which arrived at least in part and has no outcome yet; else None."""
        return self._open_seq

    def counters(self) -> Counters:
        """Return a snapshot of the counts."""
        return Counters(offered=self._offered, **self._outcomes)

    def begin(self, seq: int) -> bool:
        """Count frame `seq`, of which rows arrived; False if it has its outcome already and the rows must be ignored.

        Frames in a gap before `seq` count as dropped by the producer, and so does a frame that is still in hand.
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
            raise RuntimeError(f"no frame in hand to settle as {outcome}")  # a defect of the service, not of its user
        self._open_seq = None
        self._outcomes[outcome] += 1

    def abandon(self) -> None:
        """Count the frame in hand as dropped by the producer, which will not finish it."""
        if self._open_seq is not None:
            self.settle("dropped_producer")

    def end(self, last_seq: int) -> None:
        """Note that the producer offered frames up to `last_seq` and no more."""
        self._skip_to(max(last_seq + 1, self._next_seq))

    def _skip_to(self, seq: int) -> None:
        self.abandon()
        missed = seq - self._next_seq
        self._offered += missed
        self._outcomes["dropped_producer"] += missed
        self._next_seq = seq


class Verdicts:
    """Counts the frames out of domain, and keeps the newest verdict of each stream.

    Used by one thread; both may be read from others.
    """

    def __init__(self) -> None:
        self.out_of_domain = 0
        self._newest: OrderedDict[str, StreamVerdict] = OrderedDict()

    def add(self, header: FrameHeader, verdict: DomainVerdict | None) -> None:
        """Note the verdict on a frame, or on its lines so far; None: there is none."""
        if verdict is None:
            return
        self.out_of_domain += header.complete and verdict.out_of_domain
        self._newest[header.source] = StreamVerdict(
            stream=header.source,
            frame=header.frame,
            lines=header.valid_rows,
            height=header.frame_shape[0],
            verdict=verdict,
        )
        self._newest.move_to_end(header.source)
        if len(self._newest) > MAX_VERDICTS:
            self._newest.popitem(last=False)

    def table(self) -> tuple[StreamVerdict, ...]:
        """Return the verdicts, the newest last."""
        return tuple(self._newest.values())


class Ledger:
    """The accounts of all sessions since the service started, for each stream and in total.

    Used by one thread; the counters may be read from others.

    Attributes
    ----------
    refusals
        Reasons of rejected and quarantined frames.
    verdicts
        Verdicts on what was published.
    """

    def __init__(self) -> None:
        self.refusals = Refusals()
        self.verdicts = Verdicts()
        self._accounts: OrderedDict[tuple[str, str], Account] = OrderedDict()
        self._older = Counters()

    def account(self, stream: str, session: str, first_seq: int) -> Account:
        """Return the account of `session`, which is new for a new session; a producer that reconnects keeps its own."""
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
        """Return the counters of all sessions of one stream."""
        return sum((a.counters() for (name, _), a in list(self._accounts.items()) if name == stream), Counters())

    def streams(self) -> dict[str, Counters]:
        """Return the counters of every stream that still has an account of its own."""
        return {name: self.stream(name) for name in dict.fromkeys(name for name, _ in list(self._accounts))}

    def total(self) -> Counters:
        """Return the counters of all frames since the start."""
        return sum((account.counters() for account in list(self._accounts.values())), self._older)

    def report(self, ages: Timings, encodings: Timings, **counts: int) -> Report:
        """Return the current figures; `counts` are the fields of `Report` that are neither frame counters nor times."""
        return Report(
            total=self.total(),
            streams=self.streams(),
            refusals=self.refusals.table(),
            out_of_domain=self.verdicts.out_of_domain,
            verdicts=self.verdicts.table(),
            age_p50_ms=ages.percentile_ms(50),
            age_p99_ms=ages.percentile_ms(99),
            encode_p50_ms=encodings.percentile_ms(50),
            encode_p99_ms=encodings.percentile_ms(99),
            **counts,
        )
