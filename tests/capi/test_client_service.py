"""The client's C library and the real service: maps to the bit, an outcome for each frame, a service that is killed."""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
from client_library import LIMIT_S, SVC, until
from tiny_models import write_tiny_model

from shiftvae_rt import LatentMapper
from shiftvae_rt.stream.transport.keys import KeyFolder

pytestmark = pytest.mark.timeout(600)  # the first test builds the library
FRAME = np.random.default_rng(0).poisson(40, (40, 48)).astype(np.uint16)


@pytest.fixture
def service(serve, mapper):
    return serve(mapper)


@pytest.fixture
def pair(service, produce, read):
    """A producer and a reader that the service knows."""
    producer, reader = produce(service.ingest), read(service.results)
    assert (producer.wait(), producer.format(FRAME)) == (SVC["OK"], SVC["OK"])
    assert service.wait_for_readers(1, LIMIT_S)
    return producer, reader


def expected(mapper: LatentMapper, frame: np.ndarray) -> np.ndarray:
    found = mapper.map(frame)
    return np.stack([found.mean, found.std])


def test_a_frame_comes_back_as_its_map_to_the_bit_with_all_that_belongs_to_it(pair, mapper):
    producer, reader = pair
    producer.format(FRAME, (0.02, 0.02))
    context = 'scan_id=b6d0…, {"field of view": 8}'
    assert producer.offer(41, FRAME, context) == SVC["OK"]
    assert reader.next()
    wanted = mapper.map(FRAME)
    np.testing.assert_array_equal(reader.maps, expected(mapper, FRAME))
    assert [each[:2] for each in reader.latents] == list(zip(wanted.names, wanted.units, strict=True))
    numbers = {name: reader.integer(name) for name in ("FRAME_NUMBER", "COMPLETE", "FRAME_HEIGHT", "FRAME_WIDTH")}
    assert numbers == {"FRAME_NUMBER": 41, "COMPLETE": 1, "FRAME_HEIGHT": 40, "FRAME_WIDTH": 48}
    assert reader.number("CENTRE_Y_PX") == wanted.centre_y_px[0]
    assert reader.number("PIXEL_SIZE_X_NM") == 0.02
    assert reader.number("SCORE") == pytest.approx(wanted.domain.score)
    assert (reader.text("CONTEXT"), reader.text("STREAM")) == (context, "c")
    assert reader.text("MODEL_SHA256") == wanted.model_sha256
    assert reader.outcomes == [1, 1, 0, 0, 0, 0]
    outcome = until(producer.outcome)
    assert outcome == (41, 1, SVC["PROCESSED"], context, "")


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint32, np.int32, np.float32, np.float64])
def test_pixels_of_every_type_give_the_same_bits_whatever_their_lines_lie_like(pair, mapper, dtype):
    producer, reader = pair
    wide = np.zeros((60, 70), dtype)
    frame = wide[10:50, 11:59][::-1]
    frame[:] = FRAME
    producer.format(frame)
    assert producer.offer(1, frame) == SVC["OK"]
    assert reader.next()
    np.testing.assert_array_equal(reader.maps, expected(mapper, np.ascontiguousarray(frame)))


def test_lines_of_a_scan_give_bands_that_make_up_the_whole_map(pair, mapper):
    producer, reader = pair
    bands = []
    for first in range(0, 40, 10):
        assert producer.offer_lines(7, first, FRAME[first : first + 10], "scan 7") == SVC["OK"]
        if first:
            assert reader.next()
            bands.append((reader.integer("FIRST_ROW"), reader.integer("COMPLETE"), reader.maps, reader.text("CONTEXT")))
    wanted = expected(mapper, FRAME)
    assert [each[1] for each in bands] == [0, 0, 1]
    for first, _, maps, context in bands:
        np.testing.assert_array_equal(maps, wanted[:, :, first : first + maps.shape[2]])
        assert context == "scan 7"
    assert bands[-1][2].shape == wanted.shape


