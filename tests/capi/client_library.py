"""The client's C library from Python, through ctypes: what the tests of `tests/capi` call."""

from __future__ import annotations

import ctypes
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from c_library import ROOT, TYPES

HEADER = ROOT / "cpp" / "client" / "shiftvae_client.h"
LIMIT_S = 20.0


def _constants() -> dict[str, int]:
    code = re.sub(r"/\*.*?\*/", "", HEADER.read_text(encoding="utf-8"), flags=re.DOTALL)
    return {name: int(value) for name, value in re.findall(r"SVC_(\w+) = (\d+)", code)}


#: The numbers of the header, without their prefix.
SVC = _constants()


class Outcome(NamedTuple):
    """What became of a frame."""

    number: int
    seq: int
    outcome: int
    context: str
    reason: str


def until(condition: Callable[[], Any], limit_s: float = LIMIT_S) -> Any:
    """Wait for something that happens in another thread, and give it back."""
    deadline = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)
    return found


class ClientLibrary:
    """The functions of the library, with the types of their arguments."""

    def __init__(self, path: Path) -> None:
        self.c = c = ctypes.CDLL(str(path))
        text, handle, integer, number = ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_double
        size, count, place = ctypes.c_ssize_t, ctypes.c_uint64, ctypes.c_void_p
        lines = [handle, size, size, text, place]
        signatures: dict[str, tuple[Any, list[Any]]] = {
            "abi_version": (integer, []),
            "producer_open": (integer, [text, text, text, place]),
            "producer_format": (integer, [handle, integer, integer, integer, integer, number, number]),
            "producer_offer": (integer, [handle, count, *lines]),
            "producer_offer_lines": (integer, [handle, count, integer, integer, *lines]),
            "producer_abort": (integer, [handle, count]),
            "producer_outcome": (integer, [handle, place, place, place]),
            "producer_context": (text, [handle]),
            "producer_reason": (text, [handle]),
            "producer_counters": (integer, [handle, place]),
            "producer_connected": (integer, [handle]),
            "producer_wait": (integer, [handle, number]),
            "producer_status": (text, [handle]),
            "producer_error": (text, [handle]),
            "producer_end": (integer, [handle, number]),
            "producer_close": (None, [handle]),
            "reader_open": (integer, [text, text, integer, text, place]),
            "reader_next": (integer, [handle, number]),
            "reader_mean": (place, [handle]),
            "reader_std": (place, [handle]),
            "reader_integer": (ctypes.c_int64, [handle, integer]),
            "reader_number": (number, [handle, integer]),
            "reader_text": (text, [handle, integer]),
            "reader_latent_name": (text, [handle, integer]),
            "reader_latent_unit": (text, [handle, integer]),
            "reader_varies": (integer, [handle, integer]),
            "reader_outcomes": (integer, [handle, place]),
            "reader_counters": (integer, [handle, place]),
            "reader_connected": (integer, [handle]),
            "reader_error": (text, [handle]),
            "reader_close": (None, [handle]),
        }
        for name, (result, arguments) in signatures.items():
            function = getattr(c, f"svc_{name}")
            function.restype, function.argtypes = result, arguments

    def __getattr__(self, name: str) -> Any:
        return getattr(self.c, f"svc_{name}")


