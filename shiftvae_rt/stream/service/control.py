"""Answers requests on the `control` socket: status, streams and records, another model, stop."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import msgspec
import zmq

from ...errors import JournalError, WireError
from ..journal.journal_reader import JournalReader
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
    decode_question,
)
from ..transport.gatekeeper import Gatekeeper
from ..transport.sockets import Socket
from .live_intake import MAX_TEXT
from .model_swap import ModelSwap
from .publisher import Publisher

__all__ = ["RequestHandler"]

_log = logging.getLogger(__name__)
_Parts = tuple[bytes | memoryview, ...]


class RequestHandler:
    """Answers requests one at a time, in the serving thread.

    Parameters
    ----------
    socket
        Bound ROUTER socket; closed by its owner.
    gatekeeper
        Knows the roles of the client that sent a request.
    publisher, journal, swap
        Sources of the answers; `journal` is None for a service without one.
    report, live, stop
        Return the status, return the streams of connected producers, and stop the service.
    """

    def __init__(
        self,
        socket: Socket,
        *,
        gatekeeper: Gatekeeper,
        publisher: Publisher,
        journal: JournalReader | None,
        swap: ModelSwap,
        report: Callable[[], ServiceStatus],
        live: Callable[[], tuple[str, ...]],
        stop: Callable[[], None],
    ) -> None:
        self._socket, self._gatekeeper = socket, gatekeeper
        self._publisher, self._journal, self._swap = publisher, journal, swap
        self._report, self._live, self._stop = report, live, stop
        self.refused = 0

    def answer_one(self) -> bool:
        """Answer the next request, if one waits, and every swap that has finished; False if no request waits."""
        for asker, swapped in self._swap.done():
            self._send(asker, _json(swapped))
        try:
            frames: Any = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return False
        self._gatekeeper.meter.heard(frames)
        peer, parts = frames[0].bytes, frames[1:]
        try:
            if len(parts) != 1:
                raise WireError(f"a request has one part, got {len(parts)}")
            question = decode_question(memoryview(parts[0].buffer))
            if not self._may(question, parts[0]):
                self.refused += 1
                self._send(peer, _json(Failure(name="not_allowed", text="your key lacks the role for this request")))
                return True
            answer: _Parts | None = self._answer(peer, question)
        except WireError as error:
            answer = _json(Failure(name="bad_message", text=str(error)[:MAX_TEXT]))
        except JournalError as error:
            answer = _json(Failure(name="journal_failed", text=str(error)[:MAX_TEXT]))
        if answer is not None:
            self._send(peer, answer)
        return True

    def _may(self, question: Question, frame: Any) -> bool:
        try:
            roles = self._gatekeeper.roles(frame.get("User-Id"))
        except zmq.ZMQError:  # a message without a user name did not pass the gatekeeper
            return False
        return "admin" in roles or ("read" in roles and not isinstance(question, (Swap, Stop)))

    def _answer(self, peer: bytes, question: Question) -> _Parts | None:
        if isinstance(question, Status):
            return _json(self._report())
        if isinstance(question, Snapshot):
            return self._publisher.latest(question.stream) or _json(Nothing(stream=question.stream, ended=False))
        if isinstance(question, Swap):
            refused = self._swap.begin(peer, question.model)
            return None if refused is None else _json(refused)
        if isinstance(question, Stop):
            _log.info("a client requests a stop on the control socket")
            self._stop()
            return _json(Stopping())
        if self._journal is None:
            return _json(Failure(name="no_journal", text="this service keeps no journal: start it with --journal FILE"))
        if isinstance(question, Streams):
            return _json(StreamList(streams=tuple(self._journal.streams()), live=self._live()))
        return self._read(self._journal, question)

    def _read(self, journal: JournalReader, question: Read) -> _Parts:
        state = next(journal.streams(question.stream), None)
        record = journal.read(question.stream, question.after)
        if record is not None and record.outcome == "processed":
            return record.header, record.buffer
        if record is not None:
            text = record.header.decode(errors="replace")
            outcome: Any = record.outcome
            return _json(FrameWithoutMap(stream=question.stream, seq=record.seq, outcome=outcome, text=text))
        if state is None:
            return _json(Failure(name="unknown_stream", text=f"the journal has no stream {question.stream!r}"))
        return _json(Nothing(stream=question.stream, ended=state.ended))

    def _send(self, peer: bytes, parts: _Parts) -> None:
        try:
            self._socket.send_multipart([peer, *parts], zmq.NOBLOCK, copy=False)
        except zmq.ZMQError:  # the client is gone, or does not read its answers
            _log.info("an answer to a request could not be delivered")


def _json(answer: Answer) -> _Parts:
    return (msgspec.json.encode(answer),)
