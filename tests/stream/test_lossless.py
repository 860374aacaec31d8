"""Lossless mode over real sockets: every frame once, in order, on disk before it is acknowledged."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lossless_support import assert_exactly_once, committed, numbered
from stream_support import LIMIT_S, RawProducer, frame_message, noisy, rows_message, until

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.errors import ServiceError
from shiftvae_rt.stream import (
    Counters,
    LosslessProducer,
    Options,
    Producer,
    Service,
    Subscriber,
)
from shiftvae_rt.stream.journal.journal_reader import JournalReader
from shiftvae_rt.stream.service import lossless_intake
from shiftvae_rt.stream.service.lossless_intake import WINDOW_FRAMES, LosslessIntake

Make = Callable[..., Any]
FRAME = numbered(1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.journal"


@pytest.fixture
def lossless(serve: Make, mapper: LatentMapper, path: Path) -> Service:
    return serve(mapper, options=Options(journal=path))


@pytest.fixture
def sender() -> Iterator[Callable[..., LosslessProducer]]:
    made: list[LosslessProducer] = []

    def make(service: Service | str, stream: str = "run", **options: Any) -> LosslessProducer:
        endpoint = service if isinstance(service, str) else service.ingest
        made.append(LosslessProducer(endpoint, stream=stream, **options))
        return made[-1]

    yield make
    for producer in made:
        producer.leave()


def test_every_frame_is_committed_once_in_order(lossless: Service, sender: Make, path: Path) -> None:
    producer: LosslessProducer = sender(lossless)
    for seq in range(1, 201):
        assert producer.send(numbered(seq), number=seq) == seq
    counters = producer.end(LIMIT_S)
    assert counters == Counters(offered=200, processed=200)
    assert lossless.report().total == counters
    lossless.__exit__()
    assert_exactly_once(committed(path, "run"), 200)


def test_a_result_is_published_and_is_that_of_the_mapper(
    lossless: Service, sender: Make, subscribe: Make, mapper: LatentMapper
) -> None:
    subscriber: Subscriber = subscribe(lossless)
    producer: LosslessProducer = sender(lossless)
    producer.send(FRAME, number=7)
    producer.flush(LIMIT_S)
    result = subscriber.receive(LIMIT_S)
    assert np.array_equal(result.latent_map.mean, mapper.map(FRAME).mean)
    assert (result.frame, result.frame_seq) == (7, 1)


def test_a_producer_that_starts_again_goes_on_where_the_first_was_cut_off(lossless: Service, sender: Make) -> None:
    first: LosslessProducer = sender(lossless, session="me")
    for seq in range(1, 6):
        first.send(numbered(seq), number=seq)
    first.flush(LIMIT_S)
    first.leave()
    second: LosslessProducer = sender(lossless, session="me")
    assert second.wait_ready(LIMIT_S).next_seq == 6
    assert second.send(FRAME) == 6
    assert second.end(LIMIT_S).offered == 6


def test_an_ended_stream_takes_no_more_frames(lossless: Service, sender: Make) -> None:
    first: LosslessProducer = sender(lossless)
    first.send(FRAME)
    first.end(LIMIT_S)
    with pytest.raises(ServiceError, match="was ended after 1 frames"):
        sender(lossless).wait_ready(LIMIT_S)


def test_a_producer_that_sends_nothing_leaves_no_stream(lossless: Service, sender: Make) -> None:
    first: LosslessProducer = sender(lossless)
    assert first.wait_ready(LIMIT_S).next_seq == 1
    assert list(lossless._journal.reader.streams()) == []
    assert first.end(LIMIT_S) == Counters()
    second: LosslessProducer = sender(lossless)
    second.send(FRAME)
    assert second.end(LIMIT_S).processed == 1


def test_a_stream_that_goes_on_with_another_model_is_warned_of(
    serve: Make, mapper: LatentMapper, path: Path, sender: Make, caplog: pytest.LogCaptureFixture
) -> None:
    service: Service = serve(mapper, options=Options(journal=path))
    first: LosslessProducer = sender(service, session="me")
    first.send(FRAME)
    first.flush(LIMIT_S)
    first.leave()
    service.__exit__()
    for model, sides in ((mapper, []), (OtherModel(mapper), ["lossless_intake", "lossless_link"])):
        service = serve(model, options=Options(journal=path))
        assert sender(service, session="me").wait_ready(LIMIT_S).last_model_sha256 == mapper.model.sha256
        warned = [record for record in caplog.records if "with another model" in record.getMessage()]
        assert [record.name.rpartition(".")[2] for record in warned] == sides
        service.__exit__()
    for record in warned:
        told = re.findall(r"frame (\d+)|\b([0-9a-f]{16})\b", record.getMessage())
        assert ["".join(fact) for fact in told] == ["1", mapper.model.sha256[:16], "0" * 16]


class OtherModel:
    """The same model under another hash."""

    def __init__(self, mapper: LatentMapper) -> None:
        self._mapper = mapper
        self.model = dataclasses.replace(mapper.model, sha256="0" * 64)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mapper, name)


def test_without_a_journal_there_is_no_lossless_mode(service: Service, sender: Make) -> None:
    with pytest.raises(ServiceError, match="no_journal"):
        sender(service).wait_ready(LIMIT_S)


def test_bad_frames_have_their_place_and_their_reason(lossless: Service, sender: Make, path: Path) -> None:
    producer: LosslessProducer = sender(lossless)
    for frame in (FRAME, np.full((18, 16), np.nan, np.float32), noisy((8, 8)), FRAME):
        producer.send(frame)
    assert producer.end(LIMIT_S) == Counters(offered=4, processed=2, rejected=2)
    lossless.__exit__()
    journal = JournalReader(path)
    reasons = [journal.read("run", after).header for after in (1, 2)]
    journal.close()
    assert reasons[0].startswith(b"bad_frame: 288 of 288 pixels are NaN")
    assert reasons[1].startswith(b"bad_window: the frame is 8 x 8 px")


def test_a_restarted_service_goes_on_and_nothing_is_lost_or_doubled(
    serve: Make, mapper: LatentMapper, path: Path, sender: Make
) -> None:
    service: Service = serve(mapper, options=Options(journal=path))
    producer: LosslessProducer = sender(service)
    for seq in range(1, 31):
        producer.send(numbered(seq), number=seq)
        if seq % 10 == 0:
            service.__exit__()
            service = serve(mapper, ingest=service.ingest, options=Options(journal=path))
    producer.end(LIMIT_S)
    service.__exit__()
    assert_exactly_once(committed(path, "run"), 30)


@pytest.mark.clock
def test_back_pressure_holds_the_producer_and_bounds_what_is_on_its_way(
    serve: Make, mapper: LatentMapper, path: Path, sender: Make
) -> None:
    service: Service = serve(mapper, options=Options(journal=path))
    producer: LosslessProducer = sender(service)
    producer.wait_ready(LIMIT_S)
    service.__exit__()
    for _ in range(WINDOW_FRAMES):
        producer.send(FRAME)
    with pytest.raises(ServiceError, match=r"the service took no frame of stream 'run' in 0\.1 s"):
        producer.send(FRAME, timeout_s=0.1)
    assert producer.committed == 0


def test_a_frame_sent_twice_counts_once_and_a_gap_is_refused(lossless: Service, raw: Make) -> None:
    client: RawProducer = raw(lossless)
    assert client.hello(mode="lossless")["next_seq"] == 1
    assert client.say(*frame_message(FRAME, seq=1))["committed"] == 1
    assert client.say(*frame_message(FRAME, seq=1))["committed"] == 1
    assert client.say(*frame_message(FRAME, seq=3))["name"] == "sequence_gap"
    assert client.say(*frame_message(FRAME, seq=2))["committed"] == 2
    assert client.say({"htype": "END", "last_seq": 3})["name"] == "sequence_gap"
    assert client.say({"htype": "END", "last_seq": 2})["htype"] == "END_ACK"


def test_bands_are_rejected_by_name(lossless: Service, raw: Make) -> None:
    client: RawProducer = raw(lossless)
    client.hello(mode="lossless")
    answer = client.say(*rows_message(noisy((40, 20)), 0, 20, seq=1))
    assert answer["counters"]["rejected"] == 1


def test_two_producers_of_one_stream_cannot_write_at_once(lossless: Service, sender: Make) -> None:
    first: LosslessProducer = sender(lossless)
    first.wait_ready(LIMIT_S)
    second: LosslessProducer = sender(lossless)
    until(lambda: "stream_busy" in second.last_error)
    first.send(FRAME)
    assert first.flush(LIMIT_S).processed == 1


def test_a_producer_notices_that_the_journal_is_another_one(
    serve: Make, mapper: LatentMapper, tmp_path: Path, sender: Make
) -> None:
    service: Service = serve(mapper, options=Options(journal=tmp_path / "a"))
    producer: LosslessProducer = sender(service)
    producer.send(FRAME)
    producer.flush(LIMIT_S)
    service.__exit__()
    serve(mapper, ingest=service.ingest, options=Options(journal=tmp_path / "b"))
    producer.send(FRAME, timeout_s=LIMIT_S)
    with pytest.raises(ServiceError, match="goes on at frame 1, expected 2 to [23]: another producer sent to it, or"):
        producer.flush(LIMIT_S)


def test_a_full_disk_stops_the_stream_and_room_lets_it_go_on(lossless: Service, sender: Make, path: Path) -> None:
    producer: LosslessProducer = sender(lossless)
    for seq in range(1, 6):
        producer.send(numbered(seq), number=seq)
    producer.flush(LIMIT_S)
    write = lossless._journal._write
    (pages,) = write.execute("PRAGMA page_count").fetchone()
    write.execute(f"PRAGMA max_page_count={pages + 1}")
    for seq in range(6, 26):
        producer.send(numbered(seq), number=seq)
    until(lambda: "journal_failed" in producer.last_error)
    before = producer.committed
    write.execute("PRAGMA max_page_count=1000000")
    assert producer.end(LIMIT_S).offered == 25
    assert before < 25
    lossless.__exit__()
    assert_exactly_once(committed(path, "run"), 25)


def test_live_and_lossless_streams_share_a_service(lossless: Service, sender: Make, produce: Make) -> None:
    exact: LosslessProducer = sender(lossless, "exact")
    live: Producer = produce(lossless, "live", mode="replay")
    for seq in range(1, 51):
        exact.send(numbered(seq), number=seq)
        live.offer(FRAME)
    assert exact.end(LIMIT_S).processed == 50
    counters = live.close(LIMIT_S)
    assert counters.offered == counters.settled == 50


def acknowledge_before_the_commit(self: LosslessIntake) -> list:
    group, self._pending = self._pending, []
    answers = []
    for entry in group:
        entry.session.account.begin(entry.header.seq)
        entry.session.account.settle("processed")
        answers.append((entry.session, self._committed(entry.session)))
    return answers


def test_a_runtime_that_acknowledges_before_the_commit_is_caught(
    monkeypatch: pytest.MonkeyPatch, serve: Make, mapper: LatentMapper, path: Path, sender: Make
) -> None:
    monkeypatch.setattr(LosslessIntake, "flush", acknowledge_before_the_commit)
    service: Service = serve(mapper, options=Options(journal=path))
    producer: LosslessProducer = sender(service)
    for seq in range(1, 11):
        producer.send(numbered(seq), number=seq)
    producer.flush(LIMIT_S)
    service._journal._write.execute("ROLLBACK")
    assert producer.committed == 10
    with pytest.raises(AssertionError):
        assert [state.last_seq for state in service._journal.reader.streams("run")] == [10]


def test_everything_acknowledged_is_on_disk_at_that_moment(lossless: Service, sender: Make, path: Path) -> None:
    producer: LosslessProducer = sender(lossless)
    for seq in range(1, 11):
        producer.send(numbered(seq), number=seq)
    producer.flush(LIMIT_S)
    assert next(lossless._journal.reader.streams("run")).last_seq == 10


def test_a_record_that_no_memory_is_left_for_is_quarantined_and_the_service_lives_on(
    lossless: Service, sender: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: Any, **__: Any) -> Any:
        raise MemoryError("Unable to allocate 47.5 MiB")

    producer: LosslessProducer = sender(lossless)
    with monkeypatch.context() as patch:
        patch.setattr(lossless_intake, "result_message", no_memory)
        producer.send(FRAME)
        assert producer.flush(LIMIT_S).quarantined == 1
    producer.send(FRAME)
    assert producer.end(LIMIT_S) == Counters(offered=2, processed=1, quarantined=1)
