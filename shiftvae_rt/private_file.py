"""Files with a secret: made for their owner alone, and refused when others can read them."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from .errors import KeyFileError

__all__ = ["check_mode", "write_new"]


def write_new(path: Path, content: bytes, mode: int) -> None:
    """Make a file that did not exist; it has its mode from the first moment on.

    Raises
    ------
    KeyFileError
        if it exists, or cannot be written.
    """
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
    except FileExistsError:
        raise KeyFileError(f"{path} is there already and is not replaced: remove it if it is not needed") from None
    except OSError as error:
        raise KeyFileError(f"cannot write {path}: {error.strerror}") from error


def check_mode(path: Path, *, write_only: bool = False) -> None:
    """Refuse a file that others may read (a secret) or, with `write_only`, write to (a list of who is trusted).

    Raises
    ------
    KeyFileError
        if they may, or the file is missing.
    """
    if sys.platform == "win32":  # access lists, not modes: the folder's own apply
        return
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise KeyFileError(f"cannot read {path}: {error.strerror}: make it with `shiftvae keys`") from error
    if mode & (0o022 if write_only else 0o077):
        raise KeyFileError(f"{path} has mode {mode:04o}, which lets others at it: run chmod 600 {path}")
