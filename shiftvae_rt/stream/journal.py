"""The journal of the lossless mode: results that survive a crash of anything and a power cut. No sockets here.

SQLite in WAL mode with ``synchronous=FULL``: of the stores that were tried, the only one that lost nothing
acknowledged when the power went (flushed HDF5, Zarr and Arrow lost all of it, ``synchronous=NORMAL`` lost a tail).
Results are appended to an open transaction and become acknowledged together, when `commit` returns: one commit takes
about a millisecond, whether it holds one result or thirty.

Which frame is being encoded is written to a file of its own, without waiting for the disk: it has to survive the death
of this process only. A frame that was in hand at three deaths is not tried again.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

from ..errors import JournalError
from .journal_lock import JournalLock
from .journal_reader import VERSION, JournalReader, StreamState, connect, guarded, read_states

__all__ = ["MAX_CRASHES", "Journal"]

#: Deaths with the same frame in hand after which it is quarantined.
MAX_CRASHES = 3
_SCHEMA = """
CREATE TABLE IF NOT EXISTS streams (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, mode TEXT NOT NULL, created_ns INTEGER NOT NULL,
    ended INTEGER NOT NULL DEFAULT 0, last_seq INTEGER NOT NULL DEFAULT 0, processed INTEGER NOT NULL DEFAULT 0,
    rejected INTEGER NOT NULL DEFAULT 0, quarantined INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS records (
    stream INTEGER NOT NULL REFERENCES streams, seq INTEGER NOT NULL, outcome TEXT NOT NULL,
    header BLOB NOT NULL, buffer BLOB NOT NULL, UNIQUE (stream, seq));
CREATE TABLE IF NOT EXISTS crashes (
    stream TEXT NOT NULL, seq INTEGER NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (stream, seq));
"""
#: The counters of a stream grow in the same transaction: counting a million records takes seconds.
_COUNT = {
    outcome: f"UPDATE streams SET last_seq=?, {outcome}={outcome}+1 WHERE name=?"  # noqa: S608  # our own three words
    for outcome in ("processed", "rejected", "quarantined")
}
_Value = TypeVar("_Value")


class Journal:
    """Results on disk, each frame of a stream exactly once. Belongs to one thread.

    Parameters
    ----------
    path
        The file; made if it is missing. Beside it lie SQLite's ``-wal`` and ``-shm`` and our ``.hand``.

    Attributes
    ----------
    reader
        Reads what is committed.

    Raises
    ------
    JournalError
        if the file cannot be made or read, is damaged, of another version, or another service writes to it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.pending = self.pending_bytes = 0
        self._lost: JournalError | None = None
        self._ids: dict[str, int] = {}
        self._next: dict[str, int] = {}
        self._hand = JournalLock(self.path)
        try:
            self._write = self._guard(self._open, "cannot open")
            self.reader = JournalReader(self.path)
            self._count_crash()
        except BaseException:
            self._hand.close()
            raise

    def _open(self) -> sqlite3.Connection:
        connection = connect(self.path, read_only=False, versions=(0, VERSION))
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.executescript(_SCHEMA)
        connection.execute(f"PRAGMA user_version={VERSION}")
        return connection

    def open_stream(self, name: str, mode: Literal["lossless", "live"]) -> StreamState:
        """The stream called `name`, made if it is new; what is committed of it."""

        def add() -> None:
            self._write.execute(
                "INSERT OR IGNORE INTO streams (name, mode, created_ns) VALUES (?, ?, ?)", (name, mode, time.time_ns())
            )

        self._commit()
        self._guard(add, "cannot write to")
        state = next(self.reader.streams(name))
        self._next[name] = state.last_seq + 1
        return state

    def next_seq(self, name: str) -> int:
        """The sequence number that the next record of the stream will have; what is pending counts."""
        return self._next[name]

    def take_in_hand(self, name: str, seq: int) -> int:
        """Note that frame `seq` is about to be encoded; how often we died over it before."""
        self._guard(lambda: self._hand.write(f"{seq} {name}"), "cannot write beside")
        row = self._guard(
            lambda: self._write.execute("SELECT count FROM crashes WHERE stream=? AND seq=?", (name, seq)).fetchone(),
            "cannot read",
        )
        return 0 if row is None else int(row[0])

    def put_down(self) -> None:
        """The frame in hand was encoded, or failed without killing us."""
        self._guard(lambda: self._hand.write(""), "cannot write beside")

    @property
    def broken(self) -> bool:
        """True when records that were appended since the last `commit` are lost: the next one will say so."""
        return self._lost is not None

    def append(self, name: str, seq: int, outcome: str, header: bytes, buffer: bytes | memoryview = b"") -> None:
        """Add a record to those that the next `commit` makes durable.

        `seq` must be that of `next_seq`, or above it for a recorded live stream, where gaps are dropped frames.

        Raises
        ------
        JournalError
            if the disk is full or fails: nothing that was pending is kept, and `next_seq` is that of the disk again.
        """

        def insert() -> None:
            if not self._write.in_transaction:
                self._write.execute("BEGIN IMMEDIATE")
            self._write.execute(
                "INSERT INTO records VALUES (?, ?, ?, ?, ?)", (self._id(name), seq, outcome, header, buffer)
            )
            self._write.execute(_COUNT[outcome], (seq, name))

        if seq < self._next[name]:
            raise RuntimeError(f"record {seq} of {name!r} is there already")  # a defect of the service
        self._guard(insert, "cannot write to")
        self._next[name] = seq + 1
        self.pending += 1
        self.pending_bytes += len(header) + memoryview(buffer).nbytes

    def commit(self) -> None:
        """Make all records durable that were appended since the last `commit`; only then may they be acknowledged.

        Raises
        ------
        JournalError
            if the disk is full or fails, or failed since the last `commit`: some of those records are lost.
        """
        lost, self._lost = self._lost, None
        if lost is not None:
            self._forget_pending(lost)
            self._lost = None
            raise lost
        try:
            self._commit()
        finally:
            self._lost = None

    def _commit(self) -> None:
        if self._write.in_transaction:
            self._guard(lambda: self._write.execute("COMMIT"), "cannot write to")
        self.pending = self.pending_bytes = 0

    def end(self, name: str) -> None:
        """The producer said that there are no more frames."""
        self._commit()
        self._guard(lambda: self._write.execute("UPDATE streams SET ended=1 WHERE name=?", (name,)), "cannot write to")

    def close(self) -> None:
        """Commit what is pending and close the files."""
        try:
            self._commit()
        finally:
            self._write.close()
            self.reader.close()
            self._hand.close()

    def _id(self, name: str) -> int:
        if name not in self._ids:
            (self._ids[name],) = self._write.execute("SELECT id FROM streams WHERE name=?", (name,)).fetchone()
        return self._ids[name]

    def _count_crash(self) -> None:
        """If we died with a frame in hand, remember it."""
        seq, _, name = self._hand.read().partition(" ")
        if seq.isdecimal():
            self._guard(
                lambda: self._write.execute(
                    "INSERT INTO crashes VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1", (name, int(seq))
                ),
                "cannot write to",
            )
        self._hand.write("")

    def _guard(self, act: Callable[[], _Value], what: str) -> _Value:
        try:
            return guarded(self.path, act, what)
        except JournalError as failure:
            self._forget_pending(failure)
            raise

    def _forget_pending(self, failure: JournalError) -> None:
        self._lost = failure
        self.pending = self.pending_bytes = 0
        if not hasattr(self, "_write"):
            return
        try:
            if self._write.in_transaction:
                self._write.execute("ROLLBACK")
            self._next.update({state.name: state.last_seq + 1 for state in read_states(self._write)})
        except sqlite3.Error:  # the disk is gone: every stream is opened anew before anything is appended
            self._next.clear()
