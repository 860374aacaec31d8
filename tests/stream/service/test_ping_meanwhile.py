"""A PING that meets an encoding: it is answered at once, and costs nobody a frame or a connection."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from stream_support import LIMIT_S, RawProducer, frame_message, noisy, until

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.stream import (
    Counters,
    LosslessProducer,
    Options,
    Producer,
    Service,
)
from shiftvae_rt.stream.producer import contact, driver, live_link
from shiftvae_rt.stream.producer.contact import Contact
from shiftvae_rt.stream.protocol import messages

Make = Callable[..., Any]
FRAME = noisy((64, 40))


class PingedMapper:
    """A real mapper whose every encoding hears a message that came after the frame, as between two bands."""

    between_bands: Callable[[], None]
    service: Service

    def __init__(self, mapper: LatentMapper) -> None:
        self._mapper = mapper
        self.encodings = 0
        self.begun = threading.Semaphore(0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mapper, name)

    def hear(self) -> None:
        self.encodings += 1
        self.begun.release()
        assert self.service._ingest.poll(LIMIT_S * 1e3), "no PING came"
        self.between_bands()

    def map(self, *arguments: Any, **options: Any) -> Any:
        self.hear()
        return self._mapper.map(*arguments, **options)

    def begin_scan(self, *arguments: Any, **options: Any) -> Any:
        scan = self._mapper.begin_scan(*arguments, **options)
        push_rows = scan.push_rows

        def pinged(rows: Any) -> Any:
            self.hear()
            return push_rows(rows)

        scan.push_rows = pinged
        return scan


@pytest.fixture
def pinged(serve: Make, mapper: LatentMapper, tmp_path: Path) -> PingedMapper:
    made = PingedMapper(mapper)
    made.service = serve(made, options=Options(journal=tmp_path / "j", max_age_s=3600.0))
    return made


@pytest.mark.parametrize(("mode", "answer"), [("live", "ACK"), ("lossless", "COMMITTED")])
def test_a_pong_counts_the_message_in_hand_as_received_and_not_as_answered(
    pinged: PingedMapper, raw: Make, mode: str, answer: str
) -> None:
    client: RawProducer = raw(pinged.service)
    client.hello(mode=mode)
    client.tell(*frame_message(FRAME, seq=1))
    assert pinged.begun.acquire(timeout=LIMIT_S)
    pong = client.say({"htype": "PING", "clock_ns": 1})
    assert (pong["htype"], pong["received"], pong["answered"]) == ("PONG", 1, 0)
    assert client.hear()["htype"] == answer
    pong = client.say({"htype": "PING", "clock_ns": 2})
    assert (pong["received"], pong["answered"]) == (1, 1)


class HeldMapper:
    """A real mapper whose every encoding hears what comes until it is let go."""

    between_bands: Callable[[], None]

    def __init__(self, mapper: LatentMapper) -> None:
        self._mapper = mapper
        self.begun, self.may_end = threading.Semaphore(0), threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mapper, name)

    def map(self, *arguments: Any, **options: Any) -> Any:
        self.begun.release()
        while not self.may_end.wait(0.001):
            self.between_bands()
        return self._mapper.map(*arguments, **options)


@pytest.fixture
def held(mapper: LatentMapper) -> Iterator[HeldMapper]:
    made = HeldMapper(mapper)
    yield made
    made.may_end.set()


@pytest.mark.parametrize("mode", ["live", "lossless"])
def test_a_frame_that_waits_behind_anothers_encoding_counts_as_received(
    serve: Make, raw: Make, held: HeldMapper, tmp_path: Path, mode: str
) -> None:
    service: Service = serve(held, options=Options(journal=tmp_path / "j", max_age_s=3600.0))
    one, two = raw(service), raw(service)
    for stream, client in (("one", one), ("two", two)):
        client.hello(stream=stream, session=stream, mode=mode)
    one.tell(*frame_message(FRAME, source="one", seq=1))
    assert held.begun.acquire(timeout=LIMIT_S)
    two.tell(*frame_message(FRAME, source="two", seq=1))
    pong = two.say({"htype": "PING", "clock_ns": 1})
    assert (pong["htype"], pong["received"], pong["answered"]) == ("PONG", 1, 0)
    held.may_end.set()
    for client in (one, two):
        assert client.hear()["htype"] == ("ACK" if mode == "live" else "COMMITTED")
        pong = client.say({"htype": "PING", "clock_ns": 2})
        assert (pong["received"], pong["answered"]) == (1, 1)


@pytest.mark.clock
def test_a_producer_whose_frame_waits_behind_anothers_encoding_keeps_its_connection(
    serve: Make, raw: Make, produce: Make, held: HeldMapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = lost_contacts(monkeypatch)
    monkeypatch.setattr(live_link, "UNTAKEN_S", 0.3)
    service: Service = serve(held, options=Options(max_age_s=3600.0))
    one: RawProducer = raw(service)
    two: Producer = produce(service, "two")
    two.wait_ready(LIMIT_S)
    one.hello(stream="one", session="one")
    one.tell(*frame_message(FRAME, source="one", seq=1))
    assert held.begun.acquire(timeout=LIMIT_S)
    two.offer(FRAME)
    until(lambda: bool(two._link._mailbox.in_flight))
    time.sleep(1.0)
    held.may_end.set()
    assert two.close(LIMIT_S) == Counters(offered=1, processed=1)
    assert lost == []


def lost_contacts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make our producers say PING every millisecond; why they lost contact since then."""
    monkeypatch.setattr(contact, "PING_NS", 1_000_000)
    monkeypatch.setattr(driver, "_TICK_MS", 1)
    reasons: list[str] = []
    lose = Contact.lose

    def noted(self: Contact, now_ns: int, reason: str, **options: Any) -> None:
        reasons.append(reason)
        lose(self, now_ns, reason, **options)

    monkeypatch.setattr(Contact, "lose", noted)
    return reasons


def send_live(service: Service, produce: Make, frames: int) -> Counters:
    producer: Producer = produce(service)
    for number in range(frames):
        for first in range(0, 64, 16):
            producer.offer_rows(number, FRAME[first : first + 16], first, FRAME.shape)
            producer.wait(LIMIT_S)
    return producer.close(LIMIT_S)


@pytest.mark.clock
def test_a_live_producer_whose_ping_meets_every_encoding_loses_no_frame(
    pinged: PingedMapper, produce: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = lost_contacts(monkeypatch)
    counters = send_live(pinged.service, produce, 200)
    assert (counters, lost) == (Counters(offered=200, processed=200), [])
    assert pinged.encodings == 800


@pytest.mark.clock
def test_a_lossless_producer_whose_ping_meets_every_encoding_keeps_its_connection(
    pinged: PingedMapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = lost_contacts(monkeypatch)
    with LosslessProducer(pinged.service.ingest, stream="s") as producer:
        for _ in range(50):
            producer.send(FRAME, timeout_s=LIMIT_S)
        assert producer.flush(LIMIT_S) == Counters(offered=50, processed=50)
    assert lost == []
    assert pinged.encodings == 50


def test_a_runtime_whose_pong_counts_the_message_in_hand_as_answered_is_caught(
    pinged: PingedMapper, produce: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What PONG said before there were two counters."""

    def overtaking(**fields: Any) -> messages.Pong:
        return messages.Pong(**{**fields, "answered": fields["received"]})

    monkeypatch.setattr("shiftvae_rt.stream.service.producers.Pong", overtaking)
    lost = lost_contacts(monkeypatch)
    counters = send_live(pinged.service, produce, 3)
    assert counters.processed < 3
    assert set(lost) == {"an answer from the service was lost"}
