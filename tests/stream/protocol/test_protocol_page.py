"""The page from which others write their clients: its messages are replayed byte for byte."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import zmq
from stream_support import FREE, LIMIT_S, RawProducer, frame_message, noisy

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.frame import DTYPES
from shiftvae_rt.stream import Options, Service
from shiftvae_rt.stream.producer.contact import PING_NS, SILENCE_S
from shiftvae_rt.stream.producer.live_link import UNTAKEN_S
from shiftvae_rt.stream.producer.lossless_link import PROGRESS_S
from shiftvae_rt.stream.protocol import control_messages, messages, wire
from shiftvae_rt.stream.protocol.stream_state import StreamState
from shiftvae_rt.stream.service.floor import PATIENCE_NS
from shiftvae_rt.stream.service.open_intake import PREFIX
from shiftvae_rt.stream.service.sessions import MAX_SESSIONS, SILENCE_NS
from shiftvae_rt.stream.transport import sockets

Make = Callable[..., Any]
FRAME = noisy((40, 40))
PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "protocol.md").read_text()
PIXELS = bytes(37 * i % 251 for i in range(288))


def conversation() -> list[tuple[list[bytes], list[str]]]:
    """What is sent, as parts, and the pattern of each answer, in the order of section 5."""
    turns: list[tuple[list[bytes], list[str]]] = []
    section = PAGE.split("## 5. ")[1]
    for block in re.findall(r"```\n(.*?)```", section, re.DOTALL):
        heard = True
        for line in block.splitlines():
            mark, text = line[0], line[2:]
            if mark == ">":
                if heard:
                    turns.append(([], []))
                turns[-1][0].append(part(text))
            else:
                turns[-1][1].append(text)
            heard = mark == "<"
    return turns


def part(text: str) -> bytes:
    match = re.fullmatch(r"PIXELS(?:\[(\d+):(\d+)\])?", text)
    if match is None:
        return text.encode()
    return PIXELS if match[1] is None else PIXELS[int(match[1]) : int(match[2])]


def pattern(text: str) -> str:
    return re.escape(text).replace(r":\*", r':(?:"(?:[^"\\]|\\.)*"|[0-9.]+)')


def test_the_session_on_the_page_runs_byte_for_byte(service: Service) -> None:
    turns = conversation()
    assert len(turns) == 10
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(service.ingest)
        for parts, (expected,) in turns:
            socket.send_multipart(parts)
            assert socket.poll(LIMIT_S * 1e3), parts
            (answer,) = socket.recv_multipart()
            assert re.fullmatch(pattern(expected), answer.decode()), f"{answer.decode()}\nis not\n{expected}"


def test_our_own_producer_says_what_the_page_says() -> None:
    for parts, _ in conversation():
        if parts[0].startswith(b'{"htype":"array-1.0"'):
            assert msgspec.json.encode(msgspec.json.decode(parts[0], type=wire.FrameHeader)) == parts[0]
        elif parts[0].startswith(b"{"):
            assert messages.encode(messages.decode_request(parts[0])) == parts[0]


def test_the_pixels_of_the_page_begin_as_it_says() -> None:
    assert f"`{PIXELS[:8].hex(' ')} ...`" in PAGE


UNIONS = (messages.Request, messages.Reply, control_messages.Question, control_messages.Answer)
STRUCTS = [
    *(wire.FrameHeader, wire.ResultHeader, wire.Centres, wire.Counters, StreamState),
    *(struct for union in UNIONS for struct in get_args(union)),
]


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_every_field_of_every_message_is_on_the_page(struct: Any) -> None:
    missing = [field for field in struct.__struct_fields__ if f"`{field}`" not in PAGE]
    assert missing == []
    tag = struct.__struct_config__.tag
    assert tag is None or f"`{tag}`" in PAGE


@pytest.mark.parametrize(
    "facts",
    [
        *((f"`{name}`",) for name in get_args(messages.ErrorName)),
        *((f"`{dtype}`",) for dtype in DTYPES),
        (f"`{sockets.INGEST}`",),
        (f"`{sockets.RESULTS}`",),
        ("`STREAM@SESSION`",),
        (f"`{PREFIX}SOURCE`",),
        ("HELLO", f"`protocol` {messages.PROTOCOL}"),
        ("control", f"{messages.MAX_CONTROL_BYTES} bytes"),
        ("Header", f"{wire.MAX_HEADER_BYTES} bytes"),
        ("buffer", f"{wire.MAX_FRAME_BYTES} bytes", "in bands"),
        ("result", f"{wire.MAX_RESULT_BYTES} bytes"),
        ("too_many_streams", f"{MAX_SESSIONS} producers"),
        ("closes your session", f"{SILENCE_NS / 1e9:.0f} s"),
        ("PING", f"{PING_NS / 1e9} s"),
        *((f"| {door} |", f"{sockets.DOORS[door].max_bytes} bytes") for door in ("ingest", "results", "control")),
        ("| ingest |", f"{sockets.DOORS['ingest'].waiting_bytes >> 20} MiB"),
        ("| results |", f"{sockets.DOORS['results'].waiting_bytes >> 10} KiB"),
        ("| control |", f"{sockets.DOORS['control'].waiting_bytes >> 10} KiB"),
        ("nothing has arrived", f"{SILENCE_S} s"),
        ("GRANT", f"{PATIENCE_NS // 10**6} ms"),
        ("PONG", "`received`", f"{UNTAKEN_S:.0f} s"),
        ("progress", f"{PROGRESS_S:.0f} s"),
    ],
    ids=" ".join,
)
def test_names_and_limits_stand_together_on_the_page(facts: tuple[str, ...]) -> None:
    blocks = [" ".join(block.split()) for block in re.split(r"\n\n|\n *(?=[|*]|\d\. )", PAGE)]
    assert any(all(re.search(rf"(?<![\d.]){re.escape(fact)}", block) for fact in facts) for block in blocks)


def test_a_time_has_all_its_63_bits_from_the_frame_to_the_result(service: Service, raw: Make, subscribe: Make) -> None:
    subscriber = subscribe(service)
    client: RawProducer = raw(service)
    client.hello()
    assert client.say(*frame_message(FRAME, utc_ns=2**63 - 1))["outcome"] == "processed"
    assert subscriber.receive(LIMIT_S).utc_ns == 2**63 - 1
    assert client.say(*frame_message(FRAME, utc_ns=2**63, seq=2))["name"] == "bad_message"


@pytest.mark.parametrize("mode", ["live", "lossless"])
def test_a_second_hello_on_a_socket_is_refused_and_the_session_goes_on(
    serve: Make, mapper: LatentMapper, raw: Make, tmp_path: Path, mode: str
) -> None:
    client: RawProducer = raw(serve(mapper, options=Options(journal=tmp_path / "j")))
    client.hello(mode=mode)
    answer = client.hello(mode=mode, stream="another", session="another")
    assert (answer["name"], answer["seq"]) == ("bad_message", None)
    assert client.say(*frame_message(FRAME))["htype"] == {"live": "ACK", "lossless": "COMMITTED"}[mode]


def test_in_replay_too_credit_comes_in_turn_beside_another_producer(service: Service, raw: Make) -> None:
    first, second = raw(service), raw(service)
    for n, client in enumerate((first, second)):
        client.hello(mode="replay", stream=f"s{n}", session=f"s{n}")
    first.say(*frame_message(FRAME, source="s0", seq=1))
    second.tell({"htype": "WANT", "clock_ns": 1})
    assert second.hear() == {"htype": "GRANT", "credit": 1}
    assert second.say(*frame_message(FRAME, source="s1", seq=1))["credit"] == 1, "no credit with the answer"


def test_a_part_that_is_larger_than_the_page_says_ends_the_connection(service: Service, raw: Make) -> None:
    client: RawProducer = raw(service)
    monitor = client.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    client.hello()
    with contextlib.closing(monitor):
        client.tell(b"{}", bytes(sockets.DOORS["ingest"].max_bytes + 1))
        assert monitor.poll(LIMIT_S * 1e3), "the connection goes on"
        client.socket.disable_monitor()


def test_a_frame_that_is_pushed_needs_three_fields(serve: Make, mapper: LatentMapper, subscribe: Make) -> None:
    service: Service = serve(mapper, options=Options(open_ingest=FREE))
    subscriber = subscribe(service)
    with zmq.Context() as context, context.socket(zmq.PUSH) as socket:
        socket.connect(service.open_ingest)
        header = {"htype": "array-1.0", "dtype": "uint16", "shape": FRAME.shape, "whatever": "else"}
        socket.send_multipart([msgspec.json.encode(header), FRAME.tobytes()])
        assert subscriber.receive(LIMIT_S).stream == "open/foreign"
