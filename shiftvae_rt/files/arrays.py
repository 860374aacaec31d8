"""NumPy files. Never with pickle: an array of objects is refused, its code is not run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .recording import Recording, choose, needs

__all__ = ["read"]


def read(path: Path, wanted: str | None) -> Recording:
    """Open an .npy memory-mapped, or read one array of an .npz."""
    if path.suffix.lower() == ".npy":
        needs(path, wanted)
        return Recording(np.load(path, mmap_mode="r", allow_pickle=False))
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        name = archive.files[choose(path, archive.files, wanted, "array")]
        return Recording(archive[name], metadata={"dataset": name})
