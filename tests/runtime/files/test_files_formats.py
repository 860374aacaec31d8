"""Formats of other instruments' programs, from files that those programs or their libraries wrote."""

from __future__ import annotations

import json
import shutil
import struct
import tracemalloc
import zlib
from pathlib import Path

import gwyfile
import mrcfile
import numpy as np
import pytest
import zarr
from gwyfile.objects import GwyContainer, GwyDataField, GwySIUnit
from igor2 import binarywave
from igorwriter import IgorWave
from ncempy.io.ser import serReader
from other_programs import write_createc, write_ser
from rsciio.tia import file_reader as read_tia

from shiftvae_rt.errors import DataFileError
from shiftvae_rt.files import level_rows, read_frames

RNG = np.random.default_rng(0)
IMAGE = RNG.normal(size=(20, 30)).astype(np.float32)
MOVIE = RNG.integers(0, 999, (3, 20, 30), dtype=np.int16)


def pixels_of(path) -> np.ndarray:
    frames = read_frames(path)
    return np.stack([frame.pixels for frame in frames])


class TestMrc:
    def save(self, path, data, *, voxel_a=2.0, order=(1, 2, 3)) -> Path:
        with mrcfile.new(path) as file:
            file.set_data(data)
            file.voxel_size = voxel_a
            file.header.mapc, file.header.mapr, file.header.maps = order
        return path

    def test_a_stack_of_mrcfile_gives_its_frames_and_the_pixel_size(self, tmp_path):
        path = self.save(tmp_path / "a.mrc", MOVIE)
        np.testing.assert_array_equal(pixels_of(path), MOVIE)
        assert read_frames(path)[1].pixel_size_nm == pytest.approx((0.2, 0.2))

    def test_an_image_is_one_frame(self, tmp_path):
        np.testing.assert_array_equal(pixels_of(self.save(tmp_path / "a.mrc", IMAGE)), [IMAGE])

    def test_a_cell_of_zero_gives_no_pixel_size(self, tmp_path):
        assert read_frames(self.save(tmp_path / "a.mrc", IMAGE, voxel_a=0))[0].pixel_size_nm is None

    def test_the_cell_goes_with_the_axes(self, tmp_path):
        cell = np.rec.array((3.0, 2.0, 1.0), dtype=[("x", "f4"), ("y", "f4"), ("z", "f4")])
        path = self.save(tmp_path / "a.mrc", IMAGE, voxel_a=cell)
        assert read_frames(path)[0].pixel_size_nm == pytest.approx((0.2, 0.3))

    def test_an_extended_header_is_skipped(self, tmp_path):
        with mrcfile.new(tmp_path / "a.mrc") as file:
            file.set_data(IMAGE)
            file.set_extended_header(np.zeros(3, "V128"))
        np.testing.assert_array_equal(pixels_of(tmp_path / "a.mrc"), [IMAGE])

    def test_complex_numbers_are_refused(self, tmp_path):
        with pytest.raises(DataFileError, match="mode 4"):
            read_frames(self.save(tmp_path / "a.mrc", IMAGE.astype(np.complex64)))


class TestSer:
    @pytest.mark.parametrize("count", [1, 3])
    def test_two_other_readers_agree(self, tmp_path, count):
        path = write_ser(tmp_path / "a.ser", MOVIE[:count])
        np.testing.assert_array_equal(pixels_of(path), MOVIE[:count])
        assert read_frames(path)[0].pixel_size_nm == pytest.approx((0.02, 0.02))
        ncempy = serReader(str(path))
        np.testing.assert_array_equal(np.reshape(ncempy["data"], MOVIE[:count].shape), MOVIE[:count])
        rosetta = read_tia(str(path))[0]["data"]
        np.testing.assert_array_equal(np.reshape(rosetta, MOVIE[:count].shape), MOVIE[:count])

    def test_steps_of_a_diffraction_pattern_are_no_pixel_size(self, tmp_path):
        path = write_ser(tmp_path / "a.ser", MOVIE, step_m=(2e7, 2e7))
        assert read_frames(path)[0].pixel_size_nm is None

    def test_the_last_frame_is_missed_when_the_file_ends_early(self, tmp_path):
        path = write_ser(tmp_path / "a.ser", MOVIE)
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(DataFileError, match="truncated"):
            read_frames(path)


