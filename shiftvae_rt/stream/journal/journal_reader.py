"""Reads the committed streams and records of a journal, also while a service writes to it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from ...errors import JournalError
from ..protocol.counters import Counters
from ..protocol.stream_state import StreamState

__all__ = ["VERSION", "JournalReader", "Record", "connect", "guarded", "read_states"]

#: Version of the tables and of the results in them.
VERSION = 2
_Value = TypeVar("_Value")


class Record(msgspec.Struct, frozen=True):
    """A frame of a stream and its outcome.

    Attributes
    ----------
    seq
        Number of the frame in its stream.
    outcome
        ``"processed"``, ``"rejected"`` or ``"quarantined"``.
    header, buffer
        The two parts of the result of a processed frame. For other frames `header` is the reason, `buffer` empty.
    """

    seq: int
    outcome: str
    header: bytes
    buffer: bytes


class JournalReader:
    """The committed records of a journal. Used by one thread; close it.

    Parameters
    ----------
    path
        File of the journal.

    Raises
    ------
    JournalError
        if the file cannot be read, is damaged, or of another version.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._connection = guarded(
            self.path, lambda: connect(self.path, read_only=True, versions=(VERSION,)), "cannot open"
        )

    def read(self, name: str, after: int) -> Record | None:
        """Return the first committed record of the stream `name` after number `after`; None if there is none (yet).

        Raises
        ------
        JournalError
            if the file cannot be read.
        """
        row = guarded(
            self.path,
            lambda: self._connection.execute(
                "SELECT seq, outcome, header, buffer FROM records JOIN streams ON stream=id "
                "WHERE name=? AND seq>? ORDER BY seq LIMIT 1",
                (name, after),
            ).fetchone(),
            "cannot read",
        )
        return None if row is None else Record(*row)

    def streams(self, name: str | None = None) -> Iterator[StreamState]:
        """Yield the committed state of all streams, or of the one called `name`.

        Raises
        ------
        JournalError
            if the file cannot be read.
        """
        yield from guarded(self.path, lambda: list(read_states(self._connection, name)), "cannot read")

    def headers(self, name: str) -> Iterator[Record]:
        """Yield the committed records of the stream `name` in order, without their buffers.

        Raises
        ------
        JournalError
            if the file cannot be read.
        """
        after = 0
        while rows := self._headers(name, after):
            yield from (Record(*row, b"") for row in rows)
            after = rows[-1][0]

    def _headers(self, name: str, after: int) -> list[tuple[int, str, bytes]]:
        return guarded(
            self.path,
            lambda: self._connection.execute(
                "SELECT seq, outcome, header FROM records JOIN streams ON stream=id WHERE name=? AND seq>? "
                "ORDER BY seq LIMIT 1000",
                (name, after),
            ).fetchall(),
            "cannot read",
        )

    def last_with_map(self, name: str) -> Record | None:
        """Return the last committed record of the stream `name` that holds a map; None if there is none.

        Raises
        ------
        JournalError
            if the file cannot be read.
        """
        row = guarded(
            self.path,
            lambda: self._connection.execute(
                "SELECT seq, outcome, header, buffer FROM records JOIN streams ON stream=id "
                "WHERE name=? AND outcome='processed' ORDER BY seq DESC LIMIT 1",
                (name,),
            ).fetchone(),
            "cannot read",
        )
        return None if row is None else Record(*row)

    def without_map(self, name: str) -> Iterator[Record]:
        """Return the committed records of the stream `name` that were rejected or quarantined, in order.

        Raises
        ------
        JournalError
            if the file cannot be read.
        """
        rows = guarded(
            self.path,
            lambda: self._connection.execute(
                "SELECT seq, outcome, header, buffer FROM records JOIN streams ON stream=id "
                "WHERE name=? AND outcome<>'processed' ORDER BY seq",
                (name,),
            ).fetchall(),
            "cannot read",
        )
        return (Record(*row) for row in rows)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def connect(path: Path, *, read_only: bool, versions: tuple[int, ...]) -> sqlite3.Connection:
    """Connect to a journal of one of the `versions`; version 0 is a new file."""
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=5.0, check_same_thread=False)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in versions:
        connection.close()
        raise JournalError(
            f"{path} is a journal of version {version}, but this program reads and writes version {VERSION}"
        )
    return connection


def guarded(path: Path, act: Callable[[], _Value], what: str) -> _Value:
    """Call `act` and return its result; a failure of disk or database is a `JournalError` that begins with `what`."""
    try:
        return act()
    except JournalError:
        raise
    except (sqlite3.Error, OSError, MemoryError) as error:
        damaged = any(words in str(error) for words in ("malformed", "not a database"))
        advice = "restore it from a copy, or choose another file" if damaged else "nothing acknowledged is lost"
        raise JournalError(f"{what} the journal {path}: {str(error) or type(error).__name__}: {advice}") from error


def read_states(connection: sqlite3.Connection, name: str | None = None) -> Iterator[StreamState]:
    """State of all streams that `connection` sees, or of the one called `name`."""
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
