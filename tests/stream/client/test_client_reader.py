"""A host's reader: results by callback on its own thread, through restarts, the newest or all."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import zmq
from stream_support import LIMIT_S, noisy, until

from shiftvae_rt.client import Reader, Result
from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.errors import KeyFileError, ServiceError, WireError
from shiftvae_rt.stream import Producer, Service

Make = Callable[..., Any]
FRAME = noisy((40, 48))


def test_every_result_comes_by_callback_with_the_map_of_the_frame(
    service: Service, produce: Make, mapper: LatentMapper
) -> None:
    results: queue.Queue[Result] = queue.Queue()
    with Reader(service.results, on_result=results.put) as reader:
        assert service.wait_for_readers(1, LIMIT_S)
        producer: Producer = produce(service, mode="replay")
        for number in range(5):
            producer.offer(FRAME + number, number=number)
            producer.wait(LIMIT_S)
            result = results.get(timeout=LIMIT_S)
            np.testing.assert_array_equal(result.latent_map.mean, mapper.map(FRAME + number).mean)
        assert (reader.results, reader.gaps, reader.errors, reader.connected) == (5, 0, 0, True)
    assert not reader.connected


def test_a_service_that_comes_back_is_read_again(serve: Make, produce: Make, mapper: LatentMapper) -> None:
    results: queue.Queue[Result] = queue.Queue()
    changes: queue.Queue[bool] = queue.Queue()
    first = Service(mapper, ingest="tcp://127.0.0.1:0", results="tcp://127.0.0.1:0")
    with first, Reader(first.results, on_result=results.put, on_connection=changes.put):
        assert changes.get(timeout=LIMIT_S)
        first.__exit__()
        assert not changes.get(timeout=LIMIT_S)
        second = serve(mapper, results=first.results)
        assert changes.get(timeout=LIMIT_S)
        assert second.wait_for_readers(1, LIMIT_S)
        producer: Producer = produce(second, mode="replay")
        producer.offer(FRAME)
        assert results.get(timeout=LIMIT_S).epoch == second.epoch


def test_a_slow_display_gets_the_newest(service: Service, produce: Make) -> None:
    begun, go = threading.Event(), threading.Event()
    shown: list[int] = []

    def show(result: Result) -> None:
        shown.append(result.frame)
        begun.set()
        assert go.wait(LIMIT_S)

    with Reader(service.results, on_result=show, latest=True) as reader:
        assert service.wait_for_readers(1, LIMIT_S)
        producer: Producer = produce(service, mode="replay")
        for number in range(30):
            producer.offer(FRAME, number=number)
            producer.wait(LIMIT_S)
            assert begun.wait(LIMIT_S), "the first result is on show while the others are published"
        go.set()
        until(lambda: bool(shown) and shown[-1] == 29)
        until(lambda: reader.results + reader.skipped == 30)
    assert shown[0] == 0
    assert len(shown) < 30


def test_a_callback_that_raises_is_told_and_reading_goes_on(service: Service, produce: Make) -> None:
    told: queue.Queue[Exception] = queue.Queue()

    def fail(_: Result) -> None:
        raise RuntimeError("no display")

    with Reader(service.results, on_result=fail, on_error=told.put) as reader:
        assert service.wait_for_readers(1, LIMIT_S)
        producer: Producer = produce(service, mode="replay")
        for _ in range(2):
            producer.offer(FRAME)
            producer.wait(LIMIT_S)
            assert "no display" in str(told.get(timeout=LIMIT_S))
        assert (reader.results, reader.errors) == (2, 2)


def test_a_message_that_is_no_result_is_told_and_reading_goes_on() -> None:
    told: queue.Queue[Exception] = queue.Queue()
    changes: queue.Queue[bool] = queue.Queue()
    with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
        socket.linger = 0
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        endpoint = f"tcp://127.0.0.1:{port}"
        with Reader(endpoint, on_result=print, on_connection=changes.put, on_error=told.put) as reader:
            assert socket.poll(LIMIT_S * 1e3), "no subscription came"
            for _ in range(2):
                socket.send_multipart([b"{}", b""])
                assert isinstance(told.get(timeout=LIMIT_S), WireError)
            assert reader.errors == 2


def test_it_can_be_closed_by_its_own_callback(service: Service, produce: Make) -> None:
    closed = threading.Event()

    def close(_: Result) -> None:
        reader.close()
        closed.set()

    reader = Reader(service.results, on_result=close)
    assert service.wait_for_readers(1, LIMIT_S)
    producer: Producer = produce(service, mode="replay")
    producer.offer(FRAME)
    assert closed.wait(LIMIT_S)
    reader.close()


def test_a_mistake_is_an_error_at_once(tmp_path: Any) -> None:
    with pytest.raises(ServiceError, match="tcp://HOST:PORT"):
        Reader("localhost", on_result=print)
    with pytest.raises(KeyFileError, match=r"reader\.key"):
        Reader(on_result=print, key=tmp_path / "reader.key")
