"""TIFF files that tifffile, Pillow and ImageJ's conventions write: photometry, samples, compression, calibration."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image

from shiftvae_rt.errors import DataFileError
from shiftvae_rt.files import read_frames

GREY = np.random.default_rng(0).integers(0, 255, (24, 32), dtype=np.uint8)
SIX = np.random.default_rng(1).integers(0, 60000, (24, 32, 6), dtype=np.uint16)


def only(path, **options):
    frames = read_frames(path, **options)
    assert len(frames) == 1
    return frames[0].pixels


@pytest.fixture
def file(tmp_path):
    return tmp_path / "a.tif"


class TestPhotometry:
    @pytest.mark.parametrize(("dtype", "most"), [("uint8", 255), ("uint16", 65535)])
    def test_white_is_zero_is_turned_to_brightness(self, file, dtype, most):
        stored = GREY.astype(dtype)
        tifffile.imwrite(file, stored, photometric="miniswhite")
        np.testing.assert_array_equal(only(file), most - stored)
        assert only(file).dtype == dtype

    def test_white_is_zero_in_every_frame_of_a_stack(self, file):
        stack = np.stack([GREY, GREY[::-1]])
        tifffile.imwrite(file, stack, photometric="miniswhite")
        np.testing.assert_array_equal([frame.pixels for frame in read_frames(file)], 255 - stack)

    def test_a_palette_is_looked_up(self, file):
        ramp = np.repeat((np.arange(256, dtype=np.uint16)[::-1] * 257)[None], 3, axis=0)
        tifffile.imwrite(file, GREY, photometric="palette", colormap=ramp)
        np.testing.assert_array_equal(only(file), (255 - GREY.astype(np.uint16)) * 257)

    def test_a_group_4_fax_is_read_as_drawn(self, file):
        bits = GREY > 127
        Image.fromarray(bits).save(file, compression="group4")
        np.testing.assert_array_equal(only(file), bits)

    def test_pixels_that_are_neither_grey_nor_colour_are_refused_by_name(self, file):
        Image.fromarray(np.zeros((24, 32, 4), np.uint8), "CMYK").save(file)
        with pytest.raises(DataFileError, match="SEPARATED"):
            read_frames(file)


class TestSamples:
    @pytest.mark.parametrize("planar", ["contig", "separate"])
    def test_grey_stored_as_rgb_is_one_frame(self, file, planar):
        rgb = np.stack([GREY] * 3, axis=-1 if planar == "contig" else 0)
        tifffile.imwrite(file, rgb, photometric="rgb", planarconfig=planar)
        np.testing.assert_array_equal(only(file), GREY)

    @pytest.mark.parametrize("planar", ["contig", "separate"])
    def test_frames_of_colour_stay_frames(self, file, planar):
        movie = np.stack([np.stack([image] * 3, axis=-1 if planar == "contig" else 0) for image in (GREY, GREY[::-1])])
        tifffile.imwrite(file, movie, photometric="rgb", planarconfig=planar)
        np.testing.assert_array_equal([frame.pixels for frame in read_frames(file)], [GREY, GREY[::-1]])

    @pytest.mark.filterwarnings("ignore:<tifffile.TiffWriter.write>:DeprecationWarning")
    @pytest.mark.parametrize("dtype", ["float32", "uint16"])
    def test_three_frames_that_tifffile_tags_as_planes_of_a_colour_are_asked_for(self, file, dtype):
        movie = np.moveaxis(SIX[..., :3], -1, 0).astype(dtype)
        tifffile.imwrite(file, movie)
        with pytest.raises(DataFileError, match="'all', 'grey'"):
            read_frames(file)
        np.testing.assert_array_equal(only(f"{file}::1"), movie[1])

    @pytest.mark.parametrize("planar", ["contig", "separate"])
    def test_six_samples_are_asked_for(self, file, planar):
        stored = SIX if planar == "contig" else np.moveaxis(SIX, -1, 0)
        tifffile.imwrite(file, stored, photometric="minisblack", planarconfig=planar, extrasamples=[0] * 5)
        with pytest.raises(DataFileError, match=r"7 samples \('0'") as caught:
            read_frames(file)
        assert "::NAME" in str(caught.value)
        np.testing.assert_array_equal(only(f"{file}::4"), SIX[..., 4])
        np.testing.assert_array_equal(only(f"{file}::all"), np.moveaxis(SIX, -1, 0))

    def test_a_second_sample_without_an_alpha_tag_is_a_detector_to_ask_for(self, file):
        two = SIX[..., :2]
        tifffile.imwrite(file, two, photometric="minisblack", planarconfig="contig", extrasamples=["unspecified"])
        with pytest.raises(DataFileError, match="'0', '1', 'all'"):
            read_frames(file)
        np.testing.assert_array_equal(only(f"{file}::1"), two[..., 1])

    @pytest.mark.parametrize("alpha", ["unassalpha", "assocalpha"])
    def test_a_second_sample_with_an_alpha_tag_is_dropped(self, file, alpha):
        two = SIX[..., :2]
        tifffile.imwrite(file, two, photometric="minisblack", planarconfig="contig", extrasamples=[alpha])
        np.testing.assert_array_equal(only(file), two[..., 0])

    def test_samples_of_one_of_several_series_are_named_with_it(self, file):
        with tifffile.TiffWriter(file) as writer:
            writer.write(GREY)
            writer.write(SIX[..., :2], photometric="minisblack", planarconfig="contig", extrasamples=["unspecified"])
        np.testing.assert_array_equal(only(f"{file}::0"), GREY)
        np.testing.assert_array_equal(only(f"{file}::1/1"), SIX[..., 1])


class TestCompression:
    @pytest.mark.parametrize("compression", ["lzw", "zlib", "packbits", "zstd", "lerc"])
    def test_lossless_ones_give_the_values(self, file, compression):
        tifffile.imwrite(file, SIX[..., 0], compression=compression, predictor=compression in ("lzw", "zlib"))
        np.testing.assert_array_equal(only(file), SIX[..., 0])

    def test_jpeg_gives_nearly_the_values(self, file):
        smooth = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
        tifffile.imwrite(file, smooth, compression="jpeg", compressionargs={"level": 95})
        assert np.abs(only(file).astype(int) - smooth).max() <= 4

    def test_jpeg_of_colour_is_grey_again(self, file):
        smooth = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
        tifffile.imwrite(file, np.stack([smooth] * 3, axis=-1), photometric="rgb", compression="jpeg")
        assert np.abs(only(file).astype(int) - smooth).max() <= 4

    def test_without_imagecodecs_the_extra_is_named(self, file, monkeypatch):
        tifffile.imwrite(file, GREY, compression="lzw")

        def absent(*arguments, **options):
            raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

        monkeypatch.setattr(tifffile.TiffPage, "asarray", absent)
        monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", absent)
        with pytest.raises(DataFileError, match=r"imagecodecs.*shiftvae-rt\[io\]"):
            only(file)


class TestAxes:
    @pytest.mark.parametrize("axes", ["TZCYX", "ZTCYX", "CTYX", "TCYX", "ZYX"])
    def test_every_axis_that_is_no_channel_counts_frames(self, file, axes):
        sizes = {"T": 2, "Z": 3, "C": 4, "Y": 24, "X": 32}
        pixels = np.random.default_rng(2).integers(0, 99, [sizes[a] for a in axes], dtype=np.uint16)
        tifffile.imwrite(file, pixels, ome=True, metadata={"axes": axes}, photometric="minisblack")
        frames = read_frames(file)
        channels = 4 if "C" in axes else None
        assert len(frames) == pixels.size // (24 * 32 * (channels or 1))
        assert frames[0].pixels.shape == ((4, 24, 32) if channels else (24, 32))
        ordered = np.moveaxis(pixels, axes.index("C"), -3) if channels else pixels
        flat = ordered.reshape(-1, *frames[0].pixels.shape)
        np.testing.assert_array_equal([frame.pixels for frame in frames], flat)

    @pytest.mark.parametrize("compression", [None, "zlib"])
    @pytest.mark.parametrize("byteorder", ["<", ">"])
    def test_a_stack_is_the_same_in_any_byte_order_and_compressed(self, file, compression, byteorder):
        movie = np.random.default_rng(3).normal(size=(3, 24, 32)).astype(np.float32)
        tifffile.imwrite(file, movie, compression=compression, byteorder=byteorder, photometric="minisblack")
        np.testing.assert_array_equal([frame.pixels for frame in read_frames(file)], movie)


class TestCalibration:
    def test_each_image_of_an_ome_file_has_its_own_pixel_size(self, file):
        with tifffile.TiffWriter(file, ome=True) as writer:
            for size, unit in ((0.02, "nm"), (0.5, "µm"), (3, None)):
                about = {"axes": "YX", "PhysicalSizeX": size, "PhysicalSizeY": size}
                about |= {"PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit} if unit else {}
                writer.write(GREY, metadata=about)
        sizes = [read_frames(f"{file}::{number}")[0].pixel_size_nm for number in range(3)]
        assert sizes == [pytest.approx((nm, nm)) for nm in (0.02, 500, 3000)]

    @pytest.mark.parametrize("unit", ["\\u00B5m", "\\u00b5m", "um", "micron", "microns"])
    def test_every_way_to_write_a_micrometre(self, file, unit):
        tifffile.imwrite(file, GREY, imagej=True, resolution=(2, 2), metadata={"unit": unit})
        assert read_frames(file)[0].pixel_size_nm == pytest.approx((500, 500))

    @pytest.mark.parametrize(
        "raw", [b"\xb5m", b"\xc2\xb5m", b"\xce\xbcm"], ids=["latin-1", "utf-8 micro sign", "utf-8 mu"]
    )
    def test_a_raw_micro_sign_is_one_too(self, file, raw):
        stand_in = "?" * (len(raw) - 1) + "m"
        tifffile.imwrite(file, GREY, imagej=True, resolution=(2, 2), metadata={"unit": stand_in})
        file.write_bytes(file.read_bytes().replace(b"unit=" + stand_in.encode(), b"unit=" + raw))
        assert read_frames(file)[0].pixel_size_nm == pytest.approx((500, 500))

    def test_imagej_may_have_another_unit_along_y(self, file):
        tifffile.imwrite(file, GREY, imagej=True, resolution=(2, 2000), metadata={"unit": "nm", "yunit": "um"})
        assert read_frames(file)[0].pixel_size_nm == pytest.approx((0.5, 0.5))
