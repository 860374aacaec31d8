"""A reader of the newest results is never further behind than one of each stream, and counts what it skips."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st
from stream_support import FREE, LIMIT_S, frame_message, noisy

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.stream import Subscriber
from shiftvae_rt.stream.protocol.counters import Counters
from shiftvae_rt.stream.protocol.results import Result, read_result, result_message
from shiftvae_rt.stream.protocol.wire import decode_frame_header
from shiftvae_rt.stream.reader.newest import Newest

Make = Callable[..., Any]
FRAME = noisy((40, 40))


def message(mapper: LatentMapper, seq: int, stream: str = "s", **changes: Any) -> list[bytes]:
    header = decode_frame_header(json.dumps(frame_message(FRAME, source=stream, frame=seq, **changes)[0]).encode())
    parts = result_message(mapper.map(FRAME), header, seq=seq, epoch="e", age_s=0.01, counters=Counters())
    return [bytes(part) for part in parts]


@pytest.fixture(scope="module")
def result(mapper: LatentMapper) -> Result:
    return read_result(message(mapper, 1))


def test_a_newer_result_takes_the_place_of_an_older_one_of_its_stream(result: Result) -> None:
    newest = Newest()
    for seq, stream in enumerate("aabab", 1):
        newest.add(replace(result, seq=seq, stream=stream))
    taken = [newest.take(), newest.take(), newest.take()]
    assert [each and (each.stream, each.seq) for each in taken] == [("a", 4), ("b", 5), None]
    assert newest.skipped == 3


def test_a_whole_map_stays_when_bands_of_the_next_frame_come_and_ends_those_of_its_own(result: Result) -> None:
    newest = Newest()
    for seq, complete in enumerate([False, False, True, False, False], 1):
        newest.add(replace(result, seq=seq, complete=complete))
    assert [(each.seq, each.complete) for each in (newest.take(), newest.take()) if each] == [(3, True), (5, False)]
    assert newest.skipped == 3


def test_a_fast_stream_does_not_starve_a_slow_one(result: Result) -> None:
    newest, given_of = Newest(), Counter[str]()
    for seq in range(1, 1000, 4):
        for stream, place in (("fast", 0), ("slow", 1), ("fast", 2), ("fast", 3)):
            newest.add(replace(result, seq=seq + place, stream=stream))
        taken = newest.take()
        assert taken is not None
        assert taken.seq >= seq - 4, "it waited for its turn with its newest result"
        given_of[taken.stream] += 1
    assert abs(given_of["fast"] - given_of["slow"]) <= 1


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.booleans())))
def test_every_result_is_given_skipped_or_waits_and_none_is_given_after_a_newer_one(
    steps: list[tuple[str, bool, bool]],
) -> None:
    newest, given_results = Newest(), []
    last: dict[str, int] = {}
    for seq, (stream, complete, read) in enumerate(steps, 1):
        newest.add(_bare(seq, stream, complete))
        assert len(newest) <= 6
        if read and (taken := newest.take()) is not None:
            given_results.append(taken)
            assert taken.seq > last.get(taken.stream, 0)
            last[taken.stream] = taken.seq
    assert len(given_results) + newest.skipped + len(newest) == len(steps)


def _bare(seq: int, stream: str, complete: bool) -> Result:
    bare = object.__new__(Result)
    for name, value in (("seq", seq), ("stream", stream), ("complete", complete)):
        object.__setattr__(bare, name, value)
    return bare


@pytest.fixture
def publisher() -> Any:
    context = zmq.Context()
    socket = context.socket(zmq.XPUB)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.XPUB_VERBOSE, 1)  # to hear of every reader
    socket.bind(FREE)
    yield socket, socket.getsockopt_string(zmq.LAST_ENDPOINT)
    socket.close()
    context.term()


def test_a_reader_of_the_newest_that_slept_is_given_the_newest_at_once(publisher: Any, mapper: LatentMapper) -> None:
    socket, endpoint = publisher
    with Subscriber(endpoint, latest=True) as subscriber, Subscriber(endpoint) as witness:
        for _ in range(2):
            assert socket.poll(LIMIT_S * 1e3)
            socket.recv()
        seq, given_results = 0, 0
        for turn in range(20):
            for _ in range(8):
                for stream in "ab":
                    seq += 1
                    socket.send_multipart(message(mapper, seq, stream))
            while (seen := witness.receive(LIMIT_S)) is not None and seen.seq < seq:
                pass
            assert subscriber._connection.socket.poll(LIMIT_S * 1e3)
            last: dict[str, int] = {}
            while set(last.values()) != {seq - 1, seq}:  # at once, but for what is still on its way in the kernel
                result = subscriber.receive(LIMIT_S)
                assert result is not None
                last[result.stream] = result.seq
                given_results += 1
            assert subscriber.receive(0) is None
            assert subscriber.gaps == 0
            assert given_results + subscriber.skipped == 16 * (turn + 1)
        assert given_results < 320 / 2
        assert witness.skipped == 0


def test_a_reader_that_keeps_everything_is_given_everything_and_says_how_far_behind_it_is(
    publisher: Any, mapper: LatentMapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket, endpoint = publisher
    now_ns = 10**18
    monkeypatch.setattr("shiftvae_rt.stream.reader.subscriber.time.time_ns", lambda: now_ns)
    with Subscriber(endpoint) as subscriber:
        assert socket.poll(LIMIT_S * 1e3)
        behind = []
        for seq, delay_s in ((1, 5), (2, 5), (3, 7), (4, 6)):  # the clocks differ by 5 s
            socket.send_multipart(message(mapper, seq, utc_ns=now_ns - delay_s * 10**9))
            assert subscriber.receive(LIMIT_S).seq == seq
            behind.append(subscriber.behind_s)
    assert behind == [0.0, 0.0, 2.0, 1.0]
    assert subscriber.skipped == 0
