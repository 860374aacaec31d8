"""Files with a secret: only their owner may read them; they are refused if others can own, read or replace them."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from .errors import KeyFileError

__all__ = ["check_folder", "check_mode", "write_new"]


def write_new(path: Path, content: bytes, mode: int) -> None:
    """Create the file `path`, which must not exist, with `mode` from the start.

    Raises
    ------
    KeyFileError
        if it exists, or cannot be written.
    """
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
    except FileExistsError:
        raise KeyFileError(f"{path} exists and is not replaced: remove it if it is not needed") from None
    except OSError as error:
        raise KeyFileError(f"cannot write {path}: {error.strerror}") from error


def check_mode(path: Path, *, write_only: bool = False) -> None:
    """Refuse a file that others may read (a secret) or, with `write_only`, write to (a list of who is trusted).

    Raises
    ------
    KeyFileError
        if they may, or the file is missing.
    """
    _check(path, 0o022 if write_only else 0o077, fit_mode=0o600)


def check_folder(path: Path) -> None:
    """Refuse a folder in which others may replace files, because they own it or may write to it.

    Raises
    ------
    KeyFileError
        if they may, or the folder is missing.
    """
    _check(path, 0o022, fit_mode=0o700)


def _check(path: Path, forbidden: int, *, fit_mode: int) -> None:
    if sys.platform == "win32":  # access lists, not modes: the folder's own apply
        return
    try:
        about = path.stat()
    except OSError as error:
        raise KeyFileError(f"cannot read {path}: {error.strerror}: make it with `shiftvae keys`") from error
    if about.st_uid not in (os.geteuid(), 0):
        raise KeyFileError(f"{path} belongs to user {about.st_uid}, expected {os.geteuid()}: run chown on it")
    mode = stat.S_IMODE(about.st_mode)
    if mode & forbidden:
        raise KeyFileError(f"{path} has mode {mode:04o}, which gives others access: run chmod {fit_mode:o} {path}")
