"""Lock that gives a journal a single writer, and that writer's note of the frame it has in hand."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from ...errors import JournalError

__all__ = ["JournalLock", "close_to_others"]

#: Room for a number and the longest name: 64 characters of at most 4 bytes.
_LENGTH = 512
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class JournalLock:
    """The file ``JOURNAL.hand``: locked while a service runs; its text remains after a crash.

    Raises
    ------
    JournalError
        if the file cannot be made, is a link or belongs to another user, or another service holds the lock.
    """

    def __init__(self, journal: Path) -> None:
        path = journal.with_name(journal.name + ".hand")
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | _NO_LINKS, 0o600)
        except OSError as error:
            if path.is_symlink():
                raise JournalError(f"{path} is a link, and the journal does not follow links: remove it") from error
            raise JournalError(
                f"cannot make {path}: {error.strerror}: the journal needs a folder with write permission"
            ) from error
        if not _ours(os.fstat(self._file)):
            os.close(self._file)
            raise JournalError(
                f"{path} must be a plain file of this user without further hard links: remove it, or choose another "
                "journal"
            )
        if not _lock(self._file):
            os.close(self._file)
            raise JournalError(f"another service writes to the journal {journal}: stop it, or choose another file")

    def read(self) -> str:
        """Text that was written last."""
        os.lseek(self._file, 0, os.SEEK_SET)
        return os.read(self._file, _LENGTH).rstrip(b"\0").decode(errors="replace")

    def write(self, text: str) -> None:
        """Replace the text by one write of at most 512 bytes, without flushing it to the disk."""
        os.lseek(self._file, 0, os.SEEK_SET)
        os.write(self._file, text.encode().ljust(_LENGTH, b"\0")[:_LENGTH])

    def close(self) -> None:
        """Release the lock."""
        os.close(self._file)


def _ours(about: os.stat_result) -> bool:
    """True if writing to the file can change no other user's data."""
    owned = not hasattr(os, "geteuid") or about.st_uid == os.geteuid()
    return stat.S_ISREG(about.st_mode) and about.st_nlink == 1 and owned


def close_to_others(path: Path) -> None:
    """Restrict the journal to its owner, and make it if it is missing; SQLite gives its other files the same mode."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        for ending in ("", "-wal", "-shm"):
            file = path.with_name(path.name + ending)
            if file.exists():
                file.chmod(0o600)


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> bool:
        os.lseek(file, 2 * _LENGTH, os.SEEK_SET)  # lock a byte beyond the text, so that the text stays readable
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
