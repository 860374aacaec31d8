"""Stacks whose chunks hold several frames, and files that stay open while their frames are used."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from rsciio.hspy import file_writer as write_hspy
from test_files_microscope import X, Y, signal

from shiftvae_rt.files import read_frames, slabs
from shiftvae_rt.files.slabs import Slabs

FRAMES = np.random.default_rng(0).integers(0, 999, (11, 10, 12), dtype=np.uint16)


class Counted:
    """An array in chunks that counts how often it is read."""

    def __init__(self, array: np.ndarray, chunks: tuple[int, ...] | None) -> None:
        self.array, self.chunks, self.reads = array, chunks, 0
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, index):
        self.reads += 1
        return self.array[index]


def test_every_chunk_is_read_once_when_frames_are_read_in_turn():
    source = Counted(FRAMES, (4, 5, 12))
    stack = Slabs(source)
    for at in range(11):
        np.testing.assert_array_equal(stack[at], FRAMES[at])
        np.testing.assert_array_equal(stack[at, :, :], FRAMES[at])
    assert source.reads == 3


@pytest.mark.parametrize("chunks", [None, (1, 1, 12, 12), (2, 3, 7, 12), (4, 4, 1, 1)])
def test_frames_of_two_axes_are_those_of_the_array(chunks):
    grid = np.arange(4 * 5 * 7 * 12).reshape(4, 5, 7, 12)
    stack = Slabs(Counted(grid, chunks))
    for at in np.ndindex(4, 5):
        np.testing.assert_array_equal(stack[at], grid[at])
        np.testing.assert_array_equal(stack[at[0], :, at[1] % 5, :], grid[at[0], :, at[1] % 5, :])
    np.testing.assert_array_equal(stack[...], grid)


def test_a_chunk_that_is_too_large_to_keep_is_not_read_whole(monkeypatch):
    monkeypatch.setattr(slabs, "MOST_KEPT", 3 * FRAMES[0].nbytes)
    source = Counted(FRAMES, (4, 10, 12))
    stack = Slabs(source)
    np.testing.assert_array_equal(stack[6], FRAMES[6])
    np.testing.assert_array_equal(stack[7], FRAMES[7])
    assert source.reads == 2


def write(path: Path) -> None:
    if path.suffix == ".tif":
        tifffile.imwrite(path, FRAMES, compression="zlib", photometric="minisblack")
    elif path.suffix == ".hspy":
        write_hspy(str(path), signal(FRAMES, [("t", 1, "s", True), Y, X]))
    else:
        with h5py.File(path, "w") as file:
            file.create_dataset("movie", data=FRAMES, chunks=(4, 10, 12))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows removes no file that is open")
@pytest.mark.parametrize("ending", [".tif", ".hspy", ".h5"])
def test_a_file_stays_open_until_its_last_frame_is_gone(tmp_path, ending):
    path = tmp_path / f"movie{ending}"
    write(path)
    stack = read_frames(path)
    first = stack[0].pixels
    path.unlink()  # who opened it anew would not find it
    np.testing.assert_array_equal([first, *(frame.pixels for frame in stack[1:])], FRAMES)
    del stack, first
    gc.collect()
    if Path("/proc/self/fd").exists():
        assert not [link for link in Path("/proc/self/fd").iterdir() if str(path) in str(link.resolve())]
