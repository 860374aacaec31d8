"""The identity: offered = processed + dropped + rejected + quarantined, whatever happens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiftvae_rt.stream.protocol.counters import Counters
from shiftvae_rt.stream.service.accounting import MAX_ACCOUNTS, Account, Ledger

OUTCOMES = ("processed", "dropped_stale", "rejected", "quarantined")

# What a producer may do: rows of a frame `step` further on, which then may get an outcome; or leave.
events = st.lists(st.tuples(st.integers(-2, 5), st.sampled_from([None, *OUTCOMES])) | st.just("abandon"), max_size=60)


def check_identity(account_type: type[Account], happened: list) -> None:
    """Play events against an account and compare it with a plain list of what became of each frame."""
    account = account_type()
    seen, outcomes, open_seq = 0, {}, None
    for event in happened:
        if event == "abandon":
            account.abandon()
            if open_seq is not None:
                outcomes[open_seq], open_seq = "dropped_producer", None
        else:
            step, outcome = event
            seq = max(1, seen + step)
            if account.begin(seq):
                if open_seq is not None and seq != open_seq:
                    outcomes[open_seq] = "dropped_producer"
                outcomes.update(dict.fromkeys(range(seen + 1, seq), "dropped_producer"))
                seen, open_seq = max(seen, seq), seq
                if outcome is not None:
                    account.settle(outcome)
                    outcomes[seq], open_seq = outcome, None
            else:
                assert seq in outcomes, "only a frame that has its outcome may be ignored"
        counters = account.counters()
        assert counters.offered == seen
        assert counters.offered == counters.settled + (open_seq is not None)
        assert account.open_seq == open_seq
    values = list(outcomes.values())
    expected = {name: values.count(name) for name in ("dropped_producer", *OUTCOMES)}
    assert account.counters() == Counters(offered=seen, **expected)


@given(events)
def test_every_frame_has_one_outcome_and_the_sum_is_exact_at_every_step(happened: list) -> None:
    check_identity(Account, happened)


def test_the_end_counts_the_frames_that_were_never_sent() -> None:
    account = Account()
    account.begin(1)
    account.end(4)
    assert account.counters() == Counters(offered=4, dropped_producer=4)


def test_a_session_that_begins_later_is_not_charged_for_earlier_frames() -> None:
    account = Account(first_seq=100)
    account.begin(101)
    account.settle("processed")
    assert account.counters() == Counters(offered=2, processed=1, dropped_producer=1)


def test_settling_without_a_frame_in_hand_is_a_defect_that_shows() -> None:
    with pytest.raises(RuntimeError, match="no frame in hand"):
        Account().settle("processed")


def test_a_ledger_forgets_old_sessions_but_not_their_frames() -> None:
    ledger = Ledger()
    alive = ledger.account("alive", "s", 1)
    for number in range(2 * MAX_ACCOUNTS):
        account = ledger.account(f"stream {number}", "s", 1)
        account.end(3)
        account.in_use = False
    alive.begin(1)
    assert len(ledger.streams()) <= MAX_ACCOUNTS + 1
    assert ledger.stream("alive").offered == 1, "a session that goes on keeps its own line"
    assert ledger.total().offered == 3 * 2 * MAX_ACCOUNTS + 1


def test_a_stream_is_the_sum_of_its_sessions() -> None:
    ledger = Ledger()
    for session, last in (("a", 2), ("b", 5)):
        ledger.account("stream", session, 1).end(last)
    assert ledger.stream("stream").offered == 7
    assert ledger.account("stream", "a", 1).next_seq == 3, "a producer that comes back goes on with its account"
