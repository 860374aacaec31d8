"""Requests on the `control` socket and their answers: one part of JSON each, ``htype`` first.

::

    client -> service    STATUS STREAMS SNAPSHOT READ SWAP STOP
    service -> client    REPORT STREAMS RECORD NOTHING SWAPPED STOPPING ERROR, or a result (two parts, see `results`)
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from .messages import MAX_CONTROL_BYTES, Name
from .report import Report
from .stream_state import StreamState
from .wire import Count, Text, decode

__all__ = [
    "Answer",
    "Failure",
    "FrameWithoutMap",
    "Nothing",
    "Question",
    "Read",
    "ServiceStatus",
    "Snapshot",
    "Status",
    "Stop",
    "Stopping",
    "StreamList",
    "Streams",
    "Swap",
    "Swapped",
    "decode_answer",
    "decode_question",
]

_MAX_ANSWER_BYTES = 4 * 1024 * 1024


class Status(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="htype", tag="STATUS"):
    """Asks for the state and the figures of the service. Answered by REPORT."""


class Streams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="htype", tag="STREAMS"):
    """Asks for the streams in the journal. Answered by STREAMS."""


class Snapshot(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="htype", tag="SNAPSHOT"
):
    """Asks for the last whole map of a stream. Answered by that result, or NOTHING."""

    stream: Name


class Read(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="htype", tag="READ"):
    """Asks for the first committed record of a stream after `after`. Answered by a result, RECORD or NOTHING."""

    stream: Text
    after: Count


class Swap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="htype", tag="SWAP"):
    """Replaces the model by the file called `model` in the folder of models. Answered by SWAPPED once it is ready."""

    model: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,128}\.svae\Z")]


class Stop(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="htype", tag="STOP"):
    """Stops the service cleanly. Answered by STOPPING."""


class ServiceStatus(msgspec.Struct, frozen=True, kw_only=True, tag_field="htype", tag="REPORT"):
    """State of a running service. `ready` is false while it stops; `busy_s` is the run time of the current encoding.

    `models` are the files that SWAP accepts: those in the service's folder of models, at most 256 of them.
    """

    epoch: Text
    ready: bool
    model: Text
    model_sha256: Text
    models: tuple[Text, ...]
    stride: Count
    uptime_s: float
    busy_s: float
    producers: Count
    readers: Count
    swaps: Count
    rollbacks: Count
    report: Report


class StreamList(msgspec.Struct, frozen=True, kw_only=True, tag_field="htype", tag="STREAMS"):
    """The streams of the journal, and in `live` the names of all streams whose producer is connected."""

    streams: tuple[StreamState, ...]
    live: tuple[str, ...]


class FrameWithoutMap(msgspec.Struct, frozen=True, kw_only=True, tag_field="htype", tag="RECORD"):
    """A frame of the journal that gave no map; `text` is the reason."""

    stream: Text
    seq: Count
    outcome: Literal["rejected", "quarantined"]
    text: str


class Nothing(msgspec.Struct, frozen=True, kw_only=True, tag_field="htype", tag="NOTHING"):
    """There is no such record or map yet; `ended`: and there will be none."""

    stream: Text
    ended: bool


class Swapped(msgspec.Struct, frozen=True, kw_only=True, tag_field="htype", tag="SWAPPED"):
    """The new model is ready and serves from the next frame on."""

    model_sha256: Text
    previous_sha256: Text


class Stopping(msgspec.Struct, frozen=True, tag_field="htype", tag="STOPPING"):
    """The service is stopping."""


class Failure(msgspec.Struct, frozen=True, kw_only=True, tag_field="htype", tag="ERROR"):
    """The request was refused, and nothing changed."""

    name: Literal[
        "bad_message", "not_allowed", "no_journal", "unknown_stream", "journal_failed", "model_refused", "busy"
    ]
    text: str


Question: TypeAlias = Status | Streams | Snapshot | Read | Swap | Stop
Answer: TypeAlias = ServiceStatus | StreamList | FrameWithoutMap | Nothing | Swapped | Stopping | Failure

_questions = msgspec.json.Decoder(Question)
_answers = msgspec.json.Decoder(Answer)


def decode_question(part: bytes | memoryview) -> Question:
    """Read a request. Raises `WireError` naming the field that is wrong."""
    question: Question = decode(_questions, part, "request", MAX_CONTROL_BYTES)
    return question


def decode_answer(part: bytes | memoryview) -> Answer:
    """Read an answer. Raises `WireError` naming the field that is wrong."""
    answer: Answer = decode(_answers, part, "answer", _MAX_ANSWER_BYTES)
    return answer
