"""Frames out of every kind of file, and one clear line for files that hold none."""

from __future__ import annotations

import mmap
import pickle
import sys
from pathlib import Path

import h5py
import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from shiftvae_rt.errors import DataFileError
from shiftvae_rt.files import read_frames
from shiftvae_rt.files.frames import READERS

IMAGE = np.arange(12 * 10, dtype=np.uint16).reshape(12, 10) * 100


def only_frame(path: Path | str, **options):
    frames = read_frames(path, **options)
    assert len(frames) == 1
    return frames[0]


def save(path: Path, image=IMAGE) -> Path:
    """Write `image` in the format of the ending."""
    ending = path.suffix
    if ending == ".npy":
        np.save(path, image)
    elif ending == ".npz":
        np.savez(path, image=image)
    elif ending in (".tif", ".tiff"):
        tifffile.imwrite(path, image, photometric="minisblack")
    elif ending in (".png", ".jpg", ".jpeg"):
        Image.fromarray(image if ending == ".png" else (image >> 8).astype(np.uint8)).save(path)
    elif ending in (".hdf5", ".h5"):
        with h5py.File(path, "w") as file:
            file["group/image_data"] = image
    else:
        raise ValueError(ending)
    return path


@pytest.mark.parametrize("ending", [".npy", ".npz", ".tif", ".tiff", ".png", ".hdf5", ".h5"])
def test_an_image_comes_back_as_it_was_saved(tmp_path, ending):
    frame = only_frame(save(tmp_path / f"scan{ending}"))
    np.testing.assert_array_equal(frame.pixels, IMAGE)
    assert frame.pixels.dtype == np.uint16
    assert frame.pixel_size_nm is None
    assert frame.name == f"scan{ending}"
    assert frame.metadata["file"] == f"scan{ending}"


@pytest.mark.parametrize("ending", [".npy", ".npz", ".tif", ".hdf5"])
def test_a_stack_gives_its_frames_one_by_one(tmp_path, ending):
    stack = np.random.default_rng(0).integers(0, 999, (5, 12, 10), dtype=np.int16)
    frames = read_frames(save(tmp_path / f"movie{ending}", stack))
    assert len(frames) == 5
    for frame, image in zip(frames, stack, strict=True):
        np.testing.assert_array_equal(frame.pixels, image)
    assert frames[-1].name == f"movie{ending}[4]"
    np.testing.assert_array_equal(frames[1:4][2].pixels, stack[3])
    with pytest.raises(IndexError):
        frames[5]


def test_an_npy_stack_is_memory_mapped_and_only_the_asked_frame_is_touched(tmp_path):
    path = save(tmp_path / "movie.npy", np.zeros((4, 8, 8), np.float32))
    owner = read_frames(path)[2].pixels
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    assert isinstance(owner.base, mmap.mmap)


def test_four_axes_are_frames_with_channels(tmp_path):
    stack = np.random.default_rng(0).normal(size=(3, 2, 12, 10)).astype(np.float32)
    frames = read_frames(save(tmp_path / "a.npy", stack))
    assert [frame.pixels.shape for frame in frames] == [(2, 12, 10)] * 3


def test_one_axis_is_a_signal_and_rows_are_signals_when_signals_are_asked_for(tmp_path):
    assert only_frame(save(tmp_path / "line.npy", np.zeros(50))).pixels.shape == (50,)
    rows = read_frames(save(tmp_path / "lines.npy", IMAGE), dimensions=1)
    assert len(rows) == 12
    np.testing.assert_array_equal(rows[3].pixels, IMAGE[3])


@pytest.mark.parametrize(
    ("shape", "dimensions"), [((50,), 2), ((2, 2, 2, 2, 2), None), ((), None), ((3, 0), 2), ((2, 2, 2, 2), 1)]
)
def test_other_numbers_of_axes_are_refused_with_the_shape(tmp_path, shape, dimensions):
    path = save(tmp_path / "a.npy", np.zeros(shape))
    with pytest.raises(DataFileError, match="holds an array of shape"):
        read_frames(path, dimensions=dimensions)


def test_an_image_file_never_becomes_signals_with_channels(tmp_path):
    path = save(tmp_path / "movie.tif", np.zeros((3, 8, 8), np.float32))
    with pytest.raises(DataFileError, match="expected 1D frames"):
        read_frames(path, dimensions=1)


@pytest.mark.parametrize(
    ("dtype", "widened"),
    [("bool", "uint8"), ("int8", "int16"), ("float16", "float32"), ("int64", "float64"), ("uint64", "float64")],
)
def test_dtypes_that_the_kernels_do_not_read_are_widened_without_loss(tmp_path, dtype, widened):
    image = (np.arange(64).reshape(8, 8) % 2).astype(dtype)
    frame = only_frame(save(tmp_path / "a.npy", image))
    assert frame.pixels.dtype == widened
    np.testing.assert_array_equal(frame.pixels, image)


