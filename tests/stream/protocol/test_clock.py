"""Ages are exact on one clock and close to it on two."""

from __future__ import annotations

import pytest

from shiftvae_rt.stream.protocol.clock import SenderClock, clock_name

S = 1_000_000_000


def test_ages_on_the_same_clock_are_exact_even_if_every_message_was_late() -> None:
    clock = SenderClock(clock_name(), clock_ns=100 * S, now_ns=101 * S)
    assert clock.age_s(105 * S, 107 * S) == 2.0


@pytest.mark.parametrize("offset_s", [-5000, 0, 5000])
def test_ages_on_another_clock_count_from_the_fastest_message(offset_s: int) -> None:
    ours = 10_000 * S
    clock = SenderClock("elsewhere", ours + offset_s * S, ours + S)  # took 1 s
    clock.hear(ours + (offset_s + 2) * S, ours + int(2.01 * S))  # took 10 ms
    clock.hear(ours + (offset_s + 3) * S, ours + int(3.5 * S))  # took 0.5 s
    assert clock.age_s(ours + (offset_s + 10) * S, ours + int(10.3 * S)) == pytest.approx(0.29)


def test_the_offset_follows_clocks_that_drift_apart() -> None:
    clock = SenderClock("elsewhere", 0, 0)
    for second in range(200):
        clock.hear(second * S, second * S + second * S // 1000)  # 1 ms a second
    assert clock.age_s(200 * S, 200 * S + S // 5) < 0.07


def test_a_name_alone_is_not_believed_when_the_clocks_are_far_apart() -> None:
    clock = SenderClock(clock_name(), 0, 5000 * S)
    assert clock.age_s(10 * S, 5010 * S) == 0.0


def test_an_age_is_never_negative() -> None:
    assert SenderClock(clock_name(), 10 * S, 10 * S).age_s(12 * S, 11 * S) == 0.0


@pytest.mark.parametrize("wrong_s", [-3600, -3, 3, 3600])
def test_a_wrong_reading_counts_until_the_next_ping_and_no_longer(wrong_s: int) -> None:
    clock = SenderClock("", 100 * S, 500 * S)
    clock.hear((101 + wrong_s) * S, 501 * S)
    clock.hear(102 * S, 502 * S)
    assert clock.age_s(103 * S, 503 * S + S // 10) == pytest.approx(0.1)


def test_a_clock_that_was_set_is_followed_from_the_next_ping_on() -> None:
    clock = SenderClock("", 100 * S, 500 * S)
    clock.hear(7 * S, 501 * S)
    clock.hear(8 * S, 502 * S)
    assert clock.age_s(9 * S, 503 * S + S // 10) == pytest.approx(0.1)