def test_an_aborted_scan_counts_as_dropped_and_its_later_lines_are_late(pair, service):
    producer, reader = pair
    producer.offer_lines(1, 0, FRAME[:20])
    assert reader.next()
    assert producer.abort(1) == SVC["OK"]
    assert producer.offer_lines(1, 20, FRAME[20:]) == SVC["LATE"]
    assert producer.abort(1) == SVC["LATE"]
    producer.offer(2, FRAME)
    assert producer.end() == SVC["OK"]
    assert [each[:3] for each in producer.outcomes()] == [(1, 1, SVC["DROPPED_PRODUCER"]), (2, 2, SVC["PROCESSED"])]
    total = service.report().total
    assert producer.counters == [2, 1, 1, 0, 0, 0, 1, 0]
    assert (total.offered, total.processed, total.dropped_producer) == (2, 1, 1)


def test_a_frame_that_cannot_be_encoded_is_rejected_with_the_reason(pair):
    producer, reader = pair
    nan = np.full(FRAME.shape, np.nan, np.float32)
    producer.format(nan)
    producer.offer(1, nan, "blank")
    number, seq, outcome, context, reason = until(producer.outcome)
    assert (number, seq, outcome, context) == (1, 1, SVC["REJECTED"], "blank")
    assert "NaN" in reason
    assert "NaN" in producer.status
    producer.format(FRAME)
    producer.offer(2, FRAME)
    assert until(producer.outcome).outcome == SVC["PROCESSED"]
    assert producer.status == ""
    assert reader.next()


def test_more_frames_than_the_service_can_map_are_counted_to_the_last_one(pair, service, mapper):
    producer, reader = pair
    for number in range(2000):
        assert producer.offer(number, FRAME + number % 7, f"scan {number}") == SVC["OK"]
    assert producer.end() == SVC["OK"]
    offered, *counts, late, unread = producer.counters
    outcomes = producer.outcomes()
    assert (offered, sum(counts), late, unread) == (2000, 2000, 0, 976)
    assert len(outcomes) == 1024
    assert all(each.context == f"scan {each.number}" and each.seq == each.number + 1 for each in outcomes)
    total = service.report().total
    told = [total.processed, total.dropped_producer, total.dropped_stale, total.rejected, total.quarantined]
    assert told == counts
    given = 0
    while given + reader.counters[SVC["MISSED"]] < counts[0]:
        assert reader.next()
        given += 1
    np.testing.assert_array_equal(reader.maps, expected(mapper, FRAME + reader.integer("FRAME_NUMBER") % 7))


def test_channels_and_signals_of_lines_go_both_ways(serve, produce, read, models, tiny_line_model):
    for model, shape in ((models[2], (2, 40, 48)), (tiny_line_model, (200,))):
        mapper = LatentMapper(model)
        service = serve(mapper)
        producer, reader = produce(service.ingest), read(service.results)
        assert service.wait_for_readers(1, LIMIT_S)
        frame = np.random.default_rng(1).poisson(40, shape).astype(np.uint16)
        producer.format(frame)
        assert producer.offer(1, frame) == SVC["OK"]
        assert reader.next(), producer.status
        np.testing.assert_array_equal(reader.maps, expected(mapper, frame))


def test_a_display_gets_the_newest_and_a_reader_of_one_stream_nothing_else(service, produce, read):
    readers = [read(service.results, latest=1), read(service.results, stream="b")]
    assert service.wait_for_readers(2, LIMIT_S)
    for stream in ("a", "b"):
        producer = produce(service.ingest, stream=stream)
        producer.format(FRAME)
        for number in range(3):
            producer.offer(number, FRAME)
            assert until(producer.outcome).outcome == SVC["PROCESSED"]
    until(lambda: readers[0].counters[SVC["SKIPPED"]] == 4)
    found = [[], []]
    for index, reader in enumerate(readers):
        while reader.next(0.3):
            found[index].append((reader.text("STREAM"), reader.integer("FRAME_NUMBER")))
    assert found == [[("a", 2), ("b", 2)], [("b", 0), ("b", 1), ("b", 2)]]


