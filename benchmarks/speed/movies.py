"""Movies of 128 x 128 px in the formats of stacks, written frame by frame so that no memory is needed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import mrcfile
import numpy as np
import tifffile
import zarr
from dm4_movie import begin_dm4

__all__ = ["WRITERS", "write_movie"]

SIDE = 128
#: Frames in a chunk of the formats that have chunks.
CHUNK = 16


def frames_of(count: int) -> Iterator[np.ndarray]:
    """Frames of noise; every hundredth is new."""
    some = [np.random.default_rng(seed).poisson(100, (SIDE, SIDE)).astype(np.int16) for seed in range(100)]
    for number in range(count):
        yield some[number % 100]


def write_movie(path: Path, count: int) -> Path:
    """Write a movie in the format of the ending; one that is there is replaced."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    WRITERS[path.suffix](path, count)
    return path


def _npy(path: Path, count: int) -> None:
    array = np.lib.format.open_memmap(path, "w+", np.int16, (count, SIDE, SIDE))
    for number, frame in enumerate(frames_of(count)):
        array[number] = frame


def _tif(path: Path, count: int) -> None:
    with tifffile.TiffWriter(path) as file:
        for frame in frames_of(count):
            file.write(frame, compression="zlib", contiguous=False, metadata=None)


def _fill(array: h5py.Dataset | zarr.Array, count: int) -> None:
    frames = frames_of(count)
    for first in range(0, count, CHUNK):
        some = [next(frames) for _ in range(min(CHUNK, count - first))]
        array[first : first + len(some)] = np.stack(some)


def _h5(path: Path, count: int) -> None:
    with h5py.File(path, "w") as file:
        _fill(file.create_dataset("movie", (count, SIDE, SIDE), "i2", chunks=(CHUNK, SIDE, SIDE), compression=1), count)


def _axes(count: int) -> list[dict[str, object]]:
    sizes = {"frame": count, "y": SIDE, "x": SIDE}
    return [
        {"_type": "UniformDataAxis", "name": name, "navigate": name == "frame", "scale": 1.0, "offset": 0.0,
         "units": "", "size": size, "is_binned": False, "index_in_array": at}
        for at, (name, size) in enumerate(sizes.items())
    ]  # fmt: skip


def _hspy(path: Path, count: int) -> None:
    with h5py.File(path, "w") as file:
        file.attrs.update({"file_format": "HyperSpy", "file_format_version": "3.1"})
        group = file.create_group("Experiments/movie")
        _fill(group.create_dataset("data", (count, SIDE, SIDE), "i2", chunks=(CHUNK, SIDE, SIDE), compression=1), count)
        for at, axis in enumerate(_axes(count)):
            group.create_group(f"axis-{at}").attrs.update(axis)
        group.create_group("metadata/General").attrs["title"] = "movie"


def _zspy(path: Path, count: int) -> None:
    root = zarr.create_group(str(path), attributes={"file_format": "ZSpy", "file_format_version": "3.1"})
    group = root.create_group("Experiments/movie")
    _fill(group.create_array("data", shape=(count, SIDE, SIDE), dtype="i2", chunks=(CHUNK, SIDE, SIDE)), count)
    for at, axis in enumerate(_axes(count)):
        group.create_group(f"axis-{at}", attributes=axis)


def _mrc(path: Path, count: int) -> None:
    with mrcfile.new_mmap(path, (count, SIDE, SIDE), mrc_mode=1) as file:
        for number, frame in enumerate(frames_of(count)):
            file.data[number] = frame


def _dm4(path: Path, count: int) -> None:
    pixels = begin_dm4(path, (count, SIDE, SIDE))
    for number, frame in enumerate(frames_of(count)):
        pixels[number] = frame


#: ending -> its writer.
WRITERS: dict[str, Callable[[Path, int], None]] = {
    ".npy": _npy,
    ".tif": _tif,
    ".h5": _h5,
    ".hspy": _hspy,
    ".zspy": _zspy,
    ".mrc": _mrc,
    ".dm4": _dm4,
}
