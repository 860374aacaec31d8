"""A dataset in an HDF5 file that is opened for each read, so that no handle stays open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["Dataset"]


class Dataset:
    """The dataset `name` of the file at `path`, of the given shape; read when it is indexed."""

    def __init__(self, path: Path, name: str, shape: tuple[int, ...]) -> None:
        self._path, self._name, self.shape = path, name, shape

    def __getitem__(self, index: Any, /) -> Any:
        import h5py

        with h5py.File(self._path, "r") as file:
            return file[self._name][index]
