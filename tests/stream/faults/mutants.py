"""Ways to get the lossless mode wrong. Each must be caught by `kill_run.py`, or that proves nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import msgspec

from shiftvae_rt.stream.journal.journal import Journal
from shiftvae_rt.stream.producer.contact import Contact
from shiftvae_rt.stream.producer.lossless_link import LosslessLink
from shiftvae_rt.stream.service.lossless_intake import LosslessIntake


def ack_before_commit() -> None:
    """The service acknowledges what it has, and commits now and then."""
    commit = Journal._commit
    calls = 0

    def late(self: Journal) -> None:
        nonlocal calls
        calls += 1
        if calls % 50 == 0:
            commit(self)

    Journal._commit = late


def no_dedupe() -> None:
    """The service gives whatever comes the next number."""
    frame = LosslessIntake.frame

    def blind(self: LosslessIntake, session: Any, header: Any, buffer: Any) -> Any:
        expected = session.account.next_seq + self._waiting(session)
        return frame(self, session, msgspec.structs.replace(header, seq=expected), buffer)

    LosslessIntake.frame = blind
    welcomed = LosslessLink._welcomed

    def resend_all(self: LosslessLink, welcome: Any, now_ns: int) -> None:
        next_seq = welcome.next_seq if self.next_seq is None else self.committed + 1
        welcomed(self, msgspec.structs.replace(welcome, next_seq=next_seq), now_ns)

    LosslessLink._welcomed = resend_all


def liveness_only() -> None:
    """The producer takes a connection that comes back for its session, and any answer for progress."""
    Contact.disconnected = lambda self, now_ns: None
    LosslessLink.check = lambda self, now_ns: None
    hear = LosslessLink.hear

    def deaf(self: LosslessLink, parts: Any, now_ns: int) -> None:
        if b"unknown_session" not in bytes(parts[0]):
            hear(self, parts, now_ns)

    LosslessLink.hear = deaf


def gaps_accepted() -> None:
    """The producer forgets what it sent when a connection ends, and the service does not mind the gap."""
    welcomed = LosslessLink._welcomed

    def careless(self: LosslessLink, welcome: Any, now_ns: int) -> None:
        with self.changed:
            for _ in range(self._ahead):
                self._unacknowledged.popleft()
            self._ahead = 0
        welcomed(self, welcome, now_ns)

    LosslessLink._welcomed = careless
    frame = LosslessIntake.frame

    def tolerant(self: LosslessIntake, session: Any, header: Any, buffer: Any) -> Any:
        expected = session.account.next_seq + self._waiting(session)
        if header.seq > expected:
            session.account._next_seq += header.seq - expected
        return frame(self, session, header, buffer)

    LosslessIntake.frame = tolerant


def cursor_first() -> None:
    """The reader moves its cursor in one transaction and writes its output in the next."""
    sys.modules["__main__"].ONE_TRANSACTION = False


MUTANTS: dict[str, Callable[[], None]] = {
    mutant.__name__: mutant for mutant in (ack_before_commit, no_dedupe, liveness_only, gaps_accepted, cursor_first)
}