def test_with_keys_only_a_client_that_the_service_knows_sends_and_reads(serve, mapper, produce, read, tmp_path):
    folder = KeyFolder.create(tmp_path / "keys")
    key_file = folder.add("scope", ("produce", "read"))
    service = serve(mapper, keys=folder.path)
    producer = produce(service.ingest, key_file=key_file)
    reader = read(service.results, key_file=key_file)
    stranger = produce(service.ingest, stream="stranger")
    assert producer.wait() == SVC["OK"]
    assert service.wait_for_readers(1, LIMIT_S)
    producer.format(FRAME)
    producer.offer(1, FRAME)
    assert reader.next()
    assert until(lambda: stranger.status).startswith("it refuses our key")
    assert stranger.wait(0) == SVC["NONE"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda path: path.chmod(0o644), "other users may read"),
        (lambda path: path.write_text("{}"), "server"),
        (lambda path: path.write_text(path.read_text().replace('"secret": "', '"secret": "x')), "40 characters"),
    ],
    ids=["mode", "empty", "length"],
)
def test_a_key_file_that_is_wrong_is_refused(produce, tmp_path, change, words):
    path = KeyFolder.create(tmp_path / "keys").add("scope", ("produce",))
    change(path)
    producer = produce("tcp://127.0.0.1:9", key_file=path)
    assert producer.code == SVC["ARGUMENT"]
    assert words in producer.error


class ServiceProcess:
    """`shiftvae serve` in a process of its own, at ports that stay the same."""

    def __init__(self, model: os.PathLike[str]) -> None:
        with socket.socket() as one, socket.socket() as two:
            for each in (one, two):
                each.bind(("127.0.0.1", 0))
            self.ingest, self.results = (f"tcp://127.0.0.1:{each.getsockname()[1]}" for each in (one, two))
        self.model = model

    def start(self) -> None:
        arguments = ["--ingest", self.ingest, "--results", self.results, "--control", "off", "--http", "off"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "shiftvae_rt", "serve", self.model, *arguments, "--max-age", "1000"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def test_a_service_that_is_killed_and_comes_back_costs_frames_and_no_count(tmp_path, produce, read):
    process = ServiceProcess(write_tiny_model(tmp_path / "model.svae"))
    producer, reader = produce(process.ingest), read(process.results, latest=1)
    producer.format(FRAME)
    offered = 0
    for round_number in (1, 2):
        process.start()
        try:
            assert producer.wait(60) == SVC["OK"], producer.status
            until(lambda: reader.c.reader_connected(reader.handle))
            wanted = offered
            while not (reader.next(0.05) and reader.integer("FRAME_NUMBER") >= wanted):
                assert producer.offer(offered, FRAME, "x") == SVC["OK"]
                offered += 1
            # The reader may hear of a frame before the producer does: no kill before both have.
            until(lambda: producer.counters[1] >= round_number)  # noqa: B023
        finally:
            process.kill()
        until(lambda: not producer.c.producer_connected(producer.handle))
        assert producer.status
        for _ in range(5):
            assert producer.offer(offered, FRAME) == SVC["OK"]
            offered += 1
    assert producer.end(0.1) == SVC["NONE"]
    count, *counts, late, unread = producer.counters
    assert (count, sum(counts), late, unread) == (offered, offered, 0, 0)
    outcomes = producer.outcomes()
    assert sorted(each.seq for each in outcomes) == list(range(1, offered + 1))
    assert counts[0] >= 2
    assert [each.outcome for each in outcomes].count(SVC["PROCESSED"]) == counts[0]
    assert math.isfinite(reader.number("SCORE"))
