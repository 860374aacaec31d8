"""The journal of the lossless mode: results that survive a crash of anything and a power cut.

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
from typing import Literal, TypeAlias, TypeVar

from ...errors import JournalError
from ..protocol.stream_state import StreamState
from ..protocol.wire import Counters
from .journal_lock import JournalLock, close_to_others
from .journal_reader import (
    VERSION,
    JournalReader,
    connect,
    guarded,
    read_states,
)

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
_Mode: TypeAlias = Literal["lossless", "live"]


class Journal:
    """Results on disk, each frame of a stream exactly once. Belongs to one thread.

    Parameters
    ----------
    path
        The file; made if it is missing. Beside it lie SQLite's ``-wal`` and ``-shm`` and our ``.hand``. Only their
        owner may read and write them.

    Attributes
    ----------
    reader
        Reads what is committed.
    lost_live
        Records of live streams that were appended and then lost, because the disk failed before their commit.

    Raises
    ------
    JournalError
        if the file cannot be made or read, is damaged, of another version, or another service writes to it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.pending = self.pending_bytes = self.lost_live = self._pending_live = 0
        self._lost: JournalError | None = None
        self._modes: dict[str, _Mode] = {}
        self._ids: dict[str, int] = {}
        self._next: dict[str, int] = {}
        self._hand = JournalLock(self.path)
        try:
            self._guard(lambda: close_to_others(self.path), "cannot open")
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

    def open_stream(self, name: str, mode: _Mode) -> StreamState:
        """What there is of the stream called `name`, to which records will be appended; what is pending counts.

        A stream that is new comes into the file with its first record, in the same commit.

        Raises
        ------
        JournalError
            if the file cannot be read, or has a stream of the other mode with this name.
        """
        state = self._guard(lambda: next(read_states(self._write, name), None), "cannot read", exact=False)
        if state is None:
            state = StreamState(
                name=name, mode=mode, ended=False, last_seq=0, created_ns=time.time_ns(), counters=Counters()
            )
        if state.mode != mode:
            raise JournalError(
                f"the journal {self.path} has a {state.mode} stream {name!r} already: choose another name"
            )
        self._modes[name], self._next[name] = mode, state.last_seq + 1
        return state

    def next_seq(self, name: str) -> int:
        """The sequence number that the next record of the stream will have; what is pending counts.

        Raises
        ------
        JournalError
            if the stream has to be opened first, again after the disk was gone.
        """
        if name not in self._next:
            raise JournalError(f"stream {name!r} of the journal {self.path} is not open: the disk was gone")
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
        """True when lossless records that were appended since the last `commit` are lost: the next one will say so."""
        return self._lost is not None

    def append(self, name: str, seq: int, outcome: str, header: bytes, buffer: bytes | memoryview = b"") -> None:
        """Add a record to those that the next `commit` makes durable.

        `seq` must be that of `next_seq`, or above it for a recorded live stream, where gaps are dropped frames.

        Raises
        ------
        JournalError
            if the disk is full or fails, or the record is there already: nothing that was pending is kept, and
            `next_seq` is that of the disk again.
        """

        def insert() -> None:
            if seq < self.next_seq(name):
                raise JournalError(f"record {seq} of {name!r} is there already")
            self._begin()
            self._write.execute(
                "INSERT INTO records VALUES (?, ?, ?, ?, ?)", (self._id(name), seq, outcome, header, buffer)
            )
            self._write.execute(_COUNT[outcome], (seq, name))

        self._guard(insert, "cannot write to", exact=self._modes.get(name) != "live")
        self._next[name] = seq + 1
        self.pending += 1
        self._pending_live += self._modes[name] == "live"
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

    def commit_live(self) -> None:
        """Make live records durable; together with lossless ones they wait for `commit`.

        Raises
        ------
        JournalError
            if the disk is full or fails.
        """
        if self.pending == self._pending_live:
            self._commit()

    def _commit(self) -> None:
        if self._write.in_transaction:
            self._guard(lambda: self._write.execute("COMMIT"), "cannot write to", exact=False)
        self.pending = self.pending_bytes = self._pending_live = 0

    def end(self, name: str) -> None:
        """The producer said that there are no more frames."""

        def mark() -> None:
            self._begin()
            self._write.execute("UPDATE streams SET ended=1 WHERE name=?", (name,))

        self._guard(mark, "cannot write to", exact=False)
        self._ids.pop(name, None)
        self.commit_live()

    def close(self) -> None:
        """Commit what is pending and close the files."""
        try:
            self._commit()
        finally:
            self._write.close()
            self.reader.close()
            self._hand.close()

    def _begin(self) -> None:
        if not self._write.in_transaction:
            self._write.execute("BEGIN IMMEDIATE")

    def _id(self, name: str) -> int:
        """The stream's row in the file, made if it is new; a live stream that goes on is no longer ended."""
        if name not in self._ids:
            self._write.execute(
                "INSERT INTO streams (name, mode, created_ns) VALUES (?, ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET ended=0",
                (name, self._modes[name], time.time_ns()),
            )
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

    def _guard(self, act: Callable[[], _Value], what: str, *, exact: bool = True) -> _Value:
        """What `act` gives. If it fails, what is pending is lost. `exact`: so is a lossless record, pending or not."""
        try:
            return guarded(self.path, act, what)
        except JournalError as failure:
            self._forget_pending(failure, exact=exact)
            raise

    def _forget_pending(self, failure: JournalError, *, exact: bool = True) -> None:
        if exact or self.pending > self._pending_live:
            self._lost = failure
        self.lost_live += self._pending_live
        self.pending = self.pending_bytes = self._pending_live = 0
        self._ids.clear()  # a stream that was new is not in the file
        if not hasattr(self, "_write"):
            return
        try:
            if self._write.in_transaction:
                self._write.execute("ROLLBACK")
            states = {state.name: state.last_seq for state in read_states(self._write)}
            self._next = {name: states.get(name, 0) + 1 for name in self._next}
        except sqlite3.Error:  # the disk is gone: every stream is opened anew before anything is appended
            self._next.clear()
