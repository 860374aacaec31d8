"""Frames are measured numbers: training, export, report and maps read them and never write to them."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import tifffile

from shiftvae_rt import LatentMapper, ModelFile
from shiftvae_rt.cli import main
from shiftvae_rt.frame import Frame, as_pixels
from shiftvae_training.export import export_model
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.scans import read_scans
from shiftvae_training.train import train


@pytest.fixture
def measured(scan, tmp_path):
    """A float64 frame ``(height, width)`` in memory that the operating system lets nobody write to."""
    path = tmp_path / "measured.npy"
    np.save(path, scan.microscope.frame(0).pixels.astype(np.float64))
    return np.load(path, mmap_mode="r")


def save(path, frame):
    if path.suffix == ".npy":
        np.save(path, frame)
    elif path.suffix == ".npz":
        np.savez(path, frame=frame)
    elif path.suffix == ".tif":
        tifffile.imwrite(path, frame)
    else:
        with h5py.File(path, "w") as file:
            file["frame"] = frame
    return path


def test_a_frame_in_read_only_memory_trains_exports_and_maps(measured, tmp_path):
    before = np.array(measured)
    frames = [as_pixels(measured)]
    assert np.shares_memory(frames[0], measured), "no copy stands between the test and the memory"
    settings = Settings(window=16, content=1, encoder="mlp", steps=10, constraints={"displacement": 100.0})
    export_model(tmp_path / "m.svae", train(frames, settings), frames, sources=(), pixel_size_nm=None)
    LatentMapper(tmp_path / "m.svae").map(measured)
    np.testing.assert_array_equal(measured, before)


@pytest.mark.parametrize("ending", [".npy", ".npz", ".tif", ".hdf5"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["float64", "int64", ">f8", "uint16"])
def test_what_a_file_gives_for_training_cannot_be_written_to(measured, tmp_path, ending, order, dtype):
    path = save(tmp_path / f"scan{ending}", np.asarray(measured, dtype, order))
    for frame in read_scans([str(path)]).frames:
        assert not frame.flags.writeable
        np.testing.assert_array_equal(frame[0], measured)


@pytest.mark.parametrize("ending", [".npy", ".tif"])
def test_a_float64_file_trains_and_its_report_is_of_the_file(measured, tmp_path, ending):
    path = save(tmp_path / f"scan{ending}", np.asarray(measured))
    output = tmp_path / "m.svae"
    assert main(["train", str(path), "-o", str(output), "--encoder", "mlp", "--steps", "10"]) == 0
    golden = ModelFile.read(output).golden.frame
    assert golden.dtype == np.float64
    assert golden.min() >= 0, "counts, without their mean"


def test_nothing_behind_the_doors_of_training_and_export_can_write_to_a_frame(scan, tmp_path, monkeypatch):
    def write(*arguments, **_):
        arguments[-1][0][...] = 0

    mine = [np.array(scan.frames[0], np.float64)]
    monkeypatch.setattr("shiftvae_training.lattice.cell.find_lattice", write)
    with pytest.raises(ValueError, match="read-only"):
        train(mine, Settings(window=16, content=1, encoder="mlp", steps=10))
    monkeypatch.setattr("shiftvae_training.export.fit_domain", write)
    with pytest.raises(ValueError, match="read-only"):
        export_model(tmp_path / "m.svae", scan.trained, mine, sources=(), pixel_size_nm=None)
    assert mine[0].flags.writeable
    np.testing.assert_array_equal(mine[0], scan.frames[0])


@pytest.mark.parametrize("make", [lambda pixels: Frame(pixels).pixels, as_pixels], ids=["Frame", "as_pixels"])
def test_a_read_only_view_leaves_the_callers_array_writable(make):
    mine = np.ones((4, 4))
    given = make(mine)
    assert np.shares_memory(given, mine)
    assert mine.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        given[...] = 0
