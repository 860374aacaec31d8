"""Handles live frames: each message is encoded, dropped as stale or refused, and gets exactly one answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from ...errors import WireError
from ...latent_map import LatentMap
from ..protocol.clock import monotonic_ns
from ..protocol.messages import Ack, Credit, Error, Reply
from ..protocol.wire import FrameHeader
from .accounting import Ledger
from .encoding import FRAME_FAULTS, Encoding, error_name
from .floor import Floor
from .recorder import Recorder
from .sessions import Session

__all__ = ["MAX_TEXT", "LiveIntake", "Publish"]

#: Sends a latent map to the readers; the arguments are the map, the header of its frame message, and its age in s.
Publish = Callable[[LatentMap, FrameHeader, float], None]
#: Longest text of a reason that is sent to a client, characters.
MAX_TEXT = 1000


class LiveIntake:
    """Handles frames in the modes ``live`` and ``replay``.

    Parameters
    ----------
    encoding, floor, publish
        Encodes the frames, grants the turns, and sends results to the readers.
    ledger
        Counts the outcomes.
    max_age_s
        Live rows older than this are dropped as stale.
    record
        Keeps the results of complete frames; None: they are not recorded.
    """

    def __init__(
        self,
        encoding: Encoding,
        floor: Floor,
        publish: Publish,
        *,
        ledger: Ledger,
        max_age_s: float,
        record: Recorder | None = None,
    ) -> None:
        self._encoding, self._floor, self._publish, self._ledger = encoding, floor, publish, ledger
        self._max_age_s = max_age_s
        self._record = record

    def frame(self, session: Session, header: FrameHeader, buffer: bytes | memoryview) -> Reply:
        """Count the rows of a message, encode them, publish the map rows that they complete, and return the answer."""
        now_ns = monotonic_ns()
        session.received += 1
        self._floor.sent(session, now_ns)
        if not session.account.begin(header.seq):  # more rows of a frame that has its outcome already
            return Credit(credit=self._credit(session), seq=header.seq)
        age_s = session.clock.age_s(header.clock_ns, now_ns)
        if session.hello.mode == "live" and age_s > self._max_age_s:
            return self._settle(session, header, "dropped_stale")
        try:
            check_source(session, header)
            latent_map = self._encoding.encode(session.scan, header, buffer)
        except FRAME_FAULTS as error:
            return self._refuse(session, header, error)
        except Exception as error:  # noqa: BLE001  # whatever a frame does to the model, the service lives on
            self._ledger.refusals.defect(error)
            return self._refuse(session, header, error)
        if not header.complete:
            reply: Reply = Credit(credit=self._credit(session), seq=header.seq)
        else:
            reply = self._settle(session, header, "processed")
        if latent_map is not None:
            age_s = session.clock.age_s(header.clock_ns, monotonic_ns())
            self._publish(latent_map, header, age_s)
            if header.complete and self._record is not None:
                counters = self._ledger.stream(session.hello.stream)
                self._record.keep(session, header, latent_map, age_s=age_s, counters=counters)
        return reply

    def ended(self, session: Session) -> None:
        """End the recording of a producer that sent END."""
        if self._record is not None:
            self._record.end(session)

    def commit(self) -> None:
        """Commit what was recorded, if it has waited long enough."""
        if self._record is not None:
            self._record.commit()

    @property
    def unrecorded(self) -> int:
        """Number of results that should have been recorded and were not."""
        return 0 if self._record is None else self._record.unrecorded

    def _credit(self, session: Session) -> int:
        """Return the credit of an answer to `session`: frame messages that it may have sent since HELLO."""
        self._floor.answered(session, monotonic_ns())
        return session.granted

    def _settle(self, session: Session, header: FrameHeader, outcome: Literal["processed", "dropped_stale"]) -> Ack:
        session.account.settle(outcome)
        session.scan.drop()
        age_ms = session.clock.age_s(header.clock_ns, monotonic_ns()) * 1e3
        return Ack(credit=self._credit(session), seq=header.seq, frame=header.frame, outcome=outcome, age_ms=age_ms)

    def _refuse(self, session: Session, header: FrameHeader, error: Exception) -> Error:
        name = error_name(error)
        outcome: Literal["rejected", "quarantined"] = "quarantined" if name == "encoder_failed" else "rejected"
        session.account.settle(outcome)
        session.scan.drop()
        text = str(error) or type(error).__name__
        self._ledger.refusals.add(session.hello.stream, header.frame, f"{name}: {text}")
        return Error(name=name, text=text[:MAX_TEXT], credit=self._credit(session), seq=header.seq, outcome=outcome)


def check_source(session: Session, header: FrameHeader) -> None:
    """Raise `WireError` for a frame of another stream than that of the HELLO, or an unprintable name of its channel."""
    if header.source != session.hello.stream:
        raise WireError(f"source must be the stream {session.hello.stream!r} of the HELLO, got {header.source!r}")
    if not header.name.isprintable():
        raise WireError(f"name must be made of printable characters, got {header.name!a}")
