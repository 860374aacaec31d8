"""Messages other than frames between a producer and the service: one part of JSON each, ``htype`` first.

::

    producer -> service    HELLO   PING END     WANT  ABORT      (and frames, see `wire`)
    service -> producer    WELCOME PONG END_ACK GRANT CREDIT     ACK COMMITTED ERROR GOAWAY

In live mode every frame message is answered by exactly one of CREDIT (rows taken, the frame goes on), ACK (the frame
has its outcome) or ERROR; in lossless mode one COMMITTED answers many. Each answer carries ``credit``, the number of
frame messages that the producer may have sent since its HELLO.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from ...errors import WireError
from ...names import name_fault
from .counters import Counters
from .wire import Count, Text, decode

__all__ = [
    "KEY_REFUSED",
    "MAX_CONTROL_BYTES",
    "PROTOCOL",
    "Abort",
    "Ack",
    "Committed",
    "Credit",
    "End",
    "EndAck",
    "Error",
    "ErrorName",
    "GoAway",
    "Grant",
    "Hello",
    "Mode",
    "Outcome",
    "Ping",
    "Pong",
    "Reply",
    "Request",
    "Want",
    "Welcome",
    "decode_reply",
    "decode_request",
    "encode",
    "other_model_text",
]

PROTOCOL = 3
MAX_CONTROL_BYTES = 4096
#: Explanation for a client whose connection was refused.
KEY_REFUSED = (
    "it refuses our key or requires one: give the key file of a client that it knows, with the role for this; or it is "
    "not a shiftvae service"
)

Nanoseconds: TypeAlias = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]
#: Possible outcomes of a frame. Every frame that is offered gets exactly one.
Outcome: TypeAlias = Literal["processed", "dropped_producer", "dropped_stale", "rejected", "quarantined"]
Mode: TypeAlias = Literal["live", "replay", "lossless"]
ErrorName: TypeAlias = Literal[
    "bad_message",  # a message that does not follow the protocol
    "unknown_session",  # HELLO must come first (the service has restarted, or the connection is new)
    "protocol_mismatch",  # the producer speaks another protocol number
    "stream_busy",  # another live producer has this stream name
    "too_many_streams",
    "bad_frame",  # NaN, wrong shape, dtype or channels, no contrast
    "bad_window",  # smaller than the model's window
    "pixel_size",  # more than 3 % from the model's
    "encoder_failed",  # the model failed on this frame; the frame is quarantined
    "no_journal",  # lossless mode needs `serve --journal`
    "stream_ended",  # lossless: the stream was ended and takes no more frames
    "sequence_gap",  # lossless: frames between the last and this one are missing
    "journal_failed",  # lossless: the disk is full or broken; nothing acknowledged is lost
]


class Hello(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="htype", tag="HELLO"):
    """Opens a session: the first message on a connection. `session` is a random name that is kept over reconnects.

    The names of stream and session are compared byte for byte; `names.name_fault` says which are refused.

    `mode` ``live``: the newest frame wins, stale frames are dropped. ``replay``: the sender waits for outcomes, nothing
    is stale. ``lossless``: every frame is on disk before it is acknowledged; the journal counts, so `first_seq` is not
    used. `clock` names the monotonic clock of the timestamps (see `clock`), or is empty. `first_seq` is the ``seq``
    from which a service that does not know the session counts: one more than that of the last frame that was sent,
    wholly or in part.
    """

    protocol: Count
    mode: Mode
    stream: Name
    session: Name
    first_seq: Annotated[int, Meta(ge=1, le=2**53)]
    clock: Text
    clock_ns: Nanoseconds


class Ping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="htype", tag="PING"):
    """Sent every 0.5 s. The thread that encodes answers it, so an answer shows progress and not only life."""

    clock_ns: Nanoseconds


class End(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="htype", tag="END"):
    """Ends the session: no more frames. `last_seq` is the ``seq`` of the last frame that was offered; 0 if none was."""

    last_seq: Count


class Want(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="htype", tag="WANT"):
    """Rows wait for credit; GRANT answers when it is their turn. `clock_ns`: when the newest of them was offered."""

    clock_ns: Nanoseconds


class Abort(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="htype", tag="ABORT"):
    """Gives up frame `seq`, which was sent in part. Answered by CREDIT."""

    seq: Annotated[int, Meta(ge=1, le=2**53)]


class Welcome(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="htype", tag="WELCOME"):
    """The session is open. `next_seq` is the first ``seq`` that the service has not seen in this session.

    In lossless mode `next_seq` is the first that is not committed, whoever sent the earlier ones, and at most
    `credit_bytes` of frames may be sent and not yet committed. `last_model_sha256` is the model of the last committed
    map; empty if there is none, and in the other modes.
    """

    protocol: Count
    epoch: Text
    credit: Count
    credit_bytes: Count
    next_seq: Count
    max_frame_bytes: Count
    counters: Counters
    model_sha256: Text
    last_model_sha256: Text
    dimensions: Literal[1, 2]
    channels: Count
    window: tuple[Count, Count]


class Pong(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="htype", tag="PONG"):
    """Answers PING, with its `clock_ns`. `received` and `answered` count frame messages since HELLO.

    A message that is being encoded is received and not yet answered, because PING is answered during an encoding too.
    A producer that still waits for the answer to a message that `answered` includes has lost that answer.
    """

    epoch: Text
    credit: Count
    received: Count
    answered: Count
    counters: Counters
    clock_ns: Nanoseconds


class Credit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="htype", tag="CREDIT"):
    """The rows were taken; frame `seq` goes on."""

    credit: Count
    seq: Count


class Grant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="htype", tag="GRANT"):
    """Gives the producer its turn: it may send the newest rows that it has."""

    credit: Count


class Committed(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="htype", tag="COMMITTED"
):
    """Message of the lossless mode: the outcomes of all frames up to `committed` are on disk."""

    credit: Count
    committed: Count
    counters: Counters


class Ack(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="htype", tag="ACK"):
    """Frame `seq` has its outcome; `age_ms` is its age at that moment."""

    credit: Count
    seq: Count
    frame: Count
    outcome: Literal["processed", "dropped_stale"]
    age_ms: Annotated[float, Meta(ge=0)]


class Error(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="htype", tag="ERROR"):
    """A message was refused. With a `seq` it is that frame, and `outcome` says how it was counted."""

    name: ErrorName
    text: str
    credit: Count
    seq: Count | None = None
    outcome: Literal["rejected", "quarantined"] | None = None


class EndAck(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="htype", tag="END_ACK"):
    """The session is closed; these are its final counters."""

    epoch: Text
    counters: Counters


class GoAway(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="htype", tag="GOAWAY"):
    """The service stops; these are the session's final counters."""

    epoch: Text
    text: str
    counters: Counters


