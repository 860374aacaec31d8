"""Readers: they count what they missed, and hold up nobody."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import zmq
from stream_support import FREE, LIMIT_S, frame_message, noisy, until

from shiftvae_rt import cli
from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.errors import ServiceError, WireError
from shiftvae_rt.stream import Producer, Service, Subscriber
from shiftvae_rt.stream.protocol.counters import Counters
from shiftvae_rt.stream.protocol.results import read_result, result_message
from shiftvae_rt.stream.protocol.wire import decode_frame_header

Make = Callable[..., Any]
FRAME = noisy((64, 64))


def message(mapper: LatentMapper, seq: int = 1, epoch: str = "e") -> list[bytes]:
    header = decode_frame_header(json.dumps(frame_message(FRAME)[0]).encode())
    parts = result_message(mapper.map(FRAME), header, seq=seq, epoch=epoch, age_s=0.01, counters=Counters(offered=1))
    return [bytes(part) for part in parts]


def test_a_result_comes_back_as_it_went_out(mapper: LatentMapper) -> None:
    result, expected = read_result(message(mapper)), mapper.map(FRAME)
    assert np.array_equal(result.latent_map.mean, expected.mean)
    assert np.array_equal(result.latent_map.std, expected.std)
    assert result.latent_map.grid == expected.grid
    assert not result.latent_map.mean.flags.writeable
    assert (result.seq, result.age_s, result.counters) == (1, 0.01, Counters(offered=1))
    assert result.latent_map.domain == expected.domain
    assert expected.domain is not None


def test_a_foreign_reader_needs_json_and_numpy_alone(mapper: LatentMapper) -> None:
    header, buffer = message(mapper)
    fields = json.loads(header)
    assert fields["htype"] == "array-1.0"
    for dtype in (fields["type"], fields["dtype"]):
        array = np.frombuffer(buffer, dtype).reshape(fields["shape"])
        assert np.array_equal(array[0], mapper.map(FRAME).mean)
    assert fields["names"] == ["dy", "dx", "z1", "z2"]
    assert fields["units"] == ["px", "px", "", ""]
    for axis in "yx":
        centres, expected = fields[f"centre_{axis}_px"], getattr(mapper.map(FRAME), f"centre_{axis}_px")
        assert [centres["first"] + n * centres["step"] for n in range(centres["count"])] == expected.tolist()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"names": ["dy"]}, r"= \(2, 1, 13, 13\), got \(2, 4, 13, 13\)"),
        ({"units": []}, "got 0 and 4"),
        ({"first_row": 1}, r"rows \d+ to \d+ and \d+ columns"),
        ({"stride": 8}, r"rows \d+ to \d+ and \d+ columns"),
        ({"window": [65, 16]}, "contradicts itself"),
        ({"dtype": "float64"}, r"\$\.dtype"),
        ({"age_ms": -1}, r"\$\.age_ms"),
    ],
    ids=str,
)
def test_a_result_that_contradicts_itself_is_a_wire_error(mapper: LatentMapper, changes: dict, text: str) -> None:
    header, buffer = message(mapper)
    with pytest.raises(WireError, match=text):
        read_result([json.dumps({**json.loads(header), **changes}).encode(), buffer])


@pytest.mark.parametrize("parts", [[], [b"{}"], [b"a", b"b", b"c"]], ids=len)
def test_a_result_has_two_parts(parts: list[bytes]) -> None:
    with pytest.raises(WireError, match=f"two parts, header and buffer, got {len(parts)}"):
        read_result(parts)


@pytest.fixture
def publisher() -> Any:
    """An XPUB socket with nothing behind it, and its endpoint."""
    context = zmq.Context()
    socket = context.socket(zmq.XPUB)
    socket.setsockopt(zmq.LINGER, 0)
    socket.bind(FREE)
    yield socket, socket.getsockopt_string(zmq.LAST_ENDPOINT)
    socket.close()
    context.term()


def test_a_reader_counts_the_results_that_it_missed(publisher: Any, mapper: LatentMapper) -> None:
    socket, endpoint = publisher
    with Subscriber(endpoint) as subscriber:
        assert socket.poll(LIMIT_S * 1e3)
        for seq, epoch in ((4, "a"), (5, "a"), (9, "a"), (3, "b"), (4, "b")):
            socket.send_multipart(message(mapper, seq, epoch))
        gaps = []
        for _ in range(5):
            subscriber.receive(LIMIT_S)
            gaps.append(subscriber.gaps)
    assert gaps == [0, 0, 3, 3, 3], "neither what came before we did nor a restarted service is a gap"


def test_something_else_than_a_result_is_a_wire_error(publisher: Any) -> None:
    socket, endpoint = publisher
    with Subscriber(endpoint) as subscriber:
        assert socket.poll(LIMIT_S * 1e3)
        socket.send(b"weather report")
        with pytest.raises(WireError, match="two parts"):
            subscriber.receive(LIMIT_S)


@pytest.mark.clock
def test_no_service_is_one_clear_error() -> None:
    with Subscriber("tcp://127.0.0.1:9") as subscriber, pytest.raises(ServiceError, match="no service publishes at"):
        subscriber.wait_ready(0.2)


@pytest.mark.clock
def test_nothing_to_receive_is_none_in_time(service: Service, subscribe: Make) -> None:
    assert subscribe(service).receive(0.05) is None


@pytest.mark.clock
def test_iteration_ends_with_an_error_when_the_service_goes(
    serve: Make, mapper: LatentMapper, subscribe: Make, produce: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shiftvae_rt.stream.reader.subscriber._GONE_S", 0.1)
    service: Service = serve(mapper)
    subscriber: Subscriber = subscribe(service)
    produce(service).offer(FRAME)
    results = iter(subscriber)
    assert next(results).frame_seq == 1
    service.stop()
    with pytest.raises(ServiceError, match="is gone"):
        next(results)


@pytest.mark.clock
def test_a_reader_that_does_not_read_holds_up_nobody(
    service: Service, produce: Make, subscribe: Make, raw: Make
) -> None:
    reader: Subscriber = subscribe(service)
    sleeper: Subscriber = subscribe(service)
    producer: Producer = produce(service, mode="replay")
    for number in range(600):
        producer.offer(FRAME, number=number)
        producer.wait(LIMIT_S)
        assert reader.receive(LIMIT_S).frame == number
    assert reader.gaps == 0
    received, last = 0, 599
    while (result := sleeper.receive(0.2)) is None or result.frame < last:
        if result is None:  # its queue was full when the last was published: it hears of what it missed with the next
            last += 1
            producer.offer(FRAME, number=last)
            producer.wait(LIMIT_S)
        else:
            received += 1
    assert received + 1 + sleeper.gaps == last + 1, "what it has not got, it has counted"


LAST = 1_000_000
SLEEP = """
import sys
from shiftvae_rt.stream import Subscriber
with Subscriber(sys.argv[1]) as subscriber:
    subscriber.wait_ready(10)
    print("ready", flush=True)
    sys.stdin.readline()
    received = 0
    while True:
        result = subscriber.receive(0.2)
        received += result is not None
        if result is None:  # its queue was full when the last was published: it hears of what it missed with the next
            print("more", flush=True)
            sys.stdin.readline()
        elif result.frame == int(sys.argv[2]):
            break
    print(received, subscriber.gaps, result.seq, flush=True)
