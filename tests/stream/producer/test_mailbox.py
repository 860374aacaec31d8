"""The mailbox: the newest frame waits, rows of one frame lose nothing, everything is counted once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_support import noisy

from shiftvae_rt.errors import FrameError
from shiftvae_rt.stream.producer.mailbox import Mailbox
from shiftvae_rt.stream.producer.outgoing import Source
from shiftvae_rt.stream.protocol.counters import Counters

PLENTY = 1 << 30
FRAME = noisy((12, 5))


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox(Source("s", 3, "HAADF"))


def test_a_newer_frame_replaces_the_one_that_waits_and_is_counted(mailbox: Mailbox) -> None:
    for _ in range(4):
        mailbox.put(FRAME)
    header, _ = mailbox.take(PLENTY)
    assert header.seq == 4
    assert mailbox.counters() == Counters(offered=4, dropped_producer=3)


def test_a_newer_frame_may_follow_one_that_has_no_answer_and_answers_count_in_order(mailbox: Mailbox) -> None:
    for seq in (1, 2):
        mailbox.put(FRAME)
        header, _ = mailbox.take(PLENTY)
        assert header.seq == seq
    assert mailbox.take(PLENTY) is None, "nothing waits"
    mailbox.settled(2, "processed")
    assert mailbox.counters().settled == 0, "that is not the answer that comes next"
    mailbox.settled(1, "rejected")
    mailbox.settled(2, "processed")
    assert mailbox.counters() == Counters(offered=2, processed=1, rejected=1)
    assert mailbox.idle


def test_a_scan_that_was_replaced_with_two_messages_on_their_way_is_decided_by_the_last_answer(
    mailbox: Mailbox,
) -> None:
    for first in (0, 4):
        mailbox.put(FRAME[first : first + 4], frame=7, first_row=first, height=12)
        assert mailbox.take(PLENTY) is not None
    mailbox.put(FRAME)
    mailbox.taken(1)
    assert mailbox.counters().settled == 0
    mailbox.settled(1, "rejected")
    assert mailbox.counters() == Counters(offered=2, rejected=1)


@pytest.mark.parametrize(
    ("next_seq", "settled", "expected"),
    [
        (1, {}, Counters(offered=2, dropped_producer=2)),
        (2, {"processed": 1}, Counters(offered=2, processed=1, dropped_producer=1)),
        (3, {"processed": 2}, Counters(offered=2, processed=2)),
        (3, {"processed": 1, "rejected": 1}, Counters(offered=2, processed=1, rejected=1)),
        (3, {"processed": 1, "dropped_producer": 1}, Counters(offered=2, processed=1, dropped_producer=1)),
    ],
)
def test_frames_whose_answers_were_lost_count_as_the_runtime_counted_them(
    mailbox: Mailbox, next_seq: int, settled: dict[str, int], expected: Counters
) -> None:
    for _ in range(2):
        mailbox.put(FRAME)
        mailbox.take(PLENTY)
    mailbox.reconnected(next_seq, {**dict.fromkeys(("processed", "rejected", "dropped_producer"), 0), **settled})
    assert mailbox.counters() == expected


@given(st.lists(st.integers(1, 5), min_size=1, max_size=12), st.lists(st.booleans(), min_size=12, max_size=12))
def test_rows_gather_and_arrive_once_each_in_order(bands: list[int], takes: list[bool]) -> None:
    mailbox, pixels = Mailbox(Source("s")), noisy((sum(bands), 4))
    arrived, first = [], 0
    for band, take in zip(bands, takes, strict=False):
        mailbox.put(pixels[first : first + band], frame=7, first_row=first, height=len(pixels))
        first += band
        if take and (message := mailbox.take(PLENTY)) is not None:
            arrived.append(message)
            mailbox.taken(1)
    if (message := mailbox.take(PLENTY)) is not None:
        arrived.append(message)
    assert np.array_equal(np.concatenate([rows for _, rows in arrived]), pixels)
    assert [header.complete for header, _ in arrived] == [False] * (len(arrived) - 1) + [True]
    assert [header.roi[0] for header, _ in arrived] == [0, *(header.valid_rows for header, _ in arrived[:-1])]


def test_a_new_frame_replaces_the_rest_of_the_old_one_which_is_dropped_once(mailbox: Mailbox) -> None:
    mailbox.put(FRAME[:4], frame=1, height=12)
    mailbox.take(PLENTY)
    mailbox.taken(1)
    mailbox.put(FRAME[4:8], frame=1, first_row=4, height=12)
    mailbox.put(FRAME, frame=2)
    assert mailbox.counters() == Counters(offered=2, dropped_producer=1)
    header, _ = mailbox.take(PLENTY)
    assert (header.frame, header.seq) == (2, 2)


@pytest.mark.parametrize("outcome", ["rejected", "dropped_stale"])
def test_the_runtime_decides_about_a_frame_whose_rows_are_on_their_way_when_it_is_replaced(
    mailbox: Mailbox, outcome: str
) -> None:
    mailbox.put(FRAME[:4], frame=1, height=12)
    mailbox.take(PLENTY)
    mailbox.put(FRAME, frame=2)
    assert mailbox.counters().settled == 0
    mailbox.settled(1, outcome)
    assert mailbox.counters() == Counters(offered=2, **{outcome: 1})


def test_a_replaced_frame_that_the_runtime_wanted_more_of_is_dropped_by_the_producer(mailbox: Mailbox) -> None:
    mailbox.put(FRAME[:4], frame=1, height=12)
    mailbox.take(PLENTY)
    mailbox.put(FRAME, frame=2)
    mailbox.taken(1)
    assert mailbox.counters() == Counters(offered=2, dropped_producer=1)


def test_rows_of_a_frame_that_was_rejected_are_ignored(mailbox: Mailbox) -> None:
    mailbox.put(FRAME[:4], frame=1, height=12)
    mailbox.take(PLENTY)
    mailbox.settled(1, "rejected")
    mailbox.put(FRAME[4:], frame=1, first_row=4, height=12)
    assert mailbox.take(PLENTY) is None
    assert mailbox.idle
    assert mailbox.counters() == Counters(offered=1, rejected=1)


def test_the_acquisition_may_change_its_array_after_the_offer(mailbox: Mailbox) -> None:
    live = FRAME.copy()
    mailbox.put(live)
    live[:] = 0
    _, rows = mailbox.take(PLENTY)
    assert np.array_equal(rows, FRAME)


def test_sent_rows_stay_unchanged_while_later_rows_come_in(mailbox: Mailbox) -> None:
    mailbox.put(FRAME[:4], frame=1, height=12)
    _, rows = mailbox.take(PLENTY)
    before = rows.copy()
    mailbox.put(FRAME[4:], frame=1, first_row=4, height=12)
    mailbox.put(FRAME + 1, frame=2)
    assert np.array_equal(rows, before)


def test_a_frame_larger_than_a_message_travels_in_bands(mailbox: Mailbox) -> None:
    channels = np.stack([FRAME, FRAME + 1])
    mailbox.put(channels, frame=1)
    arrived = []
    while (message := mailbox.take(5 * channels[:, 0].nbytes)) is not None:
        arrived.append(message[1])
        mailbox.taken(1)
    assert [rows.shape for rows in arrived] == [(2, 5, 5), (2, 5, 5), (2, 2, 5)]
    assert np.array_equal(np.concatenate(arrived, axis=1), channels)


def test_a_line_that_no_message_holds_is_dropped_and_counted(mailbox: Mailbox) -> None:
    mailbox.put(FRAME)
    assert mailbox.take(FRAME[0].nbytes - 1) is None
    assert mailbox.counters() == Counters(offered=1, dropped_producer=1)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ({"frame": 1, "first_row": 3}, "expected row 4"),
        ({"frame": 1, "first_row": 5}, "expected row 4"),
        ({"frame": 2, "first_row": 0, "height": 3}, "3 rows .*, got 4"),
    ],
    ids=str,
)
def test_rows_that_are_not_the_next_ones_are_refused(mailbox: Mailbox, place: dict, message: str) -> None:
    mailbox.put(FRAME[:4], frame=1, height=12)
    with pytest.raises(FrameError, match=message):
        mailbox.put(FRAME[:4], **{"height": 12, **place})
    assert mailbox.counters().offered == 1


@pytest.mark.parametrize(
    ("frame", "first_row"), [(2, 4), (1, 2), (None, 4)], ids=["no beginning", "again", "no number"]
)
def test_rows_of_no_frame_or_offered_before_are_ignored_and_counted(
    mailbox: Mailbox, frame: int | None, first_row: int
) -> None:
    mailbox.put(FRAME[:4], frame=1, height=12)
    assert mailbox.put(FRAME[first_row : first_row + 2], frame=frame, first_row=first_row, height=12) == 0
    assert (mailbox.late, mailbox.counters().offered) == (1, 1)
    assert mailbox.put(FRAME[4:], frame=1, first_row=4, height=12) == 1, "the frame goes on"


def test_rows_that_come_after_an_abort_or_a_newer_frame_are_ignored_and_counted(mailbox: Mailbox) -> None:
    mailbox.put(FRAME[:4], frame=1, height=12)
    assert mailbox.abort(1)
    assert mailbox.put(FRAME[4:8], frame=1, first_row=4, height=12) == 0
    mailbox.put(FRAME[:4], frame=2, height=12)
    assert mailbox.put(FRAME[8:], frame=1, first_row=8, height=12) == 0
    assert mailbox.put(FRAME[4:], frame=2, first_row=4, height=12) == 2
    assert (mailbox.late, mailbox.counters().offered) == (2, 2)


@pytest.mark.parametrize("how", ["abort", "replace"])
def test_rectangles_of_a_frame_that_was_given_up_begin_no_frame(mailbox: Mailbox, how: str) -> None:
    def put(frame: int, x: int) -> int:
        return mailbox.put_rectangle(FRAME[:, x : x + 1], frame=frame, place=(0, x), frame_shape=(12, 2))

    assert put(1, 0) == 1
    if how == "abort":
        assert mailbox.abort(1)
        assert put(1, 1) == 0
    assert put(2, 0) == 2
    assert put(1, 1) == 0
    assert put(2, 1) == 2
    assert mailbox.counters().offered == 2
    assert mailbox.late == (2 if how == "abort" else 1)
    assert put(1, 0) == 3, "frame 2 is complete: the numbers began anew"


@pytest.mark.parametrize("rows", [FRAME[:4].astype(np.float32), FRAME[:4, :3], FRAME[np.newaxis, :4]], ids=repr)
def test_rows_of_another_kind_are_refused(mailbox: Mailbox, rows: np.ndarray) -> None:
    mailbox.put(FRAME[:4], frame=1, height=12)
    with pytest.raises(FrameError, match="got rows"):
        mailbox.put(rows, frame=1, first_row=4, height=12)


def test_giving_up_settles_everything(mailbox: Mailbox) -> None:
    mailbox.put(FRAME)
    mailbox.take(PLENTY)
    mailbox.put(FRAME)
    mailbox.give_up()
    assert mailbox.counters() == Counters(offered=2, dropped_producer=2)
    assert mailbox.idle


def test_row_0_begins_a_new_frame_whatever_its_number(mailbox: Mailbox) -> None:
    assert [mailbox.put(FRAME[:4], frame=0, height=12) for _ in range(3)] == [1, 2, 3]
    assert mailbox.counters() == Counters(offered=3, dropped_producer=2)
