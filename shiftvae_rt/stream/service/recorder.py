"""Records the results of live streams in the journal, and counts those that the journal does not take."""

from __future__ import annotations

import logging
import time

from ...latent_map import LatentMap
from ..journal.journal import Journal
from ..protocol.counters import Counters
from ..protocol.results import result_message
from ..protocol.wire import FrameHeader
from ..transport.sparse_log import SparseLog
from .sessions import Session

__all__ = ["Recorder", "recording_name"]

#: Longest time from a result to its commit, s.
COMMIT_S = 0.5


class Recorder:
    """Records live streams, one recording for each session of a producer. A failure of the journal never raises here.

    Parameters
    ----------
    journal
        Journal that the lossless mode uses too, from the same thread.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._log = SparseLog(logging.getLogger(__name__))
        self._since_s: float | None = None  # time of the first record that is not committed
        self._failed = 0

    @property
    def unrecorded(self) -> int:
        """Number of results that the journal refused, or lost before they were committed."""
        return self._failed + self._journal.lost_live

    def keep(
        self, session: Session, header: FrameHeader, latent_map: LatentMap, *, age_s: float, counters: Counters
    ) -> None:
        """Append the result of a complete frame to the recording of its session."""
        try:
            parts = result_message(latent_map, header, seq=header.seq, epoch="journal", age_s=age_s, counters=counters)
            if not session.recording:
                name = recording_name(session.hello.stream, session.hello.session)
                self._journal.open_stream(name, "live")
                session.recording = name
            if header.seq < self._journal.next_seq(session.recording):
                self._lose(
                    f"{session.recording!r} has a frame {header.seq} already: a program that counts from 1 again must "
                    "use a new session name"
                )
                return
            self._journal.append(session.recording, header.seq, "processed", *parts)
            if self._since_s is None:
                self._since_s = time.monotonic()
        except Exception as error:  # noqa: BLE001  # a failure of disk or memory must not stop the live stream
            session.recording = ""  # the next frame opens it again
            self._lose(str(error) or type(error).__name__)

    def commit(self) -> None:
        """Commit the records if they have waited long enough."""
        if self._since_s is None or time.monotonic() - self._since_s < COMMIT_S:
            return
        self._since_s = None
        try:
            self._journal.commit_live()
        except Exception as error:  # noqa: BLE001  # a failure of the disk must not stop the live stream
            self._say(str(error) or type(error).__name__)

    def end(self, session: Session) -> None:
        """End the recording of a producer that sent END. The recording of one that vanished stays open."""
        if not session.recording:
            return
        try:
            self._journal.end(session.recording)
            if self._since_s is None:
                self._since_s = time.monotonic()
        except Exception as error:  # noqa: BLE001  # a failure of the disk must not stop the live stream
            self._say(str(error) or type(error).__name__)

    def _lose(self, reason: str) -> None:
        self._failed += 1
        self._say(reason)

    def _say(self, reason: str) -> None:
        self._log.warn("live results are not recorded: %s", reason)


def recording_name(stream: str, session: str) -> str:
    """Return the name of a session's recording in the journal; it is unique, because a session name holds no ``@``."""
    return f"{stream}@{session}"