"""


def test_a_reader_that_slept_longer_than_any_heartbeat_reads_on(service: Service, produce: Make) -> None:
    """libzmq 4.3.5 aborts its process if heartbeats ended the connection meanwhile."""
    producer: Producer = produce(service, mode="replay")
    with subprocess.Popen(
        [sys.executable, "-c", SLEEP, service.results, str(LAST)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as reader:
        assert reader.stdout.readline() == "ready\n"
        assert service.wait_for_readers(1, LIMIT_S)
        for _ in range(600):
            producer.offer(FRAME)
            producer.wait(LIMIT_S)
        threading.Event().wait(2.5)
        print("read", file=reader.stdin, flush=True)
        while (said := reader.stdout.readline()) == "more\n":
            producer.offer(FRAME, number=LAST)
            producer.wait(LIMIT_S)
            print("read", file=reader.stdin, flush=True)
        received, gaps, published = map(int, said.split())
    assert reader.returncode == 0
    assert received >= 256, "its own queue was full; how much more the network holds, differs"
    assert received + gaps == published > 600


def test_readers_that_leave_are_forgotten(service: Service, subscribe: Make) -> None:
    subscriber: Subscriber = subscribe(service)
    assert service._publisher.readers == 1
    subscriber.close()
    until(lambda: service._publisher.readers == 0)


def test_what_a_publisher_calls_its_streams_and_latents_reaches_the_terminal_escaped(
    publisher: Any, mapper: LatentMapper, capsys: pytest.CaptureFixture[str]
) -> None:
    socket, endpoint = publisher
    header, buffer = message(mapper)
    fields = {**json.loads(header), "source": "\x1b[2J\nx", "names": ["\x1b", "\n", "\x9b", "\u202e"]}
    watch = ["watch", "--from", endpoint, "--count", "1"]
    for options in ([], ["--json"]):
        watcher = threading.Thread(target=cli.main, args=([*watch, *options],))
        watcher.start()
        assert socket.poll(LIMIT_S * 1e3)
        assert socket.recv() == b"\x01"
        socket.send_multipart([json.dumps(fields).encode(), buffer])
        watcher.join(LIMIT_S)
        assert socket.recv() == b"\x00"
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if not line.startswith("  ")]) == 4  # the ranges are set in below their frame
    assert all(line.isprintable() for line in lines)
    assert max(len(line) for line in lines if not line.startswith("{")) <= 80
