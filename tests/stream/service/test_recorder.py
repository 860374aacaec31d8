"""Recordings of live streams: whole, resumed after a silence or a restart, and never the end of the service."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lossless_support import assert_exactly_once, committed, numbered
from stream_support import LIMIT_S, RawProducer, frame_message, until

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.stream import Options, Producer, Service
from shiftvae_rt.stream.journal.journal import Journal
from shiftvae_rt.stream.journal.journal_reader import JournalReader
from shiftvae_rt.stream.protocol.stream_state import StreamState

Make = Callable[..., Any]
FRAME = numbered(1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.journal"


@pytest.fixture
def recording(serve: Make, mapper: LatentMapper, path: Path) -> Service:
    return serve(mapper, options=Options(journal=path, record=True))


def states(path: Path) -> list[StreamState]:
    journal = JournalReader(path)
    try:
        return list(journal.streams())
    finally:
        journal.close()


def test_live_results_are_recorded_if_asked(serve: Make, mapper: LatentMapper, path: Path, produce: Make) -> None:
    service: Service = serve(mapper, options=Options(journal=path, record=True))
    producer: Producer = produce(service, "HAADF", mode="replay")
    for number in range(1, 8):
        producer.offer(numbered(number), number=number)
        producer.wait(LIMIT_S)
    producer.close(LIMIT_S)
    service.__exit__()
    journal = JournalReader(path)
    (state,) = journal.streams()
    journal.close()
    assert state.name == f"HAADF@{producer._link._session}"
    assert (state.mode, state.ended, state.counters.processed) == ("live", True, 7)
    assert_exactly_once(committed(path, state.name), 7)


def test_a_recording_that_fails_costs_no_live_frame(
    serve: Make, mapper: LatentMapper, path: Path, produce: Make
) -> None:
    service: Service = serve(mapper, options=Options(journal=path, record=True))
    write = service._journal._write
    (pages,) = write.execute("PRAGMA page_count").fetchone()
    write.execute(f"PRAGMA max_page_count={pages}")
    producer: Producer = produce(service, mode="replay")
    for _ in range(20):
        producer.offer(FRAME)
        producer.wait(LIMIT_S)
    assert producer.close(LIMIT_S).processed == 20
    assert service.report().unrecorded > 0


def test_sessions_with_a_common_beginning_have_recordings_of_their_own(
    recording: Service, raw: Make, path: Path
) -> None:
    for session in ("acquisition-monday", "acquisition-tuesday"):
        client: RawProducer = raw(recording)
        assert client.hello(session=session)["htype"] == "WELCOME"
        assert client.say(*frame_message(FRAME))["outcome"] == "processed"
        assert client.say({"htype": "END", "last_seq": 1})["htype"] == "END_ACK"
    recording.__exit__()
    assert [(s.name, s.last_seq) for s in states(path)] == [
        ("raw@acquisition-monday", 1),
        ("raw@acquisition-tuesday", 1),
    ]


def test_a_producer_that_was_silent_goes_on_with_its_recording(
    recording: Service, raw: Make, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client: RawProducer = raw(recording)
    client.hello()
    client.say(*frame_message(FRAME, seq=1))
    monkeypatch.setattr("shiftvae_rt.stream.service.sessions.SILENCE_NS", 0)
    until(lambda: len(recording._sessions) == 0)
    monkeypatch.undo()
    assert client.say({"htype": "PING", "clock_ns": 1})["name"] == "unknown_session"
    until(lambda: [state.last_seq for state in states(path)] == [1])
    assert not states(path)[0].ended, "it may come back"
    client.hello(first_seq=2)
    client.say(*frame_message(FRAME, seq=2))
    client.say({"htype": "END", "last_seq": 2})
    recording.__exit__()
    (state,) = states(path)
    assert (state.last_seq, state.ended) == (2, True)


def test_a_session_that_comes_back_after_its_end_goes_on(recording: Service, raw: Make, path: Path) -> None:
    client: RawProducer = raw(recording)
    for seq in (1, 2):
        client.hello(first_seq=seq)
        client.say(*frame_message(FRAME, seq=seq))
        until(lambda: [(s.last_seq, s.ended) for s in states(path)] == [(seq, False)])  # noqa: B023  # called here
        assert client.say({"htype": "END", "last_seq": seq})["htype"] == "END_ACK"
    recording.__exit__()
    (state,) = states(path)
    assert (state.last_seq, state.ended) == (2, True)


def test_the_same_session_goes_on_after_a_restart_of_the_service_and_what_it_counts_again_is_not_recorded(
    serve: Make, mapper: LatentMapper, raw: Make, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for start in range(2):
        service: Service = serve(mapper, options=Options(journal=path, record=True))
        client: RawProducer = raw(service)
        client.hello()
        for seq in (1, 2, 3 + start):
            assert client.say(*frame_message(FRAME, seq=seq))["outcome"] == "processed"
        assert service.report().unrecorded == 2 * start
        service.__exit__()
        assert not states(path)[0].ended, "the service stopped, not the producer"
    (state,) = states(path)
    assert (state.last_seq, state.counters.processed) == (4, 4)
    assert any("a frame 1 already" in record.getMessage() for record in caplog.records)


def test_a_recording_is_on_the_disk_while_its_producer_goes_on(recording: Service, raw: Make, path: Path) -> None:
    client: RawProducer = raw(recording)
    client.hello()
    client.say(*frame_message(FRAME))

    def recorded() -> bool:
        assert client.say({"htype": "PING", "clock_ns": 1})["htype"] == "PONG"
        return [state.last_seq for state in states(path)] == [1]

    until(recorded)


@pytest.mark.parametrize("call", ["open_stream", "append", "commit_live", "next_seq", "end"])
@pytest.mark.parametrize("error", [OSError("I/O error"), MemoryError(), RuntimeError("a defect")], ids=str)
def test_whatever_the_journal_raises_costs_the_recording_and_never_the_service(
    recording: Service, raw: Make, monkeypatch: pytest.MonkeyPatch, call: str, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    client: RawProducer = raw(recording)
    client.hello()
    with monkeypatch.context() as patch:
        patch.setattr(Journal, call, fail)
        patch.setattr("shiftvae_rt.stream.service.recorder.COMMIT_S", 0.0)
        assert client.say(*frame_message(FRAME))["outcome"] == "processed"
        if call not in ("commit_live", "end"):
            assert recording.report().unrecorded == 1
        assert client.say({"htype": "PING", "clock_ns": 1})["htype"] == "PONG"
        assert client.say({"htype": "END", "last_seq": 1})["htype"] == "END_ACK"
        assert client.say({"htype": "PING", "clock_ns": 1})["name"] == "unknown_session"


def test_a_recording_with_the_name_of_a_lossless_stream_is_not_mixed_with_it(
    recording: Service, raw: Make, path: Path
) -> None:
    exact: RawProducer = raw(recording)
    exact.hello(mode="lossless", stream="raw@1")
    assert exact.say(*frame_message(FRAME, source="raw@1"))["committed"] == 1
    live: RawProducer = raw(recording)
    live.hello(session="1")
    assert live.say(*frame_message(FRAME))["outcome"] == "processed"
    assert recording.report().unrecorded == 1
    recording.__exit__()
    (state,) = states(path)
    assert (state.mode, state.last_seq) == ("lossless", 1)