class TestGwyddion:
    def save(self, path, channels, *, size_m=(4e-9, 6e-9), unit="m") -> Path:
        content = GwyContainer()
        for number, (title, data) in enumerate(channels.items()):
            content[f"/{number}/data/title"] = title
            field = GwyDataField(data.astype(np.float64), xreal=size_m[1], yreal=size_m[0])
            field.si_unit_xy, field.si_unit_z = GwySIUnit(unitstr=unit), GwySIUnit(unitstr="A")
            content[f"/{number}/data"] = field
        content["/filename"] = "scan.sxm"
        content.tofile(str(path))
        return path

    def test_a_channel_has_its_values_its_order_and_its_size(self, tmp_path):
        path = self.save(tmp_path / "a.gwy", {"Topography": IMAGE})
        np.testing.assert_array_equal(pixels_of(path), [IMAGE.astype(np.float64)])
        frame = read_frames(path)[0]
        assert frame.pixel_size_nm == pytest.approx((0.2, 0.2))
        assert frame.metadata["channel"] == "Topography"
        assert frame.metadata["unit"] == "A"
        assert "levelled" not in frame.metadata
        np.testing.assert_array_equal(
            gwyfile.util.get_datafields(gwyfile.load(str(path)))["Topography"].data, frame.pixels
        )

    def test_several_channels_are_named(self, tmp_path):
        path = self.save(tmp_path / "a.gwy", {"Topography": IMAGE, "Current": IMAGE + 1})
        with pytest.raises(DataFileError, match="'Topography', 'Current'"):
            read_frames(path)
        np.testing.assert_array_equal(pixels_of(f"{path}::Current"), [(IMAGE + 1).astype(np.float64)])

    def test_a_size_in_volts_is_no_pixel_size(self, tmp_path):
        assert read_frames(self.save(tmp_path / "a.gwy", {"Z": IMAGE}, unit="V"))[0].pixel_size_nm is None


class TestIgor:
    def save(self, path, data, *, step=2e-10, unit="m", labels=None) -> Path:
        """An Igor wave of ``(y, x)`` or ``(frames, y, x)`` with y down: Igor's runs along x first and y upwards."""
        wave = IgorWave(data.T[:, ::-1], name="scan")
        for axis in "xy":
            wave.set_dimscale(axis, 0, step, unit)
        for number, label in enumerate(labels or []):
            wave.set_dimlabel(2, number, label)
        wave.set_datascale("m")
        wave.save(str(path))
        return path

    @pytest.mark.parametrize("data", [IMAGE, MOVIE], ids=["image", "layers"])
    def test_an_image_is_turned_so_that_y_is_down(self, tmp_path, data):
        path = self.save(tmp_path / "a.ibw", data)
        np.testing.assert_array_equal(pixels_of(path), np.atleast_3d(data.T).T)
        assert read_frames(path)[0].pixel_size_nm == pytest.approx((0.2, 0.2))
        theirs = binarywave.load(str(path))["wave"]["wData"]
        np.testing.assert_array_equal(np.atleast_3d(theirs)[:, ::-1].T, pixels_of(path))

    def test_named_layers_are_channels_and_height_is_levelled(self, tmp_path):
        channels = np.stack([IMAGE, IMAGE + 1])
        path = self.save(tmp_path / "a.ibw", channels, labels=["HeightRetrace", "PhaseRetrace"])
        np.testing.assert_array_equal(pixels_of(f"{path}::PhaseRetrace"), [IMAGE + 1])
        levelled = read_frames(f"{path}::HeightRetrace")[0]
        np.testing.assert_array_equal(levelled.pixels, level_rows(IMAGE[::-1])[::-1])
        with pytest.raises(DataFileError, match="'HeightRetrace', 'PhaseRetrace'"):
            read_frames(path)

    def test_a_wave_of_one_axis_is_a_signal(self, tmp_path):
        wave = IgorWave(np.arange(50.0), name="line")
        wave.set_dimscale("x", 0, 0.5, "nm")
        wave.save(str(tmp_path / "a.ibw"))
        frame = read_frames(tmp_path / "a.ibw")[0]
        np.testing.assert_array_equal(frame.pixels, np.arange(50.0))
        assert frame.pixel_size_nm == (0.5, 0.5)


