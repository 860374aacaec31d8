"""Producer and service count alike, over a connection that breaks at any moment. No sockets between them, no clocks."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from stream_support import FREE, noisy

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.stream import Counters, Options, Service
from shiftvae_rt.stream.producer.contact import RETRY_NS
from shiftvae_rt.stream.producer.live_link import LiveLink
from shiftvae_rt.stream.producer.mailbox import Mailbox
from shiftvae_rt.stream.producer.outgoing import Source
from shiftvae_rt.stream.protocol.clock import monotonic_ns
from shiftvae_rt.stream.protocol.messages import encode
from shiftvae_rt.stream.service.accounting import Account

FRAMES = [noisy((20, 18), seed) for seed in range(3)] + [np.full((20, 18), np.nan, np.float32)]


class TwoSides(RuleBasedStateMachine):
    """A real mailbox and link on one side, a real service on the other, a list of messages in between."""

    mapper: LatentMapper
    most_in_flight = 0

    @initialize()
    def start(self) -> None:
        self.mailbox = Mailbox(Source("s"))
        self.link = LiveLink(self.mailbox, "live")
        self.offered = 0
        self.rows: tuple[np.ndarray, int] | None = None
        self.earlier: list[Counters] = []  # of services that are gone
        self.service = self.new_service()
        self.connect()

    def new_service(self) -> Service:
        service = Service(self.mapper, ingest=FREE, results=FREE, options=Options(max_age_s=3600.0))
        service._producers._answer = lambda _, reply: self.to_producer.append(encode(reply))
        service._encoding._between_bands = self.runtime_listens_in_the_midst_of_an_encoding
        return service

    def connect(self) -> None:
        self.peer = np.random.default_rng().bytes(5)
        self.to_runtime: deque[Any] = deque()
        self.to_producer: deque[bytes] = deque()

    def stop_runtime(self) -> None:
        self.service.stop()
        self.service.run()

    def teardown(self) -> None:
        if hasattr(self, "service"):
            try:
                self.finish()
            finally:
                self.stop_runtime()

    @rule(kind=st.integers(0, len(FRAMES) - 1))
    def offer_a_frame(self, kind: int) -> None:
        self.rows = None
        self.offered += 1
        assert self.mailbox.put(FRAMES[kind]) == self.offered

    @rule(kind=st.integers(0, len(FRAMES) - 1), count=st.integers(1, 19))
    def begin_a_scan(self, kind: int, count: int) -> None:
        self.offered += 1
        self.mailbox.put(FRAMES[kind][:count], frame=1, height=20)
        self.rows = FRAMES[kind], count

    @precondition(lambda self: self.rows is not None)
    @rule(count=st.integers(1, 20))
    def scan_on(self, count: int) -> None:
        pixels, first = self.rows
        last = min(20, first + count)
        self.mailbox.put(pixels[first:last], frame=1, first_row=first, height=20)
        self.rows = (pixels, last) if last < 20 else None

    @rule()
    def producer_speaks(self) -> None:
        if self.link.contact.state == "lost":
            assert self.link.contact.reopen(monotonic_ns() + 2 * RETRY_NS)
            self.connect()
        message = self.link.next_message(monotonic_ns())
        if message is not None:
            self.to_runtime.append([memoryview(bytes(part)) for part in message])

    @rule()
    def runtime_listens(self) -> None:
        if self.to_runtime:
            self.service._producers.hear(self.peer, self.to_runtime.popleft())
        self.service._producers.give_turn()

    def runtime_listens_in_the_midst_of_an_encoding(self) -> None:
        while self.to_runtime and self.service._producers.hear_brief(self.peer, self.to_runtime[0]):
            self.to_runtime.popleft()
        self.service._producers.give_turn(0.0)

    @rule()
    def producer_listens(self) -> None:
        if self.to_producer and self.link.contact.state != "lost":
            self.link.hear([self.to_producer.popleft()], monotonic_ns())

    @rule()
    def all_is_said_and_heard(self) -> None:
        for _ in range(4):
            self.producer_speaks()
            self.runtime_listens()
            self.producer_listens()

    @rule(kind=st.integers(0, len(FRAMES) - 1))
    def a_frame_is_offered_and_a_newer_one_while_it_is_encoded(self, kind: int) -> None:
        for each in (0, kind):
            self.offer_a_frame(each)
            self.producer_speaks()
        self.runtime_listens()
        self.producer_listens()
        self.producer_speaks()

    @invariant()
    def two_messages_at_most_are_on_their_way(self) -> None:
        count = len(self.mailbox._in_flight)
        assert count <= 2
        TwoSides.most_in_flight = max(TwoSides.most_in_flight, count)

    @rule()
    def connection_breaks(self) -> None:
        """Whatever is on its way is lost; both sides live."""
        self.to_runtime.clear()
        self.to_producer.clear()
        if self.link.contact.state not in ("connecting", "lost"):
            self.link.contact.lose(monotonic_ns(), "the connection broke")

    @rule()
    def runtime_restarts(self) -> None:
        self.stop_runtime()
        self.connection_breaks()
        self.earlier.append(self.service.report().total)
        self.service = self.new_service()

    @invariant()
    def each_side_is_exact_by_itself(self) -> None:
        ours, theirs = self.mailbox.counters(), self.service.report().total
        assert ours.offered == self.offered
        assert 0 <= ours.offered - ours.settled <= 3
        assert 0 <= theirs.offered - theirs.settled <= 1

    def finish(self) -> None:
        """Let both sides talk until the producer has said END and been answered, then compare them."""
        self.link.closing = True
        for _ in range(100):
            self.producer_speaks()
            self.runtime_listens()
            self.producer_listens()
        assert self.link.contact.state == "ended"
        ours, theirs = self.mailbox.counters(), self.service.report().total
        assert ours.offered == ours.settled == self.offered
        assert theirs.offered == theirs.settled
        if not self.earlier:
            assert ours == theirs, "one service: both sides count alike, outcome by outcome"
        everywhere = sum(self.earlier, theirs)
        assert everywhere.offered <= self.offered, "what a dead service never saw may be unknown, nothing is told twice"
        assert ours.processed <= everywhere.processed


@pytest.fixture(autouse=True)
def quick_to_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example starts and ends services; the thread that asks who comes looks this often whether it is over."""
    monkeypatch.setattr("shiftvae_rt.stream.transport.gatekeeper._TICK_MS", 1)


