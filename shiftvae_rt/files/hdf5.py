"""Plain HDF5: one dataset, without calibration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .recording import Recording, choose

__all__ = ["read"]


class _Dataset:
    """A dataset that opens its file for each frame, so that no handle stays open."""

    def __init__(self, path: Path, name: str, shape: tuple[int, ...]) -> None:
        self._path, self._name, self.shape = path, name, shape

    def __getitem__(self, index: Any, /) -> Any:
        import h5py

        with h5py.File(self._path, "r") as file:
            return file[self._name][index]


def read(path: Path, wanted: str | None) -> Recording:
    """Open the one numeric dataset with at least two axes, or else the only one with one, or the one that was named."""
    import h5py

    shapes: dict[str, tuple[int, ...]] = {}

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "uifb" and item.shape and item.size:
            shapes[name] = item.shape

    with h5py.File(path, "r") as file:
        file.visititems(note)
    images = [name for name, shape in shapes.items() if len(shape) >= 2]
    names = list(shapes) if wanted is not None or not images else images
    name = names[choose(path, names, wanted, "dataset")]
    return Recording(_Dataset(path, name, shapes[name]), metadata={"dataset": name})
