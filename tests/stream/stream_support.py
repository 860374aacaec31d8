"""What the stream tests share: commands, a raw client, raw messages, a mapper whose speed a test controls."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
import zmq

from shiftvae_rt import cli
from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.stream.protocol.clock import clock_name, monotonic_ns
from shiftvae_rt.stream.protocol.messages import PROTOCOL

LIMIT_S = 10.0
FREE = "tcp://127.0.0.1:0"


class RawProducer:
    """A foreign client: a DEALER socket and JSON, nothing of ours."""

    def __init__(self, context: zmq.Context, endpoint: str) -> None:
        self.socket = context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.connect(endpoint)

    def say(self, *parts: bytes | dict[str, Any]) -> dict[str, Any]:
        """Send one message and return the answer to it."""
        self.tell(*parts)
        return self.hear()

    def tell(self, *parts: bytes | dict[str, Any]) -> None:
        self.socket.send_multipart([part if isinstance(part, bytes) else msgspec.json.encode(part) for part in parts])

    def hear(self) -> dict[str, Any]:
        assert self.socket.poll(LIMIT_S * 1e3), "the service did not answer"
        (answer,) = self.socket.recv_multipart()
        return msgspec.json.decode(answer)

    def hello(self, **changes: Any) -> dict[str, Any]:
        return self.say(hello(**changes))


def hello(**changes: Any) -> dict[str, Any]:
    fields = {
        "htype": "HELLO",
        "protocol": PROTOCOL,
        "mode": "live",
        "stream": "raw",
        "session": "0123",
        "first_seq": 1,
        "clock": clock_name(),
        "clock_ns": monotonic_ns(),
    }
    return {**fields, **changes}


def frame_message(pixels: np.ndarray, **changes: Any) -> tuple[dict[str, Any], bytes]:
    """Header and buffer of a whole frame, or what `changes` make of it."""
    height, width = pixels.shape[-2:] if pixels.ndim > 1 else (1, pixels.shape[0])
    header = {
        "htype": "array-1.0",
        "type": pixels.dtype.name,
        "dtype": pixels.dtype.name,
        "shape": pixels.shape,
        "encoding": "little",
        "order": "C",
        "frame": 0,
        "series": 0,
        "source": "raw",
        "name": "",
        "context": "",
        "frame_shape": (height, width),
        "roi": (0, 0, height, width),
        "valid_rows": height,
        "complete": True,
        "seq": 1,
        "pixel_size_nm": None,
        "clock_ns": monotonic_ns(),
        "utc_ns": 0,
    }
    return {**header, **changes}, pixels.tobytes()


def rows_message(pixels: np.ndarray, first: int, last: int, **changes: Any) -> tuple[dict[str, Any], bytes]:
    """Header and buffer of rows `first` to `last` of a frame."""
    height, width = pixels.shape
    place = {
        "frame_shape": (height, width),
        "roi": (first, 0, last - first, width),
        "valid_rows": last,
        "complete": last == height,
    }
    return frame_message(pixels[first:last], **{**place, **changes})


class GatedMapper:
    """A real mapper that encodes a frame only when the test lets it through."""

    def __init__(self, mapper: LatentMapper) -> None:
        self._mapper = mapper
        self.gate = threading.Semaphore(0)
        self.waiting = threading.Semaphore(0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mapper, name)

    def map(self, *arguments: Any, **options: Any) -> Any:
        self.waiting.release()
        assert self.gate.acquire(timeout=LIMIT_S)
        return self._mapper.map(*arguments, **options)


def until(condition: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
    """Wait for something that happens in another thread and has no event of its own."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        threading.Event().wait(0.005)


def noisy(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(40, shape).astype(np.uint16)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, output and errors of a command, in this process."""
    code = cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


class UnknownPixelSize:
    """The tiny model with frames whose pixel size is not given: the simulator's is another than the model's."""

    def __init__(self, mapper: LatentMapper) -> None:
        self._mapper = mapper

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mapper, name)

    def map(self, frame: Any, *, pixel_size_nm: float | None) -> Any:
        return self._mapper.map(frame)

    def begin_scan(self, *arguments: Any, pixel_size_nm: float | None, **options: Any) -> Any:
        return self._mapper.begin_scan(*arguments, **options)
