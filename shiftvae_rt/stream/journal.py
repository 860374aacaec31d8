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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from ..errors import JournalError
from .journal_lock import JournalLock
from .wire import Counters

__all__ = ["MAX_CRASHES", "Journal", "Record", "StreamState"]

#: Deaths with the same frame in hand after which it is quarantined.
MAX_CRASHES = 3
_VERSION = 1
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


class StreamState(msgspec.Struct, frozen=True, kw_only=True):
    """A stream of the journal. One that is not `ended` is being sent, or was interrupted and can be resumed."""

    name: str
    mode: Literal["lossless", "live"]
    ended: bool
    last_seq: int
    created_ns: int
    counters: Counters


class Record(msgspec.Struct, frozen=True):
    """What became of one frame: for ``processed`` the two parts of its result, else the reason in `header`."""

    seq: int
    outcome: str
    header: bytes
    buffer: bytes


class Journal:
    """Results on disk, each frame of a stream exactly once. Belongs to one thread.

    Parameters
    ----------
    path
        The file; made if it is missing. Beside it lie SQLite's ``-wal`` and ``-shm`` and our ``.hand``.
    read_only
        Only read, which is possible while a service writes.

    Raises
    ------
    JournalError
        if the file cannot be made or read, is damaged, of another version, or another service writes to it.
    """

    def __init__(self, path: str | os.PathLike[str], *, read_only: bool = False) -> None:
        self.path = Path(path)
        self.pending = self.pending_bytes = 0
        self._lost: JournalError | None = None
        self._lock: JournalLock | None = None
        self._ids: dict[str, int] = {}
        self._next: dict[str, int] = {}
        if read_only:
            self._read = self._write = self._guard(self._open_to_read, "cannot open")
            return
        lock = self._lock = JournalLock(self.path)
        try:
            self._write = self._guard(self._open, "cannot open")
            self._read = self._guard(lambda: _connect(self.path, read_only=True), "cannot open")
            self._count_crash()
        except BaseException:
            lock.close()
            raise

    def _open_to_read(self) -> sqlite3.Connection:
        connection = _connect(self.path, read_only=True)
        self._check_version(connection, (_VERSION,))
        return connection

    def _check_version(self, connection: sqlite3.Connection, known: tuple[int, ...]) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in known:
            connection.close()
            raise JournalError(f"{self.path} is a journal of version {version}, this program writes {_VERSION}")

    def _open(self) -> sqlite3.Connection:
        connection = _connect(self.path, read_only=False)
        self._check_version(connection, (0, _VERSION))
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.executescript(_SCHEMA)
        connection.execute(f"PRAGMA user_version={_VERSION}")
        return connection

    def open_stream(self, name: str, mode: Literal["lossless", "live"]) -> StreamState:
        """The stream called `name`, made if it is new; what is committed of it."""

        def add() -> None:
            self._write.execute(
                "INSERT OR IGNORE INTO streams (name, mode, created_ns) VALUES (?, ?, ?)", (name, mode, time.time_ns())
            )

        self._commit()
        self._guard(add, "cannot write to")
        state = next(self.streams(name))
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

    def read(self, name: str, after: int) -> Record | None:
        """The first committed record of the stream after `after`; None if there is none (yet)."""
        row = self._guard(
            lambda: self._read.execute(
                "SELECT seq, outcome, header, buffer FROM records JOIN streams ON stream=id "
                "WHERE name=? AND seq>? ORDER BY seq LIMIT 1",
                (name, after),
            ).fetchone(),
            "cannot read",
        )
        return None if row is None else Record(*row)

    def streams(self, name: str | None = None) -> Iterator[StreamState]:
        """All streams, or the one called `name`, with what is committed of them."""
        yield from self._guard(lambda: list(_states(self._read, name)), "cannot read")

    def close(self) -> None:
        """Commit what is pending and close the files."""
        try:
            self._commit()
        finally:
            self._write.close()
            self._read.close()
            if self._lock is not None:
                self._lock.close()

    @property
    def _hand(self) -> JournalLock:
        if self._lock is None:
            raise RuntimeError("a journal that is only read has nothing in hand")
        return self._lock

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
            return act()
        except (sqlite3.Error, OSError) as error:
            failure = JournalError(f"{what} the journal {self.path}: {error}: nothing acknowledged is lost")
            self._forget_pending(failure)
            raise failure from error

    def _forget_pending(self, failure: JournalError) -> None:
        self._lost = failure
        self.pending = self.pending_bytes = 0
        if not hasattr(self, "_write"):
            return
        try:
            if self._write.in_transaction:
                self._write.execute("ROLLBACK")
            self._next.update({state.name: state.last_seq + 1 for state in _states(self._write, None)})
        except sqlite3.Error:  # the disk is gone: every stream is opened anew before anything is appended
            self._next.clear()


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=5.0, check_same_thread=False)


def _states(connection: sqlite3.Connection, name: str | None) -> Iterator[StreamState]:
    rows = connection.execute(
        "SELECT name, mode, ended, last_seq, created_ns, processed, rejected, quarantined FROM streams "
        "WHERE ?1 IS NULL OR name=?1 ORDER BY id",
        (name,),
    )
    for stream, mode, ended, last_seq, created_ns, processed, rejected, quarantined in rows:
        counts = {"processed": processed, "rejected": rejected, "quarantined": quarantined}
        yield StreamState(
            name=stream,
            mode=mode,
            ended=bool(ended),
            last_seq=last_seq,
            created_ns=created_ns,
            counters=Counters(offered=sum(counts.values()), **counts),
        )