def _encoded(text: str | os.PathLike[str] | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


class CProducer:
    """A producer of the library."""

    def __init__(
        self, library: ClientLibrary, endpoint: str, stream: str = "c", key_file: os.PathLike[str] | None = None
    ) -> None:
        self.c, self.handle = library, ctypes.c_void_p()
        self.code = library.producer_open(
            endpoint.encode(), stream.encode(), _encoded(key_file), ctypes.byref(self.handle)
        )

    def close(self) -> None:
        self.c.producer_close(self.handle)
        self.handle = ctypes.c_void_p()

    def format(self, pixels: np.ndarray, pixel_size_nm: tuple[float, float] = (0, 0)) -> int:
        channels, height, width = (1, *pixels.shape)[-3:] if pixels.ndim > 1 else (1, 1, len(pixels))
        kind = TYPES.index(pixels.dtype.name)
        return self.c.producer_format(self.handle, kind, channels, height, width, *pixel_size_nm)

    def offer(self, number: int, pixels: np.ndarray, context: str | bytes | None = None) -> int:
        """Offer a frame wherever its lines lie, and give the code."""
        self.seq = ctypes.c_uint64(99)
        strides = (0, *pixels.strides)[-3:-1] if pixels.ndim > 1 else (0, 0)
        text = context.encode() if isinstance(context, str) else context
        return self.c.producer_offer(
            self.handle, number, pixels.ctypes.data, strides[1], strides[0], text, ctypes.byref(self.seq)
        )

    def offer_lines(self, number: int, first: int, lines: np.ndarray, context: str | None = None) -> int:
        self.seq = ctypes.c_uint64(99)
        text = None if context is None else context.encode()
        return self.c.producer_offer_lines(
            self.handle, number, first, lines.shape[-2], lines.ctypes.data, 0, 0, text, ctypes.byref(self.seq)
        )

    def abort(self, number: int) -> int:
        return self.c.producer_abort(self.handle, number)

    def outcome(self) -> Outcome | None:
        number, seq, outcome = ctypes.c_uint64(), ctypes.c_uint64(), ctypes.c_int()
        code = self.c.producer_outcome(self.handle, ctypes.byref(number), ctypes.byref(seq), ctypes.byref(outcome))
        if code == SVC["NONE"]:
            return None
        assert code == SVC["OK"]
        texts = [get(self.handle).decode() for get in (self.c.producer_context, self.c.producer_reason)]
        return Outcome(number.value, seq.value, outcome.value, *texts)

    def outcomes(self) -> list[Outcome]:
        found = []
        while (outcome := self.outcome()) is not None:
            found.append(outcome)
        return found

    @property
    def counters(self) -> list[int]:
        counters = (ctypes.c_uint64 * SVC["COUNTERS"])()
        assert self.c.producer_counters(self.handle, counters) == SVC["OK"]
        return list(counters)

    def wait(self, timeout_s: float = LIMIT_S) -> int:
        return self.c.producer_wait(self.handle, timeout_s)

    def end(self, timeout_s: float = LIMIT_S) -> int:
        return self.c.producer_end(self.handle, timeout_s)

    @property
    def status(self) -> str:
        return self.c.producer_status(self.handle).decode()

    @property
    def error(self) -> str:
        return self.c.producer_error(self.handle).decode()


class CReader:
    """A reader of the library."""

    def __init__(
        self,
        library: ClientLibrary,
        endpoint: str,
        stream: str | None = None,
        latest: int = 0,
        key_file: os.PathLike[str] | None = None,
    ) -> None:
        self.c, self.handle = library, ctypes.c_void_p()
        name = None if stream is None else stream.encode()
        self.code = library.reader_open(endpoint.encode(), name, latest, _encoded(key_file), ctypes.byref(self.handle))

    def close(self) -> None:
        self.c.reader_close(self.handle)
        self.handle = ctypes.c_void_p()

    def next(self, timeout_s: float = LIMIT_S) -> bool:
        code = self.c.reader_next(self.handle, timeout_s)
        assert code in (SVC["OK"], SVC["NONE"])
        return code == SVC["OK"]

    def integer(self, name: str) -> int:
        return self.c.reader_integer(self.handle, SVC[name])

    def number(self, name: str) -> float:
        return self.c.reader_number(self.handle, SVC[name])

    def text(self, name: str) -> str:
        return self.c.reader_text(self.handle, SVC[name]).decode()

    @property
    def maps(self) -> np.ndarray:
        """Mean and deviation, ``(2, latents, rows, cols)``, copied."""
        shape = [self.integer(name) for name in ("LATENTS", "ROWS", "COLS")]
        both = [get(self.handle) for get in (self.c.reader_mean, self.c.reader_std)]
        pointers = [ctypes.cast(each, ctypes.POINTER(ctypes.c_float)) for each in both]
        return np.stack([np.ctypeslib.as_array(each, shape) for each in pointers])

    @property
    def latents(self) -> list[tuple[str, str, int]]:
        return [
            (
                self.c.reader_latent_name(self.handle, latent).decode(),
                self.c.reader_latent_unit(self.handle, latent).decode(),
                self.c.reader_varies(self.handle, latent),
            )
            for latent in range(self.integer("LATENTS"))
        ]

    @property
    def outcomes(self) -> list[int]:
        counters = (ctypes.c_uint64 * 6)()
        assert self.c.reader_outcomes(self.handle, counters) == SVC["OK"]
        return list(counters)

    @property
    def counters(self) -> list[int]:
        counters = (ctypes.c_uint64 * SVC["READER_COUNTERS"])()
        assert self.c.reader_counters(self.handle, counters) == SVC["OK"]
        return list(counters)

    @property
    def error(self) -> str:
        return self.c.reader_error(self.handle).decode()
