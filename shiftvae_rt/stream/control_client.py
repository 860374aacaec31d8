"""Requests to a running service: how it is, what it has, another model, a reader with its own cursor.

::

    with Control("tcp://127.0.0.1:5703") as control:
        print(control.status().report.total)
        for record in control.records("run 7", after=cursor):       # committed results, each exactly once
            with database:                                           # our output and the cursor in ONE transaction
                save(record); database.cursor = record.seq
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import zmq

from ..errors import ServiceError
from .connection import Connection
from .control_messages import (
    Answer,
    Failure,
    Nothing,
    Question,
    Read,
    RecordOf,
    ReportOf,
    Snapshot,
    Status,
    Stop,
    Stopping,
    Streams,
    StreamsOf,
    Swap,
    Swapped,
    decode_answer,
)
from .keys import REFUSED, read_key
from .results import Result, read_result
from .sockets import CONTROL, receive

__all__ = ["Control", "RecordedFrame"]

_Wanted = TypeVar("_Wanted")
_WAIT_S = 0.05


@dataclass(frozen=True)
class RecordedFrame:
    """A frame of a stream in the journal: its result, or why there is none."""

    seq: int
    outcome: str
    result: Result | None = None
    reason: str = ""


class Control:
    """Asks a service; belongs to one thread. Close it, or use it in a ``with``.

    Parameters
    ----------
    endpoint
        The runtime's control, ``tcp://HOST:PORT``.
    key
        Our key file, if the runtime asks for one.
    timeout_s
        Longest wait for an answer; `swap` waits longer.

    Raises
    ------
    ServiceError
        for an endpoint that is not one.
    KeyFileError
        for a key file that is damaged or readable by others.
    """

    def __init__(
        self, endpoint: str = CONTROL, *, key: str | os.PathLike[str] | None = None, timeout_s: float = 3.0
    ) -> None:
        self._endpoint, self._timeout_s = endpoint, timeout_s
        self._connection = Connection(zmq.DEALER, endpoint, high_water_mark=9, key=read_key(key))

    def __enter__(self) -> Control:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave; may be called twice."""
        self._connection.close()

    def status(self) -> ReportOf:
        """How the service is."""
        return _expect(self._ask(Status()), ReportOf)

    def streams(self) -> StreamsOf:
        """The streams in the journal of the service."""
        return _expect(self._ask(Streams()), StreamsOf)

    def snapshot(self, stream: str) -> Result | None:
        """The last whole map of a stream; None if there was none. For a reader that came late: subscribe, then ask."""
        answer = self._ask(Snapshot(stream=stream))
        return answer if isinstance(answer, Result) else None

    def read(self, stream: str, after: int) -> RecordedFrame | Nothing:
        """The first committed frame of a stream after `after`; `Nothing` says whether the stream is ended."""
        answer = self._ask(Read(stream=stream, after=after))
        if isinstance(answer, Result):
            return RecordedFrame(answer.frame_seq, "processed", answer)
        if isinstance(answer, RecordOf):
            return RecordedFrame(answer.seq, answer.outcome, reason=answer.text)
        return _expect(answer, Nothing)

    def records(self, stream: str, after: int = 0) -> Iterator[RecordedFrame]:
        """Every committed frame of a stream after `after`, in order; waits for more until the stream is ended."""
        while True:
            answer = self.read(stream, after)
            if isinstance(answer, RecordedFrame):
                after = answer.seq
                yield answer
            elif answer.ended:
                return
            else:
                time.sleep(_WAIT_S)

    def swap(self, model: str, *, timeout_s: float = 120.0) -> Swapped:
        """Serve with the model called `model` in the service's folder of models, from the next frame on."""
        return _expect(self._ask(Swap(model=model), timeout_s), Swapped)

    def stop(self) -> None:
        """Stop the service in order."""
        _expect(self._ask(Stop()), Stopping)

    def _ask(self, question: Question, timeout_s: float | None = None) -> Answer | Result:
        """One request and its answer.

        Raises
        ------
        ServiceError
            if there is none in time, or it is a refusal.
        """
        deadline = time.monotonic() + (self._timeout_s if timeout_s is None else timeout_s)
        socket = self._connection.socket
        if not socket.poll(int(self._timeout_s * 1e3), zmq.POLLOUT):
            raise self._absent()
        try:
            socket.send(msgspec.json.encode(question), zmq.NOBLOCK)
        except zmq.Again:  # the connection ended just now; without NOBLOCK we would wait for another without a limit
            raise self._absent() from None
        if not socket.poll(int(max(0.0, deadline - time.monotonic()) * 1e3)):
            raise self._absent()
        parts = receive(socket)
        if parts is None or len(parts) == 2:
            return read_result(parts or [])
        answer = decode_answer(parts[0])
        if isinstance(answer, Failure):
            raise ServiceError(f"the service at {self._endpoint} refused ({answer.name}): {answer.text}")
        return answer

    def _absent(self) -> ServiceError:
        """Nobody answered: why. An answer that still comes must not be taken for that to the next request."""
        refused = False
        while (event := self._connection.event()) is not None:
            refused = refused or event == "refused"
        self._connection.renew()
        reason = REFUSED if refused else "nobody answers there: start one with `shiftvae serve MODEL`"
        return ServiceError(f"no service takes requests at {self._endpoint} ({reason})")


def _expect(answer: Any, kind: type[_Wanted]) -> _Wanted:
    if not isinstance(answer, kind):
        raise ServiceError(
            f"expected {kind.__name__} of the service, got {type(answer).__name__}: update one of the two"
        )
    return answer