def test_complex_values_are_refused(tmp_path):
    with pytest.raises(DataFileError, match="complex128.*save real numbers"):
        only_frame(save(tmp_path / "a.npy", np.zeros((8, 8), complex)))


def test_big_endian_pixels_are_read(tmp_path):
    np.testing.assert_array_equal(only_frame(save(tmp_path / "a.npy", IMAGE.astype(">u2"))).pixels, IMAGE)


class TestColour:
    def test_a_grey_image_saved_as_rgb_keeps_its_values_and_dtype(self, tmp_path):
        grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
        Image.fromarray(np.stack([grey] * 3, axis=-1)).save(tmp_path / "a.png")
        frame = only_frame(tmp_path / "a.png")
        np.testing.assert_array_equal(frame.pixels, grey)
        assert frame.pixels.dtype == np.uint8
        assert "equal channels" in frame.metadata["colour"]

    def test_nearly_grey_is_averaged(self, tmp_path):
        rgb = np.full((8, 8, 3), 100, np.uint8)
        rgb[..., 2] = 103
        Image.fromarray(rgb).save(tmp_path / "a.png")
        frame = only_frame(tmp_path / "a.png")
        assert frame.pixels == pytest.approx(101.0)
        assert "nearly" in frame.metadata["colour"]

    def test_real_colour_becomes_luminance(self, tmp_path):
        rgb = np.zeros((8, 8, 3), np.uint8)
        rgb[..., 1] = 100
        tifffile.imwrite(tmp_path / "a.tif", rgb, photometric="rgb")
        frame = only_frame(tmp_path / "a.tif")
        assert frame.pixels.shape == (8, 8)
        assert frame.pixels == pytest.approx(58.7)
        assert "luminance" in frame.metadata["colour"]

    @pytest.mark.parametrize("samples", [2, 3, 4])
    def test_pictures_of_16_bits_a_sample_keep_them(self, tmp_path, samples):
        pixels = np.stack([IMAGE] * samples, axis=-1)
        (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(pixels))
        frame = only_frame(tmp_path / "a.png")
        np.testing.assert_array_equal(frame.pixels, IMAGE)
        assert frame.pixels.dtype == np.uint16

    def test_an_alpha_channel_is_dropped(self, tmp_path):
        rgba = np.zeros((8, 8, 4), np.uint8)
        rgba[..., 3] = 17
        Image.fromarray(rgba).save(tmp_path / "a.png")
        assert not only_frame(tmp_path / "a.png").pixels.any()


class TestSeveralDatasets:
    def test_an_archive_of_two_arrays_names_them_and_takes_a_choice(self, tmp_path):
        np.savez(tmp_path / "a.npz", haadf=IMAGE, abf=IMAGE + 1)
        with pytest.raises(DataFileError, match="'haadf', 'abf'.*::NAME"):
            read_frames(tmp_path / "a.npz")
        np.testing.assert_array_equal(only_frame(f"{tmp_path / 'a.npz'}::abf").pixels, IMAGE + 1)
        np.testing.assert_array_equal(only_frame(f"{tmp_path / 'a.npz'}::0").pixels, IMAGE)

    def test_a_name_that_is_not_there_lists_those_that_are(self, tmp_path):
        np.savez(tmp_path / "a.npz", haadf=IMAGE)
        with pytest.raises(DataFileError, match="no array 'bf'.*'haadf'"):
            read_frames(f"{tmp_path / 'a.npz'}::bf")

    def test_an_hdf5_image_is_found_beside_axes_and_text(self, tmp_path):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["x"] = np.arange(10.0)
            file["note"] = "hello"
            file["deep/er/image"] = IMAGE
        assert only_frame(tmp_path / "a.h5").metadata["dataset"] == "deep/er/image"
        assert only_frame(f"{tmp_path / 'a.h5'}::x").pixels.shape == (10,)

    def test_a_name_for_a_file_with_one_nameless_array_is_refused(self, tmp_path):
        save(tmp_path / "a.npy")
        with pytest.raises(DataFileError, match="without a name"):
            read_frames(f"{tmp_path / 'a.npy'}::x")

    def test_a_path_that_really_has_two_colons_is_a_path(self, tmp_path):
        np.testing.assert_array_equal(only_frame(save(tmp_path / "a::b.npy")).pixels, IMAGE)


