"""Browsers get 30 pictures a second, and a source of 30 frames a second never waits for long."""

from __future__ import annotations

from itertools import pairwise

from shiftvae_rt.view import pace

PERIOD_S = 1 / 30


def sent_at(frames_s: list[float]) -> list[tuple[float, float]]:
    """When each picture is sent, and when the frame came that it shows: the newest one."""
    counted, sent = pace.Pace(), []
    for at, frame_s in enumerate(frames_s):
        due_s = frame_s + max(0.0, counted.wait_s(frame_s))
        if at + 1 < len(frames_s) and frames_s[at + 1] <= due_s:
            continue  # a newer one takes its place
        counted.sent(due_s)
        sent.append((due_s, frame_s))
    return sent


def test_frames_in_time_do_not_wait_after_some_that_were_late():
    """With the room of half an interval that there once was, all frames after the late one waited for 17 ms."""
    frames = [1 + PERIOD_S * number for number in range(200)]
    for late, by_s in ((20, 0.03), (60, 0.06), (100, 0.015)):
        frames[late] += by_s
    frames.sort()
    sent = sent_at(frames)
    waited = [at - frame for at, frame in sent]
    assert len(sent) >= 197
    assert sum(wait > 1e-6 for wait in waited) <= 3
    assert max(waited) <= PERIOD_S / 2


def test_a_faster_source_is_thinned_out_to_thirty_a_second():
    sent = [at for at, _ in sent_at([1 + number / 500 for number in range(5000)])]
    apart = [after - before for before, after in pairwise(sent)]
    assert 10 * 30 <= len(sent) <= 10 * 30 + 2 + pace.AHEAD_S / PERIOD_S
    assert min(apart) >= PERIOD_S / 2 - 1e-9
