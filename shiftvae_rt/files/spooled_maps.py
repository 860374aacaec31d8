"""Maps of a stack until they are written in their format: a few in memory, many in a temporary file."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, overload

import numpy as np

from ..errors import DataFileError

if TYPE_CHECKING:
    from ..latent_map import LatentMap
    from ..verdict import DomainVerdict

__all__ = ["SpooledMaps"]

#: Bytes of maps that are kept in memory.
IN_MEMORY = 64 << 20


class SpooledMaps(Sequence["LatentMap"]):
    """Maps of equal frames: mean and std of long stacks are in a temporary file, and are read when a map is indexed.

    A context manager: the file is gone after it.

    Parameters
    ----------
    path
        File that will be written: the temporary file is in its folder, since its disk has the room.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - closed with this object
            max_size=IN_MEMORY, mode="w+b", dir=str(path.parent), prefix=".shiftvae-"
        )
        self._places: list[tuple[int, DomainVerdict | None] | None] = []  # of a frame: its place in the file, verdict
        self._pattern: LatentMap | None = None
        self._written = 0

    def __enter__(self) -> SpooledMaps:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def append(self, found: LatentMap | None) -> None:
        """Append the map of the next frame; None for a frame without one, which is NaN.

        Raises
        ------
        DataFileError
            if the disk is full.
        """
        if found is None:
            self._places.append(None)
            return
        if self._pattern is None:
            nothing = np.full_like(found.mean, np.nan)
            self._pattern = replace(found, mean=nothing, std=nothing, domain=None)
        try:
            self._file.seek(self._written * self._size)
            self._file.write(np.ascontiguousarray(found.mean).data)
            self._file.write(np.ascontiguousarray(found.std).data)
            self._file.flush()
        except OSError as error:
            raise DataFileError(
                f"cannot write {self._path}: {error.strerror or error} at frame {len(self._places)}: make room, or map "
                "into an archive (.zspy), which can be continued"
            ) from error
        self._places.append((self._written, found.domain))
        self._written += 1

    @property
    def _size(self) -> int:
        """Bytes of a map in the file."""
        return 0 if self._pattern is None else 2 * self._pattern.mean.nbytes

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> LatentMap: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[LatentMap]: ...
    def __getitem__(self, index: int | slice) -> LatentMap | Sequence[LatentMap]:
        if isinstance(index, slice):
            return [self[at] for at in range(len(self))[index]]
        if self._pattern is None:
            raise IndexError(f"there is no map among {len(self)} frames")
        place = self._places[index]
        if place is None:
            return self._pattern
        self._file.seek(place[0] * self._size)
        values = np.frombuffer(self._file.read(self._size), np.float32).reshape(2, *self._pattern.mean.shape)
        return replace(self._pattern, mean=values[0], std=values[1], domain=place[1])
