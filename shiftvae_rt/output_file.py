"""Output files: checked before the work, and written whole or not at all.

Commands replace an existing file only with ``--force``. Functions called from Python replace it: a program that names a
file has chosen.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from .errors import DataFileError

__all__ = ["check_package", "try_output", "whole_or_nothing", "write_whole"]


def try_output(path: str | Path, *, force: bool, room: int = 1 << 20) -> None:
    """Check before long work that its result can be written: make a file in the folder, and remove it.

    Parameters
    ----------
    path
        File that will be written.
    force
        Replace an existing file.
    room
        Least size of the result, bytes.

    Raises
    ------
    DataFileError
        if `path` is a folder, or a file and `force` is False; if its folder is missing, or takes no new file; if the
        disk has less than `room` left.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise DataFileError(f"cannot write {path}: it is a folder, expected a file name")
        if not path.parent.is_dir():
            raise DataFileError(f"cannot write {path}: there is no folder {path.parent}: create it first")
        if _is_there(path) and not force:
            raise DataFileError(f"{path} exists and is not replaced: choose another name, or give --force")
        part = _part(path)
        part.touch(exist_ok=False)
        part.unlink()
        free = shutil.disk_usage(path.parent).free
    except DataFileError:
        raise
    except OSError as error:
        raise DataFileError(_unwritable(path, error)) from error
    if free < room:
        raise DataFileError(
            f"cannot write {path}: it takes at least {room / 1e6:.0f} MB, and {free / 1e6:.0f} MB are free: make room, "
            "or choose another disk"
        )


def check_package(path: Path, package: str | None) -> None:
    """Check that the `package` that writes such files, if any, is installed.

    Raises
    ------
    DataFileError
        if it is not.
    """
    if package is not None and find_spec(package) is None:
        raise DataFileError(
            f"writing {path.suffix} needs the Python package {package}, which is not installed: "
            "pip install 'shiftvae-rt[io]', or choose .npz"
        )


@contextmanager
def whole_or_nothing(path: Path, package: str | None = None) -> Iterator[Path]:
    """Give a temporary path to write to: it replaces `path` if the block succeeds, else it is removed.

    Raises
    ------
    DataFileError
        if it cannot be written, or the `package` that writes such files is not installed.
    """
    check_package(path, package)
    try_output(path, force=True, room=0)
    part = _part(path)
    try:
        yield part
        part.replace(path)
    except DataFileError:
        raise
    except OSError as error:
        raise DataFileError(_unwritable(path, error)) from error
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: str | Path, content: bytes | str) -> None:
    """Write `content` (text as UTF-8) whole or not at all.

    Raises
    ------
    DataFileError
        if it cannot be written.
    """
    with whole_or_nothing(Path(path)) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


def _is_there(path: Path) -> bool:
    """Tell whether the name is taken, also by a dangling link; OSError for a name that no file can have."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True


def _part(path: Path) -> Path:
    """Give a new name beside `path`; its ending is in lower case, since writers add theirs to any other."""
    return path.with_name(f".shiftvae-{secrets.token_hex(4)}.part{path.suffix.lower()}")


def _unwritable(path: Path, error: OSError) -> str:
    return f"cannot write {path}: {error.strerror or error}: check the name, the disk and the permissions"
