"""Handles lossless frames: each is encoded once, committed in a group, and acknowledged only after that."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from ...errors import JournalError, WireError
from ...latent_map import LatentMap
from ..journal.journal import MAX_CRASHES, Journal
from ..protocol.clock import monotonic_ns
from ..protocol.counters import Counters
from ..protocol.messages import (
    Committed,
    EndAck,
    Error,
    Hello,
    Outcome,
    Reply,
    other_model_text,
)
from ..protocol.results import result_message
from ..protocol.stream_state import StreamState
from ..protocol.wire import FrameHeader, decode_result_header
from .encoding import FRAME_FAULTS, Encoding, error_name
from .live_intake import MAX_TEXT, Publish, check_source
from .refusals import Refusals
from .sessions import Session

__all__ = ["WINDOW_BYTES", "WINDOW_FRAMES", "LosslessIntake"]

#: Most frames and bytes that one producer may have sent and not yet committed.
WINDOW_FRAMES = 32
WINDOW_BYTES = 256 * 1024 * 1024
#: A group is committed when it has this many frames or bytes, its first frame has waited this long, or nothing waits.
_GROUP_FRAMES = 16
_GROUP_S = 0.02
_GROUP_BYTES = 64 * 1024 * 1024
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Pending:
    """A frame whose record waits for its commit."""

    session: Session
    header: FrameHeader
    outcome: Outcome
    latent_map: LatentMap | None
    age_s: float
    reason: str = ""


class LosslessIntake:
    """Handles frames in the mode ``lossless``.

    Parameters
    ----------
    journal
        Takes the results before a frame is acknowledged.
    encoding, publish
        Encodes the frames, and sends committed results to the readers.
    refusals
        Counts the frames that are committed without a map.
    """

    def __init__(self, journal: Journal, encoding: Encoding, publish: Publish, refusals: Refusals) -> None:
        self._journal, self._encoding, self._publish, self._refusals = journal, encoding, publish, refusals
        self._pending: list[_Pending] = []
        self._since_s = 0.0
        self._counters: dict[str, Counters] = {}

    def open(self, hello: Hello) -> tuple[StreamState, str] | Error:
        """Open the stream that `hello` names: its committed state and the hash of its last map's model, or an error."""
        try:
            state = next(self._journal.reader.streams(hello.stream), None)
            if state is not None and state.mode != "lossless":
                text = f"the journal has {hello.stream!r} as the recording of a live stream: choose another name"
                return Error(name="stream_ended", text=text, credit=0)
            if state is not None and state.ended:
                text = f"stream {hello.stream!r} was ended after {state.last_seq} frames: choose another name"
                return Error(name="stream_ended", text=text, credit=0)
            state = self._journal.open_stream(hello.stream, "lossless")
            last_model = self._last_model(state)
        except JournalError as error:
            return Error(name="journal_failed", text=str(error)[:MAX_TEXT], credit=0)
        self._counters[hello.stream] = state.counters
        return state, last_model

    def _last_model(self, state: StreamState) -> str:
        """Return the hash of the last map's model, empty without a map. Log it if it is not the current one."""
        ours = self._encoding.mapper.model.sha256
        record = self._journal.reader.last_with_map(state.name)
        if record is None:
            return ""
        try:
            theirs = decode_result_header(record.header).model_sha256
        except WireError:  # the reader of that record reports the fault
            return ""
        if theirs != ours:
            _log.warning("%s", other_model_text(state.name, record.seq, theirs, ours))
        return theirs

    def counters(self, stream: str) -> Counters:
        """Return the counts of the committed frames of the stream."""
        return self._counters[stream]

    def frame(self, session: Session, header: FrameHeader, buffer: bytes | memoryview) -> Reply | None:
        """Encode a frame and append its record. Its answer follows with the commit, see `flush`; an error, at once."""
        session.received += 1
        stream, expected = session.hello.stream, session.account.next_seq + self._waiting(session)
        if header.seq < expected:  # it was sent before
            return None if self._waiting(session) else self._committed(session)
        if header.seq > expected:
            text = f"expected frame {expected} of stream {stream!r}, got {header.seq}: send again from {expected}"
            return Error(name="sequence_gap", text=text, credit=session.granted)
        try:
            self._append(session, header, buffer)
        except JournalError:  # the whole group is lost: the next `flush` raises that to all its producers
            self._pending.append(_Pending(session, header, "rejected", None, 0.0))
        return None

    def _append(self, session: Session, header: FrameHeader, buffer: bytes | memoryview) -> None:
        stream = session.hello.stream
        latent_map: LatentMap | None = None
        record: tuple[bytes, bytes | memoryview] | None = None
        outcome: Outcome = "processed"
        reason = ""
        age_s = 0.0
        crashes = self._journal.take_in_hand(stream, header.seq)
        try:
            if crashes >= MAX_CRASHES:
                raise RuntimeError(f"the service died {crashes} times with this frame in hand")
            check_source(session, header)
            if not header.complete or header.roi != (0, 0, *header.frame_shape):
                raise WireError("a lossless stream takes whole frames only: send bands and rectangles in live mode")
            latent_map = self._encoding.encode(session.scan, header, buffer)
            age_s = session.clock.age_s(header.clock_ns, monotonic_ns())
            if latent_map is not None:
                record = result_message(
                    latent_map, header, seq=header.seq, epoch="journal", age_s=age_s, counters=self._counters[stream]
                )
        except FRAME_FAULTS as error:
            outcome, reason = "rejected", f"{error_name(error)}: {error}"
        except Exception as error:  # noqa: BLE001  # no frame may end the service
            self._refusals.defect(error)
            outcome, reason = "quarantined", f"encoder_failed: {str(error) or type(error).__name__}"
        self._journal.put_down()
        if record is None:
            record, latent_map = (reason[:MAX_TEXT].encode(), b""), None
        self._journal.append(stream, header.seq, outcome, *record)
        if not self._pending:
            self._since_s = time.monotonic()
        self._pending.append(_Pending(session, header, outcome, latent_map, age_s, reason))

    @property
    def due(self) -> bool:
        """True if the group must be committed now, although more frames wait."""
        return bool(self._pending) and (
            self._journal.broken
            or len(self._pending) >= _GROUP_FRAMES
            or self._journal.pending_bytes >= _GROUP_BYTES
            or time.monotonic() - self._since_s > _GROUP_S
        )

    def flush(self) -> list[tuple[Session, Reply]]:
        """Commit the pending group; returns one answer for each producer with frames in it."""
        if not self._pending:
            return []
        group, self._pending = self._pending, []
        sessions = {entry.session.peer: entry.session for entry in group}.values()
        try:
            self._journal.commit()
        except JournalError as error:
            _log.error("%s", error)
            return [(session, _failed(error)) for session in sessions]
        for entry in group:
            stream = entry.session.hello.stream
            entry.session.account.begin(entry.header.seq)
            entry.session.account.settle(entry.outcome)
            self._counters[stream] += Counters(**{"offered": 1, entry.outcome: 1})
            if entry.reason:
                self._refusals.add(stream, entry.header.frame, entry.reason)
            if entry.latent_map is not None:
                self._publish(entry.latent_map, entry.header, entry.age_s)
        return [(session, self._committed(session)) for session in sessions]

    def end(self, session: Session, last_seq: int, epoch: str) -> Reply:
        """End the stream after `last_seq`, and return the answer. Call `flush` before, so that nothing is pending."""
        committed = session.account.next_seq - 1
        if last_seq != committed:
            text = f"END names frame {last_seq}, but only frames up to {committed} are committed: send the rest again"
            return Error(name="sequence_gap", text=text, credit=session.granted)
        try:
            self._journal.end(session.hello.stream)
        except JournalError as error:
            return _failed(error)
        return EndAck(epoch=epoch, counters=self._counters[session.hello.stream])

    def _waiting(self, session: Session) -> int:
        return sum(entry.session.account is session.account for entry in self._pending)

    def _committed(self, session: Session) -> Committed:
        session.answered = session.received  # nothing is in hand when a group is committed
        session.granted = session.answered + WINDOW_FRAMES
        return Committed(
            credit=session.granted,
            committed=session.account.next_seq - 1,
            counters=self._counters[session.hello.stream],
        )


def _failed(error: JournalError) -> Error:
    """Return the answer after a failure of the disk: nothing is acknowledged, and the producer must send again."""
    return Error(name="journal_failed", text=str(error)[:MAX_TEXT], credit=0)
