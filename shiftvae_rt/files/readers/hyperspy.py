"""HyperSpy files in HDF5 (.hspy), read with h5py alone."""

from __future__ import annotations

from pathlib import Path

from ..recording import Recording
from .hdf5_dataset import open_dataset
from .hyperspy_signals import pick, signals_of

__all__ = ["read"]


def read(path: Path, wanted: str | None) -> Recording:
    """Open the only signal of the file, or the one that `wanted` names by title or number."""
    import h5py

    with h5py.File(path, "r") as file:
        signals = signals_of(file["Experiments"], lambda data: open_dataset(path, data.name))
    return pick(path, wanted, signals)