class TestTiffCalibration:
    @pytest.mark.parametrize(("unit", "nm"), [("nm", 0.5), ("micron", 500.0), ("\\u00B5m", 500.0), ("pixel", None)])
    def test_imagej_units_become_nm(self, tmp_path, unit, nm):
        tifffile.imwrite(tmp_path / "a.tif", IMAGE, imagej=True, resolution=(2, 2), metadata={"unit": unit})
        assert only_frame(tmp_path / "a.tif").pixel_size_nm == (
            None if nm is None else pytest.approx((nm, nm), rel=1e-5)
        )

    def test_ome_units_become_nm(self, tmp_path):
        about = {"axes": "YX", "PhysicalSizeX": 0.02, "PhysicalSizeXUnit": "nm"}
        about |= {"PhysicalSizeY": 0.02, "PhysicalSizeYUnit": "nm"}
        tifffile.imwrite(tmp_path / "a.ome.tif", IMAGE, ome=True, metadata=about)
        assert only_frame(tmp_path / "a.ome.tif").pixel_size_nm == pytest.approx((0.02, 0.02))

    def test_a_printers_resolution_is_no_calibration(self, tmp_path):
        tifffile.imwrite(tmp_path / "a.tif", IMAGE, resolution=(72, 72), resolutionunit="INCH")
        assert only_frame(tmp_path / "a.tif").pixel_size_nm is None

    def test_pixels_that_are_not_square_keep_both_edges(self, tmp_path):
        tifffile.imwrite(tmp_path / "a.tif", IMAGE, imagej=True, resolution=(10, 8), metadata={"unit": "nm"})
        assert only_frame(tmp_path / "a.tif").pixel_size_nm == pytest.approx((0.125, 0.1))

    def test_channels_of_an_imagej_stack_stay_channels_of_one_frame(self, tmp_path):
        pixels = np.random.default_rng(0).integers(0, 99, (2, 12, 10), dtype=np.uint16)
        tifffile.imwrite(tmp_path / "a.tif", pixels, imagej=True, metadata={"axes": "CYX"})
        np.testing.assert_array_equal(only_frame(tmp_path / "a.tif").pixels, pixels)


class TestBadFiles:
    @pytest.mark.parametrize("ending", sorted(READERS))
    def test_a_missing_file_is_called_missing(self, tmp_path, ending):
        with pytest.raises(DataFileError, match="is missing"):
            read_frames(tmp_path / f"nothing{ending}")

    @pytest.mark.parametrize("ending", sorted(READERS))
    def test_an_empty_file_is_called_empty(self, tmp_path, ending):
        (tmp_path / f"a{ending}").touch()
        with pytest.raises(DataFileError, match="is empty"):
            read_frames(tmp_path / f"a{ending}")

    @pytest.mark.parametrize(
        "content", [b"just some text, and more of it\n" * 40, bytes(range(256)) * 20], ids=["text", "bytes"]
    )
    @pytest.mark.parametrize("ending", sorted(READERS))
    def test_a_foreign_file_is_refused_on_one_line(self, tmp_path, ending, content):
        (tmp_path / f"a{ending}").write_bytes(content)
        with pytest.raises(DataFileError, match=r"expected") as caught:
            read_frames(tmp_path / f"a{ending}")
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
    @pytest.mark.parametrize("ending", [".npy", ".npz", ".tif", ".png", ".jpg", ".hdf5"])
    def test_a_truncated_file_is_refused(self, tmp_path, ending, share):
        noise = np.random.default_rng(0).integers(0, 65535, (128, 128), dtype=np.uint16)
        path = save(tmp_path / f"a{ending}", noise)
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(DataFileError) as caught:
            only_frame(path)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("name", ["BTO_crystal_1.dm4", "DMReader_Image_SI-Survey.dm3", "TwinBoundary.emd"])
    @pytest.mark.parametrize("share", [0.2, 0.6, 0.9])
    def test_a_truncated_microscope_file_is_refused(self, tmp_path, real_data, name, share):
        whole = real_data(name).read_bytes()
        (tmp_path / name).write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(DataFileError) as caught:
            only_frame(tmp_path / name)
        assert "\n" not in str(caught.value)

    def test_a_pickle_is_refused_and_its_code_never_runs(self, tmp_path):
        marker = tmp_path / "ran"

        class Bomb:
            def __reduce__(self):
                return Path.touch, (marker,)

        np.save(tmp_path / "object.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
        (tmp_path / "bare.npy").write_bytes(pickle.dumps(Bomb()))
        np.savez(tmp_path / "object.npz", a=np.array([Bomb()], dtype=object))
        for name in ("object.npy", "bare.npy", "object.npz"):
            with pytest.raises(DataFileError):
                only_frame(tmp_path / name)
        assert not marker.exists()

    def test_an_unknown_ending_lists_the_known_ones(self, tmp_path):
        with pytest.raises(DataFileError, match=r"'\.bmp'.*\.dm4"):
            read_frames(tmp_path / "a.bmp")

    def test_a_folder_is_called_a_folder(self, tmp_path):
        (tmp_path / "a.png").mkdir()
        with pytest.raises(DataFileError, match="is a folder"):
            read_frames(tmp_path / "a.png")

    @pytest.mark.parametrize(("ending", "package"), [(".png", "PIL"), (".tif", "tifffile"), (".h5", "h5py")])
    def test_a_missing_package_names_the_extra(self, tmp_path, monkeypatch, ending, package):
        path = save(tmp_path / f"a{ending}")
        for name in [name for name in sys.modules if name.split(".")[0] == package]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setattr(sys, "meta_path", [Absent(package), *sys.meta_path])
        with pytest.raises(DataFileError, match=rf"{package}.*shiftvae-rt\[io\]"):
            only_frame(path)


class Absent:
    """An import finder in whose world one package does not exist."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