class TestCreatec:
    CHANNELS = RNG.normal(size=(4, 20, 30)).astype(np.float32)

    def test_topography_forward_is_the_default_and_is_levelled(self, tmp_path):
        path = write_createc(tmp_path / "a.dat", self.CHANNELS, size_a=(40.0, 60.0))
        frame = read_frames(path)[0]
        np.testing.assert_array_equal(frame.pixels, level_rows(self.CHANNELS[0]))
        assert frame.pixel_size_nm == pytest.approx((0.2, 0.2))
        assert frame.metadata["channel"] == "Z"

    @pytest.mark.parametrize(("name", "at"), [("Current", 1), ("Current:backward", 3), ("3", 3)])
    def test_other_channels_are_raw(self, tmp_path, name, at):
        path = write_createc(tmp_path / "a.dat", self.CHANNELS)
        np.testing.assert_array_equal(pixels_of(f"{path}::{name}"), [self.CHANNELS[at]])

    @pytest.mark.parametrize("version", ["Paramco32", "Paramet32", "Parameter"])
    def test_every_version(self, tmp_path, version):
        whole = np.rint(self.CHANNELS * 1000)
        path = write_createc(tmp_path / "a.dat", whole, version=version)
        np.testing.assert_array_equal(pixels_of(f"{path}::Current"), [whole[1]])

    def test_lines_that_an_aborted_scan_never_reached_are_cropped(self, tmp_path):
        aborted = self.CHANNELS.copy()
        aborted[:, 12:] = 0
        frame = read_frames(f"{write_createc(tmp_path / 'a.dat', aborted)}::Current")[0]
        np.testing.assert_array_equal(frame.pixels, aborted[1, :12])
        assert "12 of 20 lines" in frame.metadata["cropped"]

    def test_a_stream_that_unpacks_to_more_than_its_header_promises_takes_no_memory(self, tmp_path):
        path = write_createc(tmp_path / "a.dat", self.CHANNELS)
        head = path.read_bytes()[:16384]
        path.write_bytes(head + zlib.compress(bytes(4) + self.CHANNELS.tobytes() + bytes(64 << 20)))
        tracemalloc.start()
        np.testing.assert_array_equal(pixels_of(f"{path}::Current"), [self.CHANNELS[1]])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4 << 20

    def test_spectra_of_nanonis_are_named(self, tmp_path):
        (tmp_path / "a.dat").write_text("Experiment\tbias spectroscopy\n")
        with pytest.raises(DataFileError, match="Nanonis"):
            read_frames(tmp_path / "a.dat")


class TestZspy:
    FILE = Path(__file__).parents[1] / "data" / "hyperspy_movie.zspy"  # by HyperSpy 2.5.0 and Zarr 2.18.7
    MOVIE = (np.arange(3 * 8 * 10).reshape(3, 8, 10) * 7 % 1000).astype(np.uint16)

    @pytest.fixture(params=["zip", "folder"])
    def path(self, request, tmp_path):
        if request.param == "zip":
            return self.FILE
        shutil.unpack_archive(self.FILE, tmp_path / "movie.zspy", "zip")
        return tmp_path / "movie.zspy"

    def test_a_signal_of_hyperspy_gives_calibrated_frames(self, path):
        np.testing.assert_array_equal(pixels_of(path), self.MOVIE)
        frame = read_frames(path)[2]
        assert frame.pixel_size_nm == pytest.approx((0.02, 0.02))
        assert frame.metadata["title"] == "HAADF"

    def test_a_damaged_chunk_is_refused(self, tmp_path):
        shutil.unpack_archive(self.FILE, tmp_path / "movie.zspy", "zip")
        chunk = tmp_path / "movie.zspy/Experiments/HAADF/data/0/0/0"
        chunk.write_bytes(chunk.read_bytes()[:40])
        with pytest.raises(DataFileError):
            pixels_of(tmp_path / "movie.zspy")


