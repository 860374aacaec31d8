"""Every reader, with every dtype, byte order, memory order, calibration and number of frames that its writers write.

A file is right in values, axes, order and pixel size, or refused on one line. What comes out cannot be written to.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import mrcfile
import numpy as np
import pytest
import tifffile
import zarr
from gwyfile.objects import GwyContainer, GwyDataField, GwySIUnit
from igorwriter import IgorWave
from ncempy.io.emd import fileEMD
from other_programs import write_createc, write_nanoscope, write_ser
from PIL import Image
from rsciio.emd import file_writer as rosetta_emd
from rsciio.hspy import file_writer as rosetta_hspy
from test_files_microscope import signal
from test_files_nanonis import HEADER

from shiftvae_rt import LatentMapper
from shiftvae_rt.errors import DataFileError
from shiftvae_rt.files import level_rows, read_frames
from shiftvae_rt.frame import DTYPES

SHAPE = (24, 32)
#: Edges of a pixel along y and x, nm: they differ, so that a reader that swaps them is found out.
Y_NM, X_NM = 0.02, 0.03
INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")
ALL = (*INTEGERS, "float16", "float32", "float64", "bool")


@dataclass(frozen=True)
class Format:
    """A way to write a file, and what it can say.

    `write` takes a path and an array ``(height, width)`` or ``(frames, height, width)`` of any memory order.
    """

    ending: str
    write: Callable[[Path, np.ndarray], object]
    dtypes: tuple[str, ...] = ALL
    byte_orders: str = "<"
    stacks: bool = True
    calibrated: bool = False
    name: str = ""
    read: Callable[[np.ndarray], np.ndarray] = field(default=lambda image: image)

    def __str__(self) -> str:
        return self.name or self.ending


def hdf5(path, data):
    with h5py.File(path, "w") as file:
        file["scan"] = data


def ncempy(path, data):
    names = "tyx"[-data.ndim :]
    steps = {"t": (1.0, "[s]"), "y": (Y_NM, "[n_m]"), "x": (X_NM, "[n_m]")}
    dims = [(np.arange(n) * steps[name][0], name, steps[name][1]) for n, name in zip(data.shape, names, strict=True)]
    with fileEMD(str(path), readonly=False) as file:
        file.put_emdgroup("scan", data, dims)


def by_rosetta(write):
    def save(path, data):
        axes = [("time", 1.0, "s", True), ("y", 10 * Y_NM, "Å", False), ("x", 10 * X_NM, "Å", False)]
        write(str(path), signal(np.ascontiguousarray(data), axes[-data.ndim :]))

    return save


def mrc(path, data):
    with mrcfile.new(path) as file:
        file.set_data(data)
        file.voxel_size = (10 * X_NM, 10 * Y_NM, 1.0)


def ome(path, data):
    about = {"axes": "TYX"[-data.ndim :], "PhysicalSizeX": X_NM / 1000, "PhysicalSizeY": Y_NM / 1000}
    tifffile.imwrite(path, data, ome=True, metadata=about, photometric="minisblack")


def tiff(path, data):
    tifffile.imwrite(path, data, photometric="minisblack", byteorder=">" if data.dtype.str[0] == ">" else "<")


def compressed(path, data):
    tifffile.imwrite(path, data, photometric="minisblack", compression="lzw", predictor=True)


def imagej(path, data):
    axes = {"axes": "TYX"[-data.ndim :], "unit": "nm"}
    tifffile.imwrite(path, data, imagej=True, resolution=(1 / X_NM, 1 / Y_NM), metadata=axes)


def store(path, data):
    array = zarr.create_array(str(path), shape=data.shape, dtype=data.dtype, dimension_names="tyx"[-data.ndim :])
    array[...] = data


def gwyddion(path, data):
    container = GwyContainer()
    container["/0/data/title"] = "Topography"
    container["/0/data"] = GwyDataField(data.astype("<f8"), xreal=SHAPE[1] * X_NM * 1e-9, yreal=SHAPE[0] * Y_NM * 1e-9)
    container["/0/data"].si_unit_xy = GwySIUnit(unitstr="m")
    container.tofile(str(path))


def igor(path, data):
    wave = IgorWave(np.asarray(data.T[:, ::-1], order="C"), name="scan", int64_support=True)
    for axis, step in (("x", X_NM), ("y", Y_NM)):
        wave.set_dimscale(axis, 0, 1e-9 * step, "m")
    wave.save(str(path))


def nanonis(path, data):
    rows, cols = data.shape
    size = {"width": cols * X_NM * 1e-9, "height": rows * Y_NM * 1e-9}
    text = HEADER.format(rows=rows, cols=cols, direction="down", **size)
    path.write_bytes(text.encode() + b"\x1a\x04" + np.stack([data] * 3).astype(">f4").tobytes())


def createc(path, data):
    write_createc(path, np.stack([data] * 2), size_a=(SHAPE[0] * Y_NM * 10, SHAPE[1] * X_NM * 10))


def nanoscope(path, data):
    size = f"{SHAPE[1] * X_NM} {SHAPE[0] * Y_NM} nm"
    write_nanoscope(path, {"Phase": data}, size=size)


def ser(path, data):
    write_ser(path, data if data.ndim == 3 else data[None], step_m=(1e-9 * Y_NM, 1e-9 * X_NM))


FLOATS = ("float32", "float64")
FORMATS = [
    Format(".npy", np.save, byte_orders="<>"),
    Format(".npz", lambda path, data: np.savez(path, scan=data), byte_orders="<>"),
    Format(".h5", hdf5, byte_orders="<>"),
    Format(".hdf5", hdf5, ("float32", "uint16"), "<>"),
    Format(".hf5", hdf5, ("float32", "uint16"), "<>"),
    Format(".emd", ncempy, ALL[:-1], "<>", calibrated=True, name="emd-ncempy"),
    Format(".emd", by_rosetta(rosetta_emd), ALL[:-1], calibrated=True, name="emd-hyperspy"),
    Format(".hspy", by_rosetta(rosetta_hspy), calibrated=True),
    Format(".zarr", store, byte_orders="<>"),
    Format(".mrc", mrc, ("int8", "int16", "uint16", "float32", "float16"), "<>", calibrated=True),
    Format(".ser", ser, ("uint8", "int8", "uint16", "int16", "uint32", "int32", *FLOATS), calibrated=True),
    Format(".tif", tiff, byte_orders="<>", name="tif-plain"),
    Format(".tiff", compressed, ("uint8", "uint16", "int16", "uint32", "int32"), name="tiff-lzw"),
    Format(".tif", ome, (*INTEGERS[:6], *FLOATS), calibrated=True, name="tif-ome"),
    Format(".tif", imagej, ("uint8", "uint16", "float32"), calibrated=True, name="tif-imagej"),
    Format(".png", lambda path, data: Image.fromarray(data).save(path), ("uint8", "uint16", "bool"), stacks=False),
    Format(".gwy", gwyddion, ("float64",), stacks=False, calibrated=True),
    Format(".ibw", igor, INTEGERS + FLOATS, calibrated=True),
    Format(".sxm", nanonis, ("float32",), stacks=False, calibrated=True, read=level_rows),
    Format(".spm", nanoscope, ("int16", "int32"), stacks=False, calibrated=True),
    Format(".dat", createc, ("float32",), stacks=False, calibrated=True, read=level_rows),
]


def made(dtype: str, order: str, byte_order: str = "<", frames: int = 1) -> np.ndarray:
    """An array that looks different from any side; in read-only memory, so that no writer or reader changes it."""
    shape = SHAPE if frames == 1 else (frames, *SHAPE)
    values = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 100, shape)
    kind = np.dtype(dtype) if byte_order == "<" else np.dtype(dtype).newbyteorder(byte_order)
    array = np.asarray(values, kind, order=order)
    array.flags.writeable = False
    return array


def cases():
    for form in FORMATS:
        for dtype in form.dtypes:
            for byte_order in form.byte_orders if np.dtype(dtype).itemsize > 1 else "<":
                for order in "CF":
                    for frames in (1, 3) if form.stacks else (1,):
                        label = f"{form}-{byte_order}{dtype}-{order}-{frames}"
                        yield pytest.param(form, dtype, byte_order, order, frames, id=label)


@pytest.mark.parametrize(("form", "dtype", "byte_order", "order", "frames"), list(cases()))
def test_a_file_is_right_in_values_axes_order_and_calibration(tmp_path, form, dtype, byte_order, order, frames):
    data = made(dtype, order, byte_order, frames)
    before = data.copy()
    path = tmp_path / f"scan{form.ending}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the writers
        form.write(path, data)
    stack = read_frames(path, dimensions=2)
    assert len(stack) == frames
    for frame, image in zip(stack, data.reshape(-1, *SHAPE), strict=True):
        np.testing.assert_array_equal(frame.pixels, form.read(image))
        assert frame.pixels.dtype.name in DTYPES
        assert not frame.pixels.flags.writeable
        assert frame.pixel_size_nm == (pytest.approx((Y_NM, X_NM), rel=1e-4) if form.calibrated else None)
        assert frame.metadata["file"] == path.name
    np.testing.assert_array_equal(data, before)


@pytest.mark.parametrize("form", FORMATS, ids=str)
def test_what_was_read_is_mapped_like_the_array_that_was_written(tmp_path, tiny_model, form):
    data = made("float32" if "float32" in form.dtypes else form.dtypes[0], "C")
    form.write(tmp_path / f"scan{form.ending}", data)
    mapper = LatentMapper(tiny_model)
    frame = read_frames(tmp_path / f"scan{form.ending}")[0]
    np.testing.assert_array_equal(mapper.map(frame.pixels).mean, mapper.map(form.read(data)).mean)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [*DTYPES, ">u2", ">f4", ">f8"])
def test_a_frame_in_memory_that_nobody_may_write_to_is_mapped(tmp_path, mapper, dtype, order):
    np.save(tmp_path / "scan.npy", made(dtype.lstrip(">"), order, ">" if dtype[0] == ">" else "<"))
    protected = np.load(tmp_path / "scan.npy", mmap_mode="r")
    before = np.array(protected)
    np.testing.assert_array_equal(mapper.map(protected).mean, mapper.map(np.array(before, order="C")).mean)
    np.testing.assert_array_equal(protected, before)


FILES = [form for form in FORMATS if form.ending != ".zarr"]


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 0.9, 0.97])
@pytest.mark.parametrize("form", FILES, ids=str)
def test_a_truncated_file_is_refused_on_one_line_or_right(tmp_path, form, share):
    """Some formats end in a part that nobody needs; what is read must be what was written."""
    data = made("float32" if "float32" in form.dtypes else form.dtypes[0], "C", frames=3 if form.stacks else 1)
    path = tmp_path / f"scan{form.ending}"
    form.write(path, data)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    check_right_or_one_line(path, form, data)


@pytest.mark.parametrize("form", FILES, ids=str)
def test_a_flipped_byte_in_the_head_of_a_file_ends_in_frames_or_on_one_line(tmp_path, form):
    data = made("float32" if "float32" in form.dtypes else form.dtypes[0], "C", frames=3 if form.stacks else 1)
    path = tmp_path / f"scan{form.ending}"
    form.write(path, data)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(0, min(len(whole), 1500), 60):
        damaged = bytearray(whole)
        damaged[place] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        check_right_or_one_line(path, form, None)


def check_right_or_one_line(path: Path, form: Format, data: np.ndarray | None) -> None:
    """Read all frames; they are those of `data` if that is given, or a `DataFileError` of one line is raised."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            frames = [frame.pixels for frame in read_frames(path)]
    except DataFileError as error:
        assert "\n" not in str(error)  # noqa: PT017 - both outcomes are right
        return
    if data is not None:
        images = data.reshape(-1, *SHAPE)
        assert len(frames) == len(images)
        for frame, image in zip(frames, images, strict=True):
            np.testing.assert_array_equal(frame, form.read(image))


def test_every_ending_that_is_read_is_in_the_matrix_or_tested_elsewhere():
    from shiftvae_rt.files.formats import READERS

    elsewhere = {
        ".dm3",
        ".dm4",
        ".zspy",
        ".jpg",
        ".jpeg",
    }  # real files, test_files_formats, test_files_reading
    assert {form.ending for form in FORMATS} | elsewhere == set(READERS)


def test_the_page_and_the_help_name_every_format(capsys):
    from shiftvae_rt.cli import main
    from shiftvae_rt.files.formats import READERS

    with pytest.raises(SystemExit):
        main(["map", "--help"])
    root = Path(__file__).parents[3]
    aliases = {".tiff", ".jpeg", ".h5", ".hf5"}
    pages = [(root / name).read_text() for name in ("README.md", "docs/reference/files.md")]
    for where in (capsys.readouterr().out, *pages):
        for ending in set(READERS) - aliases:
            assert ending in where, ending
