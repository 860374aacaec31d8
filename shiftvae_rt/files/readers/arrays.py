"""NumPy files, never with pickle: an array of objects is refused and its code is not run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..interleaved import is_interleaved
from ..named_axes import Plain, read_plain
from ..recording import Recording, refuse_name

__all__ = ["read"]


class _Member:
    """An array in an .npz: its header is read at once, its values when it is indexed."""

    def __init__(self, path: Path, name: str, archive: Any) -> None:
        self._path, self._name = path, name
        with archive.zip.open(f"{name}.npy") as member:
            version = np.lib.format.read_magic(member)
            header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            self.shape, _, self.dtype = header(member)
        self._values: Any = None

    def __getitem__(self, index: Any, /) -> Any:
        if self._values is None:
            with self._path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                self._values = archive[self._name]
        return self._values[index]


def read(path: Path, wanted: str | None) -> Recording:
    """Open an .npy memory-mapped, or one array of an .npz."""
    if path.suffix.lower() == ".npy":
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if array.ndim != 1 and not is_interleaved(array.shape):
            refuse_name(path, wanted)
        return read_plain(path, wanted, {"": Plain(array, array.dtype)})
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        members = {name: _Member(path, name, archive) for name in archive.files}
    return read_plain(path, wanted, {name: Plain(m, m.dtype) for name, m in members.items()}, what="array")
