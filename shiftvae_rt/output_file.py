"""Files that a command writes: the way out is tried before the work, and a file is written whole or not at all.

The rule of every command: a file that is there already is replaced only if ``--force`` says so. Functions of the
Python face replace it: whoever names a file in a program has chosen.
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
    """Find out before long work that its result could not be written: make a file in the folder, and remove it.

    Parameters
    ----------
    path
        File that will be written.
    force
        Whether a file that is there already may be replaced.
    room
        Bytes that the result needs at least.

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
            raise DataFileError(f"{path} is there already and is not replaced: choose another name, or say --force")
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
            f"cannot write {path}: it takes {room / 1e6:.0f} MB or more, and {free / 1e6:.0f} MB are free: make room, "
            "or choose another disk"
        )


def check_package(path: Path, package: str | None) -> None:
    """Raise the `DataFileError` for a file whose writing needs `package` where that is not installed."""
    if package is not None and find_spec(package) is None:
        raise DataFileError(
            f"writing {path.suffix} needs the Python package {package}, which is not installed: "
            "pip install 'shiftvae-rt[io]', or choose .npz"
        )


@contextmanager
def whole_or_nothing(path: Path, package: str | None = None) -> Iterator[Path]:
    """Give a path to write to; it takes the place of `path` when the block ends well, else it is removed.

    Raises
    ------
    DataFileError
        if it cannot be written, or `package`, which writes such files, is not installed.
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
    """Write `content`, text in UTF-8, whole or not at all; `DataFileError` if that cannot be."""
    with whole_or_nothing(Path(path)) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


def _is_there(path: Path) -> bool:
    """Tell whether the name is taken, by a link to nothing too; OSError for a name that no file can have."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True


def _part(path: Path) -> Path:
    """A new name beside `path`; its ending is in lower case, since writers of files add theirs to any other."""
    return path.with_name(f".shiftvae-{secrets.token_hex(4)}.part{path.suffix.lower()}")


def _unwritable(path: Path, error: OSError) -> str:
    return f"cannot write {path}: {error.strerror or error}: check the name, the disk and the permissions"
