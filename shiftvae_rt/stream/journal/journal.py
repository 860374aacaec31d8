"""The journal: results on disk that survive the crash of any process and a power cut.

SQLite in WAL mode with ``synchronous=FULL`` lost nothing acknowledged in power cuts, unlike the alternatives: flushed
HDF5, Zarr and Arrow lost everything, ``synchronous=NORMAL`` lost the last records. Results are appended to an open
transaction and can be acknowledged together once `commit` returns. A commit takes about a millisecond, whether it holds
one result or thirty.

The number of the frame that is being encoded is kept in a file of its own. That is not flushed to the disk: it needs to
survive only the death of this process. A frame with which the process died three times is not tried again.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

from ...errors import JournalError
from ..protocol.counters import Counters
from ..protocol.stream_state import StreamState
from .journal_lock import JournalLock, close_to_others
from .journal_reader import (
    VERSION,
    JournalReader,
    connect,
    guarded,
    read_states,
)

__all__ = ["MAX_CRASHES", "Journal"]

#: Number of crashes with the same frame in hand after which that frame is quarantined.
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
#: Counters are kept with the stream, in the same transaction: counting a million records would take seconds.
_COUNT = {
    outcome: f"UPDATE streams SET last_seq=?, {outcome}={outcome}+1 WHERE name=?"  # noqa: S608  # our own three words
    for outcome in ("processed", "rejected", "quarantined")
}
_Value = TypeVar("_Value")
_Mode: TypeAlias = Literal["lossless", "live"]


class Journal:
    """Writes results to disk, each frame of a stream exactly once. Used by one thread.

    Parameters
    ----------
    path
        The file, made if it is missing. Beside it lie ``PATH-wal`` and ``PATH-shm`` of SQLite and our ``PATH.hand``.
        Only their owner may read and write them.

    Attributes
    ----------
    reader
        Reads the committed records.
    pending, pending_bytes
        Number and size of the records that were appended and not yet committed.
    lost_live
        Number of records of live streams that were lost because the disk failed before their commit.

    Raises
    ------
    JournalError
        if the file cannot be made or read, is damaged or of another version, or another service writes to it.
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
        """Open the stream called `name` for appending; its state, pending records included.

        A new stream enters the file with its first record, in the same commit.

        Raises
        ------
        JournalError
            if the file cannot be read, or has a stream of the other mode under this name.
        """
        state = self._guard(lambda: next(read_states(self._write, name), None), "cannot read", exact=False)
        if state is None:
            state = StreamState(
                name=name, mode=mode, ended=False, last_seq=0, created_ns=time.time_ns(), counters=Counters()
            )
        if state.mode != mode:
            raise JournalError(
                f"the journal {self.path} already has a {state.mode} stream {name!r}: choose another name"
            )
        self._modes[name], self._next[name] = mode, state.last_seq + 1
        return state

    def next_seq(self, name: str) -> int:
        """Sequence number of the next record of the stream, pending records included.

        Raises
        ------
        JournalError
            if the stream is not open; after a failure of the disk it must be opened again.
        """
        if name not in self._next:
            raise JournalError(f"stream {name!r} of the journal {self.path} is not open: open it again")
        return self._next[name]

    def take_in_hand(self, name: str, seq: int) -> int:
        """Note that frame `seq` is about to be encoded; returns how often the process crashed with it before."""
        self._guard(lambda: self._hand.write(f"{seq} {name}"), "cannot write beside")
        row = self._guard(
            lambda: self._write.execute("SELECT count FROM crashes WHERE stream=? AND seq=?", (name, seq)).fetchone(),
            "cannot read",
        )
        return 0 if row is None else int(row[0])

    def put_down(self) -> None:
        """Note that the frame in hand was encoded, or failed without a crash."""
        self._guard(lambda: self._hand.write(""), "cannot write beside")

    @property
    def broken(self) -> bool:
        """True if lossless records that were appended since the last `commit` are lost: the next `commit` raises."""
        return self._lost is not None

    def append(self, name: str, seq: int, outcome: str, header: bytes, buffer: bytes | memoryview = b"") -> None:
        """Append a record, which the next `commit` makes durable.

        `seq` must equal `next_seq`, or exceed it in a recorded live stream, where gaps are dropped frames.

        Raises
        ------
        JournalError
            if the disk is full or fails, or the record exists already. All pending records are then discarded, and
            `next_seq` follows the committed ones again.
        """

        def insert() -> None:
            if seq < self.next_seq(name):
                raise JournalError(f"record {seq} of stream {name!r} exists already")
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
        """Make all pending records durable; only then may they be acknowledged.

        Raises
        ------
        JournalError
            if the disk is full or fails, or failed since the last `commit`: some of the records are lost.
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
        """Make pending live records durable; if lossless ones are pending too, all of them wait for `commit`.

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
        """Mark the stream as ended: its producer has no more frames."""

        def mark() -> None:
            self._begin()
            self._write.execute("UPDATE streams SET ended=1 WHERE name=?", (name,))

        self._guard(mark, "cannot write to", exact=False)
        self._ids.pop(name, None)
        self.commit_live()

    def close(self) -> None:
        """Commit the pending records and close the files."""
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
        """Row of the stream in the file, made if it is new; a live stream that is resumed is no longer ended."""
        if name not in self._ids:
            self._write.execute(
                "INSERT INTO streams (name, mode, created_ns) VALUES (?, ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET ended=0",
                (name, self._modes[name], time.time_ns()),
            )
            (self._ids[name],) = self._write.execute("SELECT id FROM streams WHERE name=?", (name,)).fetchone()
        return self._ids[name]

    def _count_crash(self) -> None:
        """Count a crash, if the last process died with a frame in hand."""
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
        """Call `act` and return its result. If it fails, the pending records are discarded.

        `exact`: `act` concerns a lossless record, so that `commit` must raise even if none was pending.
        """
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
        self._ids.clear()  # a new stream did not reach the file
        if not hasattr(self, "_write"):
            return
        try:
            if self._write.in_transaction:
                self._write.execute("ROLLBACK")
            states = {state.name: state.last_seq for state in read_states(self._write)}
            self._next = {name: states.get(name, 0) + 1 for name in self._next}
        except sqlite3.Error:  # the disk failed: every stream must be opened again before a record is appended
            self._next.clear()
