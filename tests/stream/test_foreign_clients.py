"""Programs that have nothing of ours: producers that only push, readers from the field, unmodified."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import zmq
from stream_support import FREE, LIMIT_S, GatedMapper, noisy, until

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.stream import Options, Producer, Service

Make = Callable[..., Any]


@pytest.fixture
def napari_listener(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The reading half of napari-stream, unmodified; the window system that it imports is replaced by nothing."""
    pytest.importorskip("napari_stream", reason="no napari-stream: pip install --no-deps napari-stream")
    qt = types.ModuleType("qtpy.QtCore")
    qt.QObject, qt.Signal = object, lambda *_: None
    monkeypatch.setitem(sys.modules, "qtpy", types.ModuleType("qtpy"))
    monkeypatch.setitem(sys.modules, "qtpy.QtCore", qt)
    return importlib.import_module("napari_stream._listener")


def test_napari_stream_decodes_our_results_unmodified(
    service: Service, produce: Make, mapper: LatentMapper, napari_listener: Any
) -> None:
    with zmq.Context() as context, context.socket(zmq.SUB) as reader:
        reader.subscribe(b"")
        reader.connect(service.results)
        assert service.wait_for_readers(1, LIMIT_S)
        frame = noisy((40, 40))
        producer: Producer = produce(service, mode="replay")
        producer.offer(frame, number=9)
        header, payload = reader.recv_multipart()
    array = napari_listener._from_bytes(payload, json.loads(header))
    expected = mapper.map(frame)
    assert np.array_equal(array, np.stack([expected.mean, expected.std]))


@pytest.fixture
def pushed(serve: Make, mapper: LatentMapper) -> Service:
    return serve(mapper, options=Options(open_ingest=FREE))


@pytest.mark.clock
def test_a_foreign_producer_that_pushes_is_drained_to_the_newest_and_labelled(
    serve: Make, mapper: LatentMapper, subscribe: Make
) -> None:
    gated = GatedMapper(mapper)
    service: Service = serve(gated, options=Options(open_ingest=FREE))
    subscriber = subscribe(service)
    frame = noisy((40, 40))
    with zmq.Context() as context, context.socket(zmq.PUSH) as push:
        push.connect(service.open_ingest)
        for number in range(20):
            header = {"htype": "array-1.0", "type": "uint16", "shape": [40, 40], "frame": number, "anything": True}
            push.send_multipart([json.dumps(header).encode(), frame.tobytes()])
            if number == 0:
                assert gated.waiting.acquire(timeout=LIMIT_S)
        time.sleep(0.3)  # the others are on their way or there, behind the first
        gated.gate.release(20)
        results = [subscriber.receive(LIMIT_S)]
        while results[-1].frame < 19:
            results.append(subscriber.receive(LIMIT_S))
    assert {result.stream for result in results} == {"open/foreign"}
    assert np.array_equal(results[-1].latent_map.mean, mapper.map(frame).mean)
    total = service.report().total
    assert total.offered == total.settled == 20
    assert total.processed == len(results) < 10


def test_foreign_messages_that_make_no_sense_are_counted_and_harm_nobody(pushed: Service, produce: Make) -> None:
    bad_frames = [
        {"htype": "array-1.0", "type": "uint16", "shape": [40, 41]},
        {"htype": "array-1.0", "type": "complex64", "shape": [40, 40]},
        {"htype": "pickle-1.0", "type": "uint16", "shape": [40, 40]},
    ]
    frame = noisy((40, 40))
    with zmq.Context() as context, context.socket(zmq.PUSH) as push:
        push.connect(pushed.open_ingest)
        for parts in ([b"x"], [b'{"shape":[40,40],"order":"F"}', b""], [b"", b"", b""]):
            push.send_multipart(parts)
        for header in bad_frames:
            push.send_multipart([json.dumps({**header, "source": header["htype"] + header["type"]}).encode(), frame])
        until(lambda: pushed.report().malformed == 3)
        until(lambda: pushed.report().total.offered == 3)
    assert pushed.report().total.settled == 3
    assert pushed.report().total.processed == 0
    producer: Producer = produce(pushed, mode="replay")
    producer.offer(frame)
    assert producer.wait(LIMIT_S).processed == 1


def test_a_foreign_reader_with_json_and_numpy_alone_reads_the_results(
    service: Service, produce: Make, mapper: LatentMapper
) -> None:
    code = (
        "import json, sys, zmq, numpy as np\n"
        "s = zmq.Context().socket(zmq.SUB); s.subscribe(b''); s.connect(sys.argv[1])\n"
        "h, b = s.recv_multipart(); h = json.loads(h)\n"
        "a = np.frombuffer(b, h['dtype']).reshape(h['shape'])\n"
        "print(h['frame'], a.shape, float(a.astype('f8').sum()))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, service.results], stdout=subprocess.PIPE, text=True) as reader:
        assert service.wait_for_readers(1, LIMIT_S)
        frame = noisy((40, 40))
        producer: Producer = produce(service, mode="replay")
        producer.offer(frame, number=9)
        out, _ = reader.communicate(timeout=30)
    expected = mapper.map(frame)
    both = np.stack([expected.mean, expected.std]).astype(np.float64)
    assert out.strip() == f"9 {both.shape} {both.sum()}"


def test_a_source_whose_name_hides_something_is_no_stream(pushed: Service) -> None:
    with zmq.Context() as context, context.socket(zmq.PUSH) as push:
        push.connect(pushed.open_ingest)
        header = {"shape": [40, 40], "type": "uint8", "source": "x\x1b[2J"}
        push.send_multipart([json.dumps(header).encode(), bytes(1600)])
        until(lambda: pushed.report().malformed == 1)
    assert pushed.report().total.offered == 0