class TestZarr:
    @pytest.mark.parametrize("zarr_format", [2, 3])
    def test_a_single_array(self, tmp_path, zarr_format):
        zarr.save_array(str(tmp_path / "a.zarr"), MOVIE, zarr_format=zarr_format)
        np.testing.assert_array_equal(pixels_of(tmp_path / "a.zarr"), MOVIE)

    @pytest.mark.parametrize("names", ["tyx", "xyt"])
    def test_dimension_names_decide(self, tmp_path, names):
        data = MOVIE.transpose(["tyx".index(name) for name in names])
        array = zarr.create_array(str(tmp_path / "a.zarr"), shape=data.shape, dtype=data.dtype, dimension_names=names)
        array[...] = data
        np.testing.assert_array_equal(pixels_of(tmp_path / "a.zarr"), MOVIE)

    def test_one_of_several_arrays_is_named(self, tmp_path):
        group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
        group.create_array("haadf", data=IMAGE)
        group.create_array("deep/abf", data=IMAGE + 1)
        with pytest.raises(DataFileError, match="'haadf', 'deep/abf'"):
            read_frames(tmp_path / "a.zarr")
        np.testing.assert_array_equal(pixels_of(f"{tmp_path / 'a.zarr'}::deep/abf"), [IMAGE + 1])

    @pytest.mark.parametrize("version", ["0.4", "0.5"])
    def test_an_image_of_ome_ngff_has_its_axes_and_its_scale(self, tmp_path, version):
        axes = [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"}]
        axes += [{"name": name, "type": "space", "unit": "nanometer"} for name in "yx"]
        scale = [{"type": "scale", "scale": [1, 1, 0.02, 0.02]}]
        levels = [{"path": "0", "coordinateTransformations": scale}]
        about = {"multiscales": [{"version": version, "axes": axes, "datasets": levels}]}
        group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2 if version == "0.4" else 3)
        group.create_array("0", data=MOVIE[:, None])
        group.attrs.update(json.loads(json.dumps(about if version == "0.4" else {"ome": about})))
        frames = read_frames(tmp_path / "a.zarr")
        np.testing.assert_array_equal([frame.pixels[0] for frame in frames], MOVIE)
        assert frames[0].pixel_size_nm == pytest.approx((0.02, 0.02))

    def test_a_damaged_chunk_is_refused(self, tmp_path):
        zarr.save_array(str(tmp_path / "a.zarr"), MOVIE)
        chunk = max((tmp_path / "a.zarr").rglob("*"), key=lambda file: file.stat().st_size if file.is_file() else 0)
        chunk.write_bytes(chunk.read_bytes()[:-20])
        with pytest.raises(DataFileError):
            pixels_of(tmp_path / "a.zarr")

    def test_an_empty_folder_is_no_store(self, tmp_path):
        (tmp_path / "a.zarr").mkdir()
        with pytest.raises(DataFileError, match="expected a Zarr"):
            read_frames(tmp_path / "a.zarr")


def test_an_igor_wave_of_a_mac_is_read_in_its_byte_order(tmp_path):
    wave = bytearray(64 + 320)
    struct.pack_into(">h", wave, 0, 5)
    struct.pack_into(">i", wave, 4, 320 + IMAGE.nbytes)
    struct.pack_into(">i", wave, 64 + 12, IMAGE.size)
    struct.pack_into(">h", wave, 64 + 16, 2)
    struct.pack_into(">4i", wave, 64 + 68, 30, 20, 0, 0)
    struct.pack_into(">4d", wave, 64 + 84, 2e-10, 2e-10, 1, 1)
    struct.pack_into("4s4s4s", wave, 64 + 148, b"m", b"m", b"m")
    (tmp_path / "a.ibw").write_bytes(bytes(wave) + IMAGE[::-1].astype(">f4").tobytes())
    np.testing.assert_array_equal(pixels_of(tmp_path / "a.ibw"), [IMAGE])
    np.testing.assert_array_equal(binarywave.load(str(tmp_path / "a.ibw"))["wave"]["wData"].T[::-1], IMAGE)
    assert read_frames(tmp_path / "a.ibw")[0].pixel_size_nm == pytest.approx((0.2, 0.2))
