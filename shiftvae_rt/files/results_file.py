"""Writing a result file whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from ..errors import DataFileError, ShiftVaeError

__all__ = ["check_writable", "whole_or_nothing"]


def check_writable(path: Path, package: str | None) -> None:
    """Find out before long work that its result could not be written.

    Raises
    ------
    DataFileError
        if the folder is missing, `path` is a folder, or `package`, which writes such files, is not installed.
    """
    if path.is_dir():
        raise DataFileError(f"cannot write {path}: it is a folder, expected a file name")
    if not path.parent.is_dir():
        raise DataFileError(f"cannot write {path}: the folder {path.parent} is missing, create it first")
    if package is not None and find_spec(package) is None:
        raise DataFileError(
            f"writing {path.suffix} needs the Python package {package}, which is not installed: "
            "pip install 'shiftvae-rt[io]', or choose .npz"
        )


@contextmanager
def whole_or_nothing(path: Path, package: str | None = None) -> Iterator[Path]:
    """Give a path to write to; it takes the place of `path` when the block ends well, else it is removed."""
    check_writable(path, package)
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield part
        part.replace(path)
    except ShiftVaeError:
        raise  # it says itself what was wrong, and may be an OSError
    except OSError as error:
        reason = error.strerror or error
        raise DataFileError(f"cannot write {path}: {reason}: check the disk and the permissions") from error
    finally:
        part.unlink(missing_ok=True)
