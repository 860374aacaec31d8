"""Who is connected: HELLO, PING, END, producers that come back, vanish, or count in their own way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from stream_support import (
    FREE,
    LIMIT_S,
    RawProducer,
    frame_message,
    rows_message,
    until,
)

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.simulator import Microscope
from shiftvae_rt.stream import (
    Control,
    Counters,
    Options,
    Service,
    Subscriber,
)

Make = Callable[..., Any]
FRAME = Microscope(shape=(96, 80)).frame(0).pixels


def assert_exact(counters: Counters) -> None:
    assert counters.offered == counters.settled


def test_a_producer_that_vanishes_in_mid_frame_leaves_exact_counters(
    service: Service, raw: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shiftvae_rt.stream.service.sessions.SILENCE_NS", 50_000_000)
    client: RawProducer = raw(service)
    client.hello()
    assert client.say(*frame_message(FRAME, seq=1))["htype"] == "ACK"
    assert client.say(*rows_message(FRAME, 0, 40, seq=4))["htype"] == "CREDIT"
    client.socket.close()
    until(lambda: service.report().total == Counters(offered=4, processed=1, dropped_producer=3))


def test_a_frame_that_came_twice_is_processed_once(service: Service, raw: Make) -> None:
    client: RawProducer = raw(service)
    client.hello()
    assert client.say(*frame_message(FRAME))["htype"] == "ACK"
    assert client.say(*frame_message(FRAME))["htype"] == "CREDIT"
    assert service.report().total == Counters(offered=1, processed=1)


def test_frames_sent_without_credit_are_bounded_and_counted_like_any_other(service: Service, raw: Make) -> None:
    client: RawProducer = raw(service)
    client.hello()
    for seq in range(1, 31):
        client.tell(*frame_message(FRAME, seq=seq))
    answers = [client.hear() for _ in range(30)]
    assert [answer["credit"] for answer in answers] == list(range(2, 32))
    counters = service.report().total
    assert counters.offered == 30
    assert_exact(counters)


def test_no_answer_is_lost_in_a_long_lockstep(service: Service, raw: Make) -> None:
    client: RawProducer = raw(service)
    client.hello()
    for number in range(3000):
        assert client.say({"htype": "PING", "clock_ns": number})["clock_ns"] == number
    assert service.report().unanswered == 0


def test_a_frame_before_hello_is_answered_and_belongs_to_nobody(service: Service, raw: Make) -> None:
    client: RawProducer = raw(service)
    assert client.say(*frame_message(FRAME))["name"] == "unknown_session"
    assert client.say({"htype": "PING", "clock_ns": 1})["name"] == "unknown_session"
    assert service.report().total == Counters()


def test_a_second_live_producer_of_a_stream_is_refused_and_the_first_goes_on(service: Service, raw: Make) -> None:
    first, second = raw(service), raw(service)
    first.hello()
    assert second.hello(session="another")["name"] == "stream_busy"
    assert second.hello(session="another", stream="other")["htype"] == "WELCOME"
    assert first.say(*frame_message(FRAME))["outcome"] == "processed"


def test_a_producer_that_comes_back_goes_on_with_its_account(service: Service, raw: Make) -> None:
    client, again = raw(service), raw(service)
    client.hello()
    client.say(*frame_message(FRAME, seq=1))
    client.say(*rows_message(FRAME, 0, 40, seq=2))
    welcome = again.hello()
    assert welcome["next_seq"] == 3
    assert (welcome["counters"]["processed"], welcome["counters"]["dropped_producer"]) == (1, 1)
    assert client.say(*frame_message(FRAME, seq=3))["name"] == "unknown_session", "the old connection is over"
    assert again.say(*frame_message(FRAME, seq=5))["outcome"] == "processed"
    assert service.report().total == Counters(offered=5, processed=2, dropped_producer=3)


@pytest.mark.parametrize("protocol", [2, 4])
def test_another_protocol_is_refused_by_name_and_number(service: Service, raw: Make, protocol: int) -> None:
    answer = raw(service).hello(protocol=protocol)
    assert (answer["name"], answer["text"][:27]) == ("protocol_mismatch", f"expected protocol 3, got {protocol}:")


def test_only_so_many_producers_are_taken(service: Service, raw: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shiftvae_rt.stream.service.sessions.MAX_SESSIONS", 2)
    answers = [raw(service).hello(stream=str(n), session=str(n)) for n in range(3)]
    assert [answer.get("name") for answer in answers] == [None, None, "too_many_streams"]


def test_a_ping_is_answered_with_the_counters(service: Service, raw: Make) -> None:
    client: RawProducer = raw(service)
    epoch = client.hello()["epoch"]
    client.say(*frame_message(FRAME, seq=3))
    pong = client.say({"htype": "PING", "clock_ns": 12345})
    assert (pong["htype"], pong["clock_ns"], pong["epoch"], pong["credit"]) == ("PONG", 12345, epoch, 2)
    assert (pong["counters"]["offered"], pong["counters"]["dropped_producer"]) == (3, 2)


def test_end_settles_everything_and_says_so(service: Service, raw: Make) -> None:
    client: RawProducer = raw(service)
    client.hello()
    client.say(*rows_message(FRAME, 0, 40, seq=2))
    ended = client.say({"htype": "END", "last_seq": 7})
    assert (ended["htype"], ended["counters"]["offered"], ended["counters"]["dropped_producer"]) == ("END_ACK", 7, 7)
    assert client.say(*frame_message(FRAME, seq=8))["name"] == "unknown_session"


def test_a_sequence_that_wraps_or_goes_back_is_never_processed_twice(service: Service, raw: Make) -> None:
    client: RawProducer = raw(service)
    client.hello(first_seq=2**32 - 1)
    for seq in (2**32 - 1, 2**32):
        assert client.say(*frame_message(FRAME, seq=seq))["outcome"] == "processed"
    assert client.say(*frame_message(FRAME, seq=0))["name"] == "bad_message"
    for seq in (1, 2**32 - 1):
        assert client.say(*frame_message(FRAME, seq=seq))["htype"] == "CREDIT"
    assert client.say(*frame_message(FRAME, seq=2**53 + 1))["name"] == "bad_message"
    assert service.report().total == Counters(offered=2, processed=2)


def test_a_producer_that_skips_to_the_last_number_there_is_blinds_nobody(
    serve: Make, mapper: LatentMapper, raw: Make, subscribe: Make
) -> None:
    service: Service = serve(mapper, options=Options(control=FREE))
    subscriber: Subscriber = subscribe(service)
    for session in ("a", "b"):  # the sum is no number that a double holds
        client: RawProducer = raw(service)
        client.hello(session=session)
        assert client.say(*frame_message(FRAME, seq=2**53))["outcome"] == "processed"
        assert client.say({"htype": "END", "last_seq": 2**53})["htype"] == "END_ACK"
    expected = Counters(offered=2**54, processed=2, dropped_producer=2**54 - 2)
    with Control(service.control) as control:
        assert control.status().report.total == expected
    assert [subscriber.receive(LIMIT_S).counters.processed for _ in range(2)] == [1, 2]