Request: TypeAlias = Hello | Ping | End | Want | Abort
Reply: TypeAlias = Welcome | Pong | Grant | Credit | Ack | Committed | Error | EndAck | GoAway

_requests = msgspec.json.Decoder(Request)
_replies = msgspec.json.Decoder(Reply)
_encoder = msgspec.json.Encoder()


def other_model_text(stream: str, last_seq: int, before: str, now: str) -> str:
    """Return the warning of producer and service that a lossless stream continues with another model."""
    return (
        f"stream {stream!r} continues with another model: its maps up to frame {last_seq} are from {before:.16}, "
        f"the next ones from {now:.16}; `shiftvae export` writes a file for each"
    )


def encode(message: Request | Reply) -> bytes:
    """Encode a message as its one part of JSON."""
    return _encoder.encode(message)


def decode_request(part: bytes | memoryview) -> Request:
    """Decode a message from a producer. Raises `WireError` naming the field that is wrong."""
    message: Request = decode(_requests, part, "control message", MAX_CONTROL_BYTES)
    if isinstance(message, Hello):
        fault = name_fault(message.stream) or name_fault(message.session, forbidden="@")
        if fault is not None:
            raise WireError(f"bad name in HELLO: {fault}")
    return message


def decode_reply(part: bytes | memoryview) -> Reply:
    """Decode a message from the service. Raises `WireError` naming the field that is wrong."""
    message: Reply = decode(_replies, part, "control message", MAX_CONTROL_BYTES)
    return message
