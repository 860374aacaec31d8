"""Client for requests to a running service: status, recorded streams and their records, another model, stop.

::

    with Control("tcp://127.0.0.1:5703") as control:
        print(control.status().report.total)
        for record in control.records("run 7", after=cursor):       # every committed frame, exactly once
            with database:                                           # output and cursor in ONE transaction
                save(record); database.cursor = record.seq
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import zmq

from ...errors import ServiceError
from ..protocol.control_messages import (
    Answer,
    Failure,
    FrameWithoutMap,
    Nothing,
    Question,
    Read,
    ServiceStatus,
    Snapshot,
    Status,
    Stop,
    Stopping,
    StreamList,
    Streams,
    Swap,
    Swapped,
    decode_answer,
)
from ..protocol.messages import KEY_REFUSED
from ..protocol.results import Result, read_result
from ..transport.connection import REFUSED_S, Connection, Event
from ..transport.keys import read_key
from ..transport.sockets import CONTROL, receive

__all__ = ["Control", "RecordedFrame"]

_Wanted = TypeVar("_Wanted")
#: Pause between two READ requests while there is nothing new, s.
_WAIT_S = 0.05
#: Interval at which `waiting` is called, s.
_TELL_S = 5.0


@dataclass(frozen=True)
class RecordedFrame:
    """A frame of a stream in the journal: its result, or why there is none.

    Attributes
    ----------
    seq
        Number of the frame in its stream.
    outcome
        ``"processed"``, ``"rejected"`` or ``"quarantined"``.
    result
        The result of a processed frame, else None.
    reason
        Reason why there is no result; empty for a processed frame.
    """

    seq: int
    outcome: str
    result: Result | None = None
    reason: str = ""


class Control:
    """Sends requests to a service. Used by one thread; close it, or use it in a ``with``.

    There is no limit on the wait for an answer while the connection lives, because a service may be busy with a large
    frame or load a model. A service that ends, or whose process is halted, is noticed within two seconds.

    Parameters
    ----------
    endpoint
        Control endpoint of the service, ``tcp://HOST:PORT``.
    key
        The client's key file, if the service requires one.
    connect_s
        Longest wait for a connection, s.
    waiting
        Called every 5 s during the wait for an answer, with the seconds since the request. Raise in it to give up.

    Raises
    ------
    ServiceError
        for an invalid endpoint.
    KeyFileError
        for a key file that is damaged or readable by other users.
    """

    def __init__(
        self,
        endpoint: str = CONTROL,
        *,
        key: str | os.PathLike[str] | None = None,
        connect_s: float = 3.0,
        waiting: Callable[[float], None] | None = None,
    ) -> None:
        self._endpoint, self._connect_s, self._waiting = endpoint, connect_s, waiting
        self._connection = Connection(zmq.DEALER, endpoint, high_water_mark=9, key=read_key(key))

    def __enter__(self) -> Control:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; may be called twice."""
        self._connection.close()

    def status(self) -> ServiceStatus:
        """Return the state of the service and its figures.

        Raises
        ------
        ServiceError
            as for `swap`.
        """
        return _expect(self._ask(Status()), ServiceStatus)

    def streams(self) -> StreamList:
        """Return the streams in the journal of the service.

        Raises
        ------
        ServiceError
            as for `swap`, or if the service has no journal.
        """
        return _expect(self._ask(Streams()), StreamList)

    def snapshot(self, stream: str) -> Result | None:
        """Return the last whole map of `stream`, None if there is none. To miss nothing, subscribe before this call.

        Raises
        ------
        ServiceError
            as for `swap`.
        """
        answer = self._ask(Snapshot(stream=stream))
        return answer if isinstance(answer, Result) else None

    def read(self, stream: str, after: int) -> RecordedFrame | Nothing:
        """Return the first committed frame of `stream` after number `after`, or `Nothing`, which says if it has ended.

        Raises
        ------
        ServiceError
            as for `swap`, or if the service has no journal.
        """
        answer = self._ask(Read(stream=stream, after=after))
        if isinstance(answer, Result):
            return RecordedFrame(answer.frame_seq, "processed", answer)
        if isinstance(answer, FrameWithoutMap):
            return RecordedFrame(answer.seq, answer.outcome, reason=answer.text)
        return _expect(answer, Nothing)

    def records(self, stream: str, after: int = 0) -> Iterator[RecordedFrame]:
        """Yield each committed frame of `stream` after number `after`, in order; waits for more until the stream ends.

        Raises
        ------
        ServiceError
            as for `read`.
        """
        while True:
            answer = self.read(stream, after)
            if isinstance(answer, RecordedFrame):
                after = answer.seq
                yield answer
            elif answer.ended:
                return
            else:
                time.sleep(_WAIT_S)

    def swap(self, model: str) -> Swapped:
        """Serve with the file `model` in the service's folder of models, from the next frame on.

        Raises
        ------
        ServiceError
            if no service accepts the connection, it ends before the answer, or the service refuses the request.
        """
        return _expect(self._ask(Swap(model=model)), Swapped)

    def stop(self) -> None:
        """Stop the service cleanly: it finishes the frame in hand and commits.

        Raises
        ------
        ServiceError
            as for `swap`.
        """
        _expect(self._ask(Stop()), Stopping)

    def _ask(self, question: Question) -> Answer | Result:
        """Send one request and return its answer.

        Raises
        ------
        ServiceError
            if no service accepts the connection, it ends before the answer, or the service refuses the request.
        """
        try:
            self._send(msgspec.json.encode(question))
            parts = self._answer()
        except BaseException:  # a late answer must not be taken for the answer to the next request
            self._connection.renew()
            raise
        if len(parts) == 2:
            return read_result(parts)
        answer = decode_answer(parts[0])
        if isinstance(answer, Failure):
            raise ServiceError(f"the service at {self._endpoint} refused ({answer.name}): {answer.text}")
        return answer

    def _send(self, request: bytes) -> None:
        """Send `request` as soon as there is a connection."""
        socket, deadline_s = self._connection.socket, time.monotonic() + self._connect_s
        events: set[Event] = set()
        poller = zmq.Poller()
        poller.register(socket, zmq.POLLOUT)
        poller.register(self._connection.monitor, zmq.POLLIN)
        while True:
            while (event := self._connection.event()) is not None:
                events.add(event)
                if event is Event.REFUSED:
                    deadline_s = min(deadline_s, time.monotonic() + REFUSED_S)
            try:
                return socket.send(request, zmq.NOBLOCK)
            except zmq.Again:  # not connected yet, or the connection has just ended
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    raise self._not_let_in(events) from None
                poller.poll(int(left_s * 1e3) + 1)

    def _not_let_in(self, events: set[Event]) -> ServiceError:
        where = f"no service answers requests at {self._endpoint}"
        if Event.REFUSED in events:
            return ServiceError(f"{where} ({KEY_REFUSED})")
        if Event.REACHED in events:
            return ServiceError(
                f"{where} (a process listens there but did not accept us within {self._connect_s:.3g} s: the service "
                "is halted or starved by other work, or this is not a shiftvae service)"
            )
        return ServiceError(f"{where} (nothing listens there: start one with `shiftvae serve MODEL`)")

    def _answer(self) -> list[memoryview]:
        """Wait for the next message while the connection lives, and return its parts."""
        socket, monitor = self._connection.socket, self._connection.monitor
        poller = zmq.Poller()
        poller.register(socket, zmq.POLLIN)
        poller.register(monitor, zmq.POLLIN)
        asked_s = told_s = time.monotonic()
        while True:
            ended = False
            while (event := self._connection.event()) is not None:
                ended = ended or event is Event.ENDED
            parts = receive(socket)
            if parts is not None:
                return parts
            if ended:
                raise ServiceError(
                    f"the connection to the service at {self._endpoint} ended before the answer: the service ended or "
                    "was halted, and may or may not have carried out the request"
                )
            now_s = time.monotonic()
            if now_s - told_s >= _TELL_S:
                told_s = now_s
                if self._waiting is not None:
                    self._waiting(now_s - asked_s)
            poller.poll(int((told_s + _TELL_S - now_s) * 1e3) + 1)


def _expect(answer: Any, kind: type[_Wanted]) -> _Wanted:
    if not isinstance(answer, kind):
        raise ServiceError(
            f"expected {kind.__name__} from the service, got {type(answer).__name__}: update the older side"
        )
    return answer