def play(mapper: LatentMapper, **options: Any) -> None:
    machine = type("Machine", (TwoSides,), {"mapper": mapper})
    rules = settings(
        max_examples=200,
        stateful_step_count=40,
        deadline=None,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=[HealthCheck.too_slow],  # every example opens the sockets of a service
    )
    run_state_machine_as_test(machine, settings=settings(rules, **options))


def test_both_sides_count_alike_whatever_happens_to_the_connection(mapper: LatentMapper) -> None:
    TwoSides.most_in_flight = 0
    play(mapper)
    assert TwoSides.most_in_flight == 2, "the service asked for the next message in the midst of an encoding"


def mutant_gap_not_counted(account: Account, seq: int) -> None:
    account.abandon()
    account._next_seq = seq


def mutant_frame_counted_twice(account: Account, seq: int) -> bool:
    account._open_seq = seq
    account._offered += 1
    return True


def mutant_abandoned_frame_forgotten(account: Account) -> None:
    account._open_seq = None


def mutant_replaced_frame_not_counted(mailbox: Mailbox) -> None:
    mailbox._slot = None


@pytest.mark.parametrize(
    ("owner", "name", "mutant"),
    [
        (Account, "_skip_to", mutant_gap_not_counted),
        (Account, "begin", mutant_frame_counted_twice),
        (Account, "abandon", mutant_abandoned_frame_forgotten),
        (Mailbox, "_replace", mutant_replaced_frame_not_counted),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_runtime_or_producer_that_miscounts_is_caught(
    mapper: LatentMapper, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, mutant: Any
) -> None:
    monkeypatch.setattr(owner, name, mutant)
    with pytest.raises(AssertionError):
        play(mapper, phases=[Phase.generate])
