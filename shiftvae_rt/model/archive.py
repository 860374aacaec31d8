"""Zip of a model file: members stored uncompressed, of bounded size, read into memory and never extracted."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelFileError

__all__ = ["MAX_MANIFEST_BYTES", "MAX_MEMBER_BYTES", "pack_members", "read_arrays", "unpack_members"]

#: Largest member that is read, and largest manifest, bytes.
MAX_MEMBER_BYTES = 256 << 20
MAX_MANIFEST_BYTES = 1 << 20


def read_arrays(data: bytes, name: str) -> dict[str, NDArray[Any]]:
    """Arrays by name of an uncompressed ``.npz`` of plain numbers; nothing in it is ever run.

    Raises
    ------
    ModelFileError
        naming the member `name`, if it holds anything else.
    """
    members = unpack_members(data, name)
    try:
        return {
            key.removesuffix(".npy"): np.load(io.BytesIO(content), allow_pickle=False)
            for key, content in members.items()
        }
    except (ValueError, OSError, EOFError, MemoryError) as error:
        raise ModelFileError(f"{name} cannot be read ({error}): export the model again") from error


def pack_members(members: dict[str, bytes]) -> bytes:
    """Zip `members` in their order: the same bytes on every machine, at any time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.create_system = 3
            archive.writestr(info, content)
    return buffer.getvalue()


def unpack_members(data: bytes, name: str) -> dict[str, bytes]:
    """Unzip members that are stored uncompressed: nothing can grow beyond the bytes that are already in memory."""
    members: dict[str, bytes] = {}
    left = len(data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                if not info.filename.isascii():
                    raise ModelFileError(
                        f"{name}: member {info.filename[:40]!r} has no place in a model file: export the model again"
                    )
                cap = MAX_MANIFEST_BYTES if info.filename == "manifest.json" else MAX_MEMBER_BYTES
                if info.compress_type != zipfile.ZIP_STORED or info.file_size > cap or info.filename in members:
                    raise ModelFileError(
                        f"{name}: member {info.filename!r} is compressed, doubled or larger than {cap} bytes"
                    )
                left -= info.file_size
                if left < 0:
                    raise ModelFileError(f"{name}: its members overlap, the file is damaged: copy it again")
                members[info.filename] = archive.read(info)
    except ModelFileError:
        raise
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, EOFError, RuntimeError) as error:
        raise ModelFileError(f"{name} is not a shiftvae model file, or is damaged ({error})") from error
    return members
