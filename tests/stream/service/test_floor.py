"""Several producers with more than can be encoded: each gets its turn, and nothing waits but in mailboxes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from stream_support import LIMIT_S, GatedMapper, RawProducer, frame_message, hello, noisy, rows_message, until

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.stream import Counters, Options, Producer, Service
from shiftvae_rt.stream.protocol.clock import clock_name, monotonic_ns
from shiftvae_rt.stream.protocol.messages import Hello
from shiftvae_rt.stream.service.accounting import Ledger
from shiftvae_rt.stream.service.floor import ACTIVE_NS, PATIENCE_NS, Floor
from shiftvae_rt.stream.service.sessions import Session, Sessions

Make = Callable[..., Any]
FRAME = noisy((40, 40))
MS = 1_000_000


def producers(count: int) -> list[Session]:
    sessions = Sessions(Ledger(), closed=lambda _: None)
    made = []
    for n in range(count):
        fields = hello(stream=f"s{n}", session=f"s{n}", clock=clock_name(), clock_ns=0)
        del fields["htype"]
        made.append(sessions.open(b"%d" % n, Hello(**fields), 0))
    return made


def send(floor: Floor, session: Session, now_ns: int) -> None:
    """A message of `session` is taken in and answered."""
    session.received += 1
    floor.sent(session, now_ns)
    floor.answered(session, now_ns)


def test_a_producer_alone_has_its_next_credit_with_every_answer() -> None:
    floor, (one, _) = Floor(), producers(2)
    for n in range(5):
        send(floor, one, n * MS)
        assert one.granted == one.received + 1


def test_of_producers_that_start_together_only_the_first_has_credit_ahead() -> None:
    floor, sessions = Floor(), producers(16)
    for session in sessions:
        floor.opened(session, 0)
    assert [session.granted for session in sessions] == [1] + [0] * 15
    floor.forget(sessions[0])
    floor.opened(sessions[1], 1)
    assert sessions[1].granted == 1, "credit that was not used dies with its session"


def test_slow_producers_that_are_each_alone_for_a_second_do_not_all_get_credit_ahead() -> None:
    floor, sessions = Floor(), producers(4)
    for n, session in enumerate(sessions):
        send(floor, session, 2 * n * ACTIVE_NS)
    assert [session.granted - session.received for session in sessions] == [1, 0, 0, 0]


def test_two_active_producers_get_credit_only_in_turn() -> None:
    floor, (one, two) = Floor(), producers(2)
    send(floor, one, 0)
    send(floor, two, MS)
    assert two.granted == two.received
    floor.want(two, MS, 2 * MS)
    floor.want(one, MS, 2 * MS)
    assert floor.next(3 * MS) is two, "the other has credit, from when it was alone"
    assert floor.next(4 * MS) is None, "one at a time"
    send(floor, one, 5 * MS)
    send(floor, two, 6 * MS)
    for each in (two, one):
        assert each.granted == each.received
        floor.want(each, 6 * MS, 6 * MS)
    assert floor.next(7 * MS) is one, "it has waited longer"


def test_a_producer_that_does_not_use_its_turn_loses_it() -> None:
    floor, (one, two) = Floor(), producers(2)
    for each in (one, two):
        floor.want(each, 0, 0)
    first = floor.next(0)
    assert floor.next(PATIENCE_NS - 1) is None
    assert floor.next(PATIENCE_NS) not in (first, None)


def maps_of(floor: Floor, good: list[Session], rogues: list[Session]) -> int:
    """Turns that `good` producers get in 10 s of encodings of 5 ms; rogues say WANT at every turn and never send."""
    now_ns, served = 1000 * MS, 0
    until_ns = now_ns + 10_000 * MS
    while now_ns < until_ns:
        for session in (*good, *rogues):
            floor.want(session, now_ns, now_ns)
        session = floor.next(now_ns)
        if session in good:
            send(floor, session, now_ns)
            served += 1
            now_ns += 5 * MS
        else:
            now_ns += MS
    return served


@pytest.mark.parametrize("rogue_count", [1, 3])
def test_one_who_wants_and_never_sends_takes_next_to_nothing_from_the_others(rogue_count: int) -> None:
    good, rogues = (made := producers(4 + rogue_count))[:4], made[4:]
    alone = maps_of(Floor(), good, [])
    for session in good:
        session.received = session.granted = 0
    beside = maps_of(Floor(), good, rogues)
    assert beside >= alone - rogue_count * (PATIENCE_NS // (5 * MS) + 1)
    assert beside >= 0.9 * alone


def test_one_who_comes_late_with_its_message_has_its_turns_again() -> None:
    floor, (one, two) = Floor(), producers(2)
    floor.want(one, 0, 0)
    assert floor.next(0) is one
    floor.want(two, 0, 0)
    assert floor.next(PATIENCE_NS) is two
    floor.want(one, PATIENCE_NS, PATIENCE_NS)
    send(floor, two, PATIENCE_NS + MS)
    assert floor.next(PATIENCE_NS + MS) is None, "it has credit already"
    send(floor, one, PATIENCE_NS + 2 * MS)
    floor.want(one, PATIENCE_NS + 3 * MS, PATIENCE_NS + 3 * MS)
    assert floor.next(PATIENCE_NS + 3 * MS) is one


def test_a_turn_is_given_before_the_end_of_the_encoding_in_hand_by_the_lead_of_its_owner() -> None:
    floor, (one, _) = Floor(), producers(2)
    floor.want(one, 0, 0)
    assert floor.next(0, one.lead_ns + 1) is None, "a newer frame may come in time"
    assert floor.next(MS, one.lead_ns) is one


def test_a_lead_grows_when_the_runtime_had_to_wait_and_shrinks_when_it_had_not() -> None:
    floor, (one, _) = Floor(), producers(2)
    begun_ns = one.lead_ns
    floor.want(one, 0, 0)
    floor.next(0, 0)
    floor.idle(2 * MS)
    floor.idle(3 * MS)
    send(floor, one, 6 * MS)
    assert one.lead_ns == begun_ns + MS, "a quarter of the wait"
    for turn in range(1000):
        floor.want(one, 0, 0)
        one.granted = one.received
        floor.next(turn, 0)
        send(floor, one, turn)
    assert 0 <= one.lead_ns < begun_ns / 100
    floor.idle(0)
    send(floor, one, 100 * MS)
    assert one.lead_ns < begun_ns / 100, "it was not asked for that message ahead"


def test_a_producer_that_left_holds_nobody_up() -> None:
    floor, (one, two) = Floor(), producers(2)
    floor.want(one, 0, 0)
    assert floor.next(0) is one
    floor.forget(one)
    floor.want(two, MS, MS)
    assert floor.next(MS) is two


def test_a_producer_that_was_silent_for_a_while_leaves_the_other_alone() -> None:
    floor, (one, two) = Floor(), producers(2)
    floor.opened(one, 0)
    send(floor, two, 0)
    send(floor, one, ACTIVE_NS // 2)
    assert one.granted == one.received
    send(floor, one, 2 * ACTIVE_NS)
    assert one.granted == one.received + 1


@pytest.mark.parametrize("step_ms", [7, 10, 20])
def test_everybody_gets_a_fair_share_and_only_fresh_frames_are_sent(step_ms: int) -> None:
    """An encoding takes 20 ms, a frame is new every 100 ms: of frames in step with the turns, always the same five of
    the ten would be the newest."""
    floor, sessions = Floor(), producers(10)
    served = []
    for turn in range(500):
        now_ns = (1000 + turn * 20) * MS
        age_ns = [(now_ns - n * step_ms * MS) % (100 * MS) for n in range(10)]
        for session, age in zip(sessions, age_ns, strict=True):
            floor.want(session, now_ns - age, now_ns)
        session = floor.next(now_ns)
        served.append(sessions.index(session))
        assert turn < 2 or age_ns[served[-1]] < 40 * MS
        send(floor, session, now_ns)
    assert min(served.count(n) for n in range(10)) > 0.5 * 500 / 10


@pytest.mark.clock
def test_under_overload_by_many_a_frame_never_waits_behind_the_others(
    serve: Make, mapper: LatentMapper, produce: Make
) -> None:
    gated = GatedMapper(mapper)
    service: Service = serve(gated, options=Options(max_age_s=60.0))
    made: list[Producer] = [produce(service, f"p{n}") for n in range(6)]
    for producer in made:
        producer.wait_ready(LIMIT_S)
    for _ in range(40):
        for producer in made:
            producer.offer(FRAME)
        if gated.waiting.acquire(timeout=0.05):
            gated.gate.release()
    gated.gate.release(1000)
    total = Counters()
    for producer in made:
        total += producer.close(LIMIT_S)
        assert producer.counters.processed >= 2, "nobody starves"
    assert service.report().total == total
    assert total.offered == 240


def test_one_who_wants_and_never_sends_is_granted_once_while_four_others_have_their_turns(
    service: Service, raw: Make
) -> None:
    rogue: RawProducer = raw(service)
    rogue.hello(stream="rogue", session="rogue")
    good: list[RawProducer] = [raw(service) for _ in range(4)]
    for n, client in enumerate(good):
        client.hello(stream=f"g{n}", session=f"g{n}")
        client.tell({"htype": "WANT", "clock_ns": 0})  # so that the rogue is not alone
        assert client.hear()["htype"] == "GRANT"
        assert client.say(*frame_message(FRAME, source=f"g{n}", seq=1))["outcome"] == "processed"
    assert rogue.say(*frame_message(FRAME, source="rogue", seq=1))["outcome"] == "processed"
    for turn in range(2, 42):
        rogue.tell({"htype": "WANT", "clock_ns": monotonic_ns()})
        for n, client in enumerate(good):
            client.tell({"htype": "WANT", "clock_ns": monotonic_ns()})
            assert client.hear()["htype"] == "GRANT"
            assert client.say(*frame_message(FRAME, source=f"g{n}", seq=turn))["outcome"] == "processed"
    rogue.tell({"htype": "PING", "clock_ns": 1})
    heard = [rogue.hear()["htype"]]
    while heard[-1] != "PONG":
        heard.append(rogue.hear()["htype"])
    assert heard.count("GRANT") == 1
    assert service.report().total == Counters(offered=165, processed=165)


def test_an_aborted_scan_is_settled_at_once(service: Service, raw: Make) -> None:
    client: RawProducer = raw(service)
    client.hello()
    client.say(*rows_message(FRAME, 0, 20, seq=1))
    answer = client.say({"htype": "ABORT", "seq": 1})
    assert (answer["htype"], answer["seq"]) == ("CREDIT", 1)
    assert service.report().total == Counters(offered=1, dropped_producer=1)
    assert client.say({"htype": "ABORT", "seq": 7})["htype"] == "CREDIT", "nothing to abort"
    assert client.say(*frame_message(FRAME, seq=2))["outcome"] == "processed"


def test_a_producer_aborts_a_scan_and_both_sides_count_alike(service: Service, produce: Make) -> None:
    producer: Producer = produce(service, mode="replay")
    producer.offer_rows(7, FRAME[:20], 0, FRAME.shape)
    producer.wait(LIMIT_S)
    assert producer.abort(7)
    assert not producer.abort(7)
    until(lambda: service.report().total == Counters(offered=1, dropped_producer=1))
    producer.offer(FRAME)
    producer.wait(LIMIT_S)
    assert producer.close(LIMIT_S) == service.report().total == Counters(offered=2, processed=1, dropped_producer=1)


@pytest.mark.parametrize("sent", [False, True], ids=["never sent", "complete"])
def test_a_frame_that_nobody_began_or_that_is_complete_is_not_aborted(produce: Make, sent: bool) -> None:
    producer: Producer = produce("tcp://127.0.0.1:9")
    if sent:
        producer.offer(FRAME, number=3)
    assert not producer.abort(3)
