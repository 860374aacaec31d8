"""Keeps the results of live streams in the journal. What the journal does not take is counted."""

from __future__ import annotations

import logging
import time

from ...latent_map import LatentMap
from ..journal.journal import Journal
from ..protocol.results import result_message
from ..protocol.wire import Counters, FrameHeader
from ..transport.sparse_log import SparseLog
from .sessions import Session

__all__ = ["Recorder", "recording_name"]

#: What was recorded is on the disk after this long at the latest.
COMMIT_S = 0.5


class Recorder:
    """The recordings of live streams, one for each session of a producer; nothing that the journal does is raised.

    Parameters
    ----------
    journal
        Shared with the lossless mode; used from one thread.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._log = SparseLog(logging.getLogger(__name__))
        self._since_s: float | None = None  # of the first record that is not committed
        self._failed = 0

    @property
    def unrecorded(self) -> int:
        """Results that the journal did not take, or lost before they were on the disk."""
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
                    f"{session.recording!r} has a frame {header.seq} already: a program that starts again and counts "
                    "from 1 has to take a new session"
                )
                return
            self._journal.append(session.recording, header.seq, "processed", *parts)
            if self._since_s is None:
                self._since_s = time.monotonic()
        except Exception as error:  # noqa: BLE001  # whatever the disk or the memory does, the live stream goes on
            session.recording = ""  # opened anew with the next frame
            self._lose(str(error) or type(error).__name__)

    def commit(self) -> None:
        """Put on the disk what has waited long enough."""
        if self._since_s is None or time.monotonic() - self._since_s < COMMIT_S:
            return
        self._since_s = None
        try:
            self._journal.commit_live()
        except Exception as error:  # noqa: BLE001  # as in `keep`
            self._say(str(error) or type(error).__name__)

    def end(self, session: Session) -> None:
        """The producer said that there are no more frames. One that vanished may come back and go on."""
        if not session.recording:
            return
        try:
            self._journal.end(session.recording)
            if self._since_s is None:
                self._since_s = time.monotonic()
        except Exception as error:  # noqa: BLE001  # as in `keep`
            self._say(str(error) or type(error).__name__)

    def _lose(self, reason: str) -> None:
        self._failed += 1
        self._say(reason)

    def _say(self, reason: str) -> None:
        self._log.warn("live results are not recorded: %s", reason)


def recording_name(stream: str, session: str) -> str:
    """Name of a session's recording in the journal; no other pair has the same, since a session holds no ``@``."""
    return f"{stream}@{session}"
