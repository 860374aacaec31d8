"""Axes by name: EMD files of ncempy and of HyperSpy, HDF5 with labelled axes, arrays of colour samples."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import zarr
from ncempy.io.emd import fileEMD
from rsciio.emd import file_writer as write_emd
from rsciio.hspy import file_writer as write_hspy
from test_files_microscope import signal

from shiftvae_rt.errors import DataFileError
from shiftvae_rt.files import read_frames
from shiftvae_rt.files.axes import layout_of

IMAGE = np.arange(20 * 30, dtype=np.uint16).reshape(20, 30)
MOVIE = np.stack([IMAGE, IMAGE + 1000, IMAGE[::-1]])
STEP = {"y": (0.02, "[n_m]"), "x": (0.02, "[n_m]"), "t": (0.5, "[s]")}


def write_ncempy(path, data, names):
    """An EMD file as ncempy writes it: a vector for each axis, in the order of the array."""
    dims = [
        (np.arange(size) * STEP[name][0], name, STEP[name][1]) for name, size in zip(names, data.shape, strict=True)
    ]
    with fileEMD(str(path), readonly=False) as file:
        file.put_emdgroup("scan", data, dims)


class TestNcempy:
    @pytest.mark.parametrize("names", ["yx", "xy"])
    def test_the_names_tell_y_from_x(self, tmp_path, names):
        write_ncempy(tmp_path / "a.emd", IMAGE if names == "yx" else IMAGE.T, names)
        frames = read_frames(tmp_path / "a.emd")
        assert len(frames) == 1
        np.testing.assert_array_equal(frames[0].pixels, IMAGE)
        assert frames[0].pixel_size_nm == pytest.approx((0.02, 0.02))

    @pytest.mark.parametrize("names", ["tyx", "xyt", "ytx"])
    def test_a_movie_of_three_has_three_frames(self, tmp_path, names):
        data = MOVIE.transpose(["tyx".index(name) for name in names])
        write_ncempy(tmp_path / "a.emd", data, names)
        frames = read_frames(tmp_path / "a.emd")
        np.testing.assert_array_equal([frame.pixels for frame in frames], MOVIE)
        assert frames[2].pixel_size_nm == pytest.approx((0.02, 0.02))
        np.testing.assert_array_equal(frames[1:][0].pixels, MOVIE[1])

    def test_the_same_file_under_the_ending_of_hdf5(self, tmp_path):
        write_ncempy(tmp_path / "a.emd", MOVIE, "tyx")
        (tmp_path / "a.emd").rename(tmp_path / "a.h5")
        assert len(read_frames(tmp_path / "a.h5")) == 3
        assert read_frames(tmp_path / "a.h5")[0].pixel_size_nm == pytest.approx((0.02, 0.02))

    def test_several_groups_are_asked_for(self, tmp_path):
        dims = [(np.arange(n) * 0.1, name, "[n_m]") for n, name in zip(IMAGE.shape, "yx", strict=True)]
        with fileEMD(str(tmp_path / "a.emd"), readonly=False) as file:
            file.put_emdgroup("haadf", IMAGE, dims)
            file.put_emdgroup("abf", IMAGE + 1, dims)
        with pytest.raises(DataFileError, match="'abf', 'haadf'"):
            read_frames(tmp_path / "a.emd")
        np.testing.assert_array_equal(read_frames(f"{tmp_path / 'a.emd'}::abf")[0].pixels, IMAGE + 1)


class TestHyperSpy:
    @pytest.mark.parametrize(("ending", "write"), [(".emd", write_emd), (".hspy", write_hspy)])
    @pytest.mark.parametrize("names", ["yx", "xy"])
    def test_the_names_tell_y_from_x(self, tmp_path, ending, write, names):
        data = IMAGE if names == "yx" else np.ascontiguousarray(IMAGE.T)
        write(str(tmp_path / f"a{ending}"), signal(data, [(name, 0.2, "nm", False) for name in names]))
        np.testing.assert_array_equal(read_frames(tmp_path / f"a{ending}")[0].pixels, IMAGE)

    def test_a_hyperspy_file_with_the_ending_of_hdf5_is_calibrated(self, tmp_path):
        write_hspy(
            str(tmp_path / "a.hspy"), signal(MOVIE, [("t", 1, "s", True), ("y", 2, "Å", False), ("x", 2, "Å", False)])
        )
        (tmp_path / "a.hspy").rename(tmp_path / "a.hdf5")
        frames = read_frames(tmp_path / "a.hdf5")
        np.testing.assert_array_equal([frame.pixels for frame in frames], MOVIE)
        assert frames[0].pixel_size_nm == pytest.approx((0.2, 0.2))


class TestHdf5:
    @pytest.mark.parametrize("ending", [".h5", ".hdf5", ".hf5"])
    @pytest.mark.parametrize("how", ["label", "scale"])
    def test_labels_and_scales_name_the_axes(self, tmp_path, ending, how):
        with h5py.File(tmp_path / f"a{ending}", "w") as file:
            data = file.create_dataset("group/movie", data=MOVIE.transpose(2, 1, 0))
            for at, name in enumerate("xyt"):
                if how == "label":
                    data.dims[at].label = name
                else:
                    scale = file.create_dataset(f"group/{name}", data=np.arange(data.shape[at]))
                    scale.make_scale(name)
                    data.dims[at].attach_scale(scale)
        frames = read_frames(tmp_path / f"a{ending}")
        np.testing.assert_array_equal([frame.pixels for frame in frames], MOVIE)

    def test_without_names_the_last_two_axes_are_the_image(self, tmp_path):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["movie"] = MOVIE
        np.testing.assert_array_equal([frame.pixels for frame in read_frames(tmp_path / "a.h5")], MOVIE)


@pytest.mark.parametrize("ending", [".npy", ".npz", ".h5"])
class TestSamplesLast:
    """An array ``(height, width, 3)`` holds no frames that are 3 px wide."""

    def save(self, tmp_path, ending, array):
        path = tmp_path / f"a{ending}"
        if ending == ".npy":
            np.save(path, array)
        elif ending == ".npz":
            np.savez(path, image=array)
        else:
            with h5py.File(path, "w") as file:
                file["image"] = array
        return path, "" if ending == ".npy" else "image/"

    @pytest.mark.parametrize("samples", [3, 4])
    def test_a_picture_of_8_bits_is_one_grey_frame(self, tmp_path, ending, samples):
        grey = (IMAGE % 251).astype(np.uint8)
        path, _ = self.save(tmp_path, ending, np.stack([grey] * samples, axis=-1))
        frames = read_frames(path)
        assert len(frames) == 1
        np.testing.assert_array_equal(frames[0].pixels, grey)

    @pytest.mark.parametrize("samples", [2, 3, 4])
    def test_other_samples_are_asked_for(self, tmp_path, ending, samples):
        array = np.stack([IMAGE + k for k in range(samples)], axis=-1)
        path, prefix = self.save(tmp_path, ending, array)
        with pytest.raises(DataFileError, match=f"'{prefix}0', '{prefix}1'.*'{prefix}all'.*::NAME"):
            read_frames(path)
        np.testing.assert_array_equal(read_frames(f"{path}::{prefix}1")[0].pixels, IMAGE + 1)
        every = read_frames(f"{path}::{prefix}all")
        assert len(every) == 1
        np.testing.assert_array_equal(every[0].pixels, np.moveaxis(array, -1, 0))

    def test_frames_of_pictures_stay_frames(self, tmp_path, ending):
        grey = (MOVIE % 251).astype(np.uint8)
        path, _ = self.save(tmp_path, ending, np.stack([grey] * 3, axis=-1))
        np.testing.assert_array_equal([frame.pixels for frame in read_frames(path)], grey)


@pytest.mark.parametrize(
    ("names", "y", "x", "channel"),
    [
        (["Height", "Width"], 0, 1, None),
        (["R_x", "R_y", "Q_x", "Q_y"], 3, 2, None),
        (["", ""], 0, 1, None),
        (["x", ""], 0, 1, None),
        (["channel", "y", "x"], 1, 2, 0),
        (["y (nm)", "x (nm)", "time"], 0, 1, None),
    ],
)
def test_names_that_people_give_to_axes(names, y, x, channel):
    layout = layout_of(names)
    assert (layout.y, layout.x, layout.channel) == (y, x, channel)


class TestOneLongAxis:
    LINES = np.arange(300 * 400, dtype=np.int32)

    @pytest.mark.parametrize("ending", [".npy", ".npz", ".h5", ".zarr"])
    def test_it_is_asked_for(self, tmp_path, ending):
        path = save_plain(tmp_path / f"a{ending}", self.LINES)
        with pytest.raises(DataFileError, match=r"holds one axis of 120000 values: choose '.*HEIGHTxWIDTH'.*--signal"):
            read_frames(path)

    @pytest.mark.parametrize("ending", [".npy", ".npz", ".h5", ".zarr"])
    def test_height_and_width_make_it_an_image(self, tmp_path, ending):
        path = save_plain(tmp_path / f"a{ending}", self.LINES)
        for dimensions in (None, 2):
            (frame,) = read_frames(f"{path}::300x400", dimensions=dimensions)
            np.testing.assert_array_equal(frame.pixels, self.LINES.reshape(300, 400))

    def test_of_several_arrays_one_is_named_too(self, tmp_path):
        np.savez(tmp_path / "a.npz", scan=self.LINES, other=IMAGE)
        (frame,) = read_frames(f"{tmp_path / 'a.npz'}::scan/400x300")
        np.testing.assert_array_equal(frame.pixels, self.LINES.reshape(400, 300))
        with pytest.raises(DataFileError, match="'scan', 'other'"):
            read_frames(f"{tmp_path / 'a.npz'}::400x300")

    def test_who_asks_for_signals_gets_one(self, tmp_path):
        path = save_plain(tmp_path / "a.npy", self.LINES)
        (frame,) = read_frames(path, dimensions=1)
        np.testing.assert_array_equal(frame.pixels, self.LINES)

    @pytest.mark.parametrize("size", ["300x401", "300x400x1", "0x5", "x", "300"])
    def test_another_size_is_refused(self, tmp_path, size):
        path = save_plain(tmp_path / "a.npy", self.LINES)
        with pytest.raises(DataFileError, match="expected one axis of 300 x 401 = 120300 values|has no dataset"):
            read_frames(f"{path}::{size}")

    def test_an_array_with_more_axes_has_its_size(self, tmp_path):
        np.savez(tmp_path / "a.npz", scan=IMAGE)
        with pytest.raises(DataFileError, match=r"array of shape \(20, 30\), expected one axis of 30 x 20"):
            read_frames(f"{tmp_path / 'a.npz'}::scan/30x20")


class TestSpectrumImage:
    @pytest.fixture
    def path(self, tmp_path):
        axes = [("y", 2, "nm", True), ("x", 2, "nm", True), ("Energy", 1, "eV", False)]
        write_hspy(str(tmp_path / "a.hspy"), signal(MOVIE[:, :5], axes))
        return tmp_path / "a.hspy"

    def test_it_is_asked_for(self, path):
        with pytest.raises(DataFileError, match=r"holds a spectrum image, 3 x 5 spectra of 30 samples: give --signal"):
            read_frames(path)

    def test_who_asks_for_signals_gets_every_spectrum(self, path):
        frames = read_frames(path, dimensions=1)
        assert len(frames) == 15
        np.testing.assert_array_equal(frames[7].pixels, MOVIE[1, 2])


def save_plain(path, array):
    """One array under the ending of `path`."""
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".npz":
        np.savez(path, scan=array)
    elif path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            file["scan"] = array
    else:
        zarr.create_array(str(path), shape=array.shape, dtype=array.dtype)[...] = array
    return path
