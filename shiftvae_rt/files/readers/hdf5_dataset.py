"""A dataset in an HDF5 file that stays open as long as the dataset is used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..slabs import Slabs

__all__ = ["open_dataset"]


def open_dataset(path: Path, name: str) -> Slabs:
    """Open the dataset `name` of the file at `path`; its values are read when it is indexed.

    Raises
    ------
    OSError, KeyError
        if there is no such file or dataset.
    """
    import h5py

    return Slabs(_Open(h5py.File(path, "r"), name))


class _Open:
    """A dataset together with its file: h5py closes a file of which nobody holds more than a dataset."""

    def __init__(self, file: Any, name: str) -> None:
        self._file, self._dataset = file, file[name]
        self.shape, self.dtype, self.chunks = self._dataset.shape, self._dataset.dtype, self._dataset.chunks

    def __getitem__(self, index: Any, /) -> Any:
        return self._dataset[index]
