"""Movies, and what an archive of their maps holds."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import zarr

MEAN, STD, WINDOWS = (f"Experiments/{title}/data" for title in ("latent mean", "latent std", "out of domain"))
ARRAYS = (MEAN, STD, WINDOWS, "score", "reason", "status")
#: Not a multiple of the frames in a block, 3.
FRAMES = 38


def movie(seed: int = 0) -> np.ndarray:
    """Frames of 32 x 40 px."""
    return np.random.default_rng(seed).poisson(50, (FRAMES, 32, 40)).astype(np.float32)


def write_movie(path: Path, frames: np.ndarray, chunk: int = 1) -> Path:
    if path.suffix == ".npy":
        np.save(path, frames)
    else:
        zarr.create_array(str(path), data=frames, chunks=(chunk, *frames.shape[1:]), compressors=None)
    return path


def arrays_of(output: Path | str) -> dict[str, np.ndarray]:
    group = zarr.open_group(str(output), mode="r")
    return {name: np.asarray(group[name][:]) for name in ARRAYS if name in group}


def digest(output: Path | str) -> str:
    """SHA-256 of all arrays."""
    found = hashlib.sha256()
    for name, values in arrays_of(output).items():
        found.update(f"{name} {values.dtype} {values.shape}".encode() + values.tobytes())
    return found.hexdigest()


def chunk_file(output: Path, name: str, block: int) -> Path:
    """File of the chunk of a block."""
    place = output / name / "c" / str(block)
    return place if place.is_file() else next(path for path in place.rglob("*") if path.is_file())


def status_times(output: Path) -> dict[str, int]:
    """When each block was committed, ns."""
    return {path.name: path.stat().st_mtime_ns for path in (output / "status" / "c").iterdir()}
