"""Requests on the `control` socket and the answers to them: one part of JSON each, ``htype`` first.

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
    """How is it going? Answered by REPORT."""


class Streams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="htype", tag="STREAMS"):
    """What is in the journal? Answered by STREAMS."""


class Snapshot(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="htype", tag="SNAPSHOT"
):
    """The last whole map of a stream. Answered by that result, or NOTHING."""

    stream: Name


class Read(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="htype", tag="READ"):
    """The first committed record after `after` of a stream in the journal. A result, RECORD or NOTHING."""

    stream: Text
    after: Count


class Swap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="htype", tag="SWAP"):
    """Serve with another model of the folder of models, called `model` there. Answered by SWAPPED, when it is done."""

    model: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,128}\.svae\Z")]


class Stop(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="htype", tag="STOP"):
    """Stop in order. Answered by STOPPING."""


class ServiceStatus(msgspec.Struct, frozen=True, kw_only=True, tag_field="htype", tag="REPORT"):
    """`ready` is false while it stops. `busy_s`: how long the encoding in hand has been running."""

    epoch: Text
    ready: bool
    model: Text
    model_sha256: Text
    stride: Count
    uptime_s: float
    busy_s: float
    producers: Count
    readers: Count
    swaps: Count
    rollbacks: Count
    report: Report


class StreamList(msgspec.Struct, frozen=True, kw_only=True, tag_field="htype", tag="STREAMS"):
    """The streams of the journal; `live` are those whose producer is connected."""

    streams: tuple[StreamState, ...]
    live: tuple[str, ...]


class FrameWithoutMap(msgspec.Struct, frozen=True, kw_only=True, tag_field="htype", tag="RECORD"):
    """A frame that gave no map, and why."""

    stream: Text
    seq: Count
    outcome: Literal["rejected", "quarantined"]
    text: str


class Nothing(msgspec.Struct, frozen=True, kw_only=True, tag_field="htype", tag="NOTHING"):
    """There is nothing (yet). `ended`: and nothing will come."""

    stream: Text
    ended: bool


class Swapped(msgspec.Struct, frozen=True, kw_only=True, tag_field="htype", tag="SWAPPED"):
    """From the next frame on the new model serves."""

    model_sha256: Text
    previous_sha256: Text


class Stopping(msgspec.Struct, frozen=True, tag_field="htype", tag="STOPPING"):
    """The service stops."""


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
