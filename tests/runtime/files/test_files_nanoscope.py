"""NanoScope images of Bruker, made here byte by byte from the description of the format."""

from __future__ import annotations

import numpy as np
import pytest
from other_programs import write_nanoscope

from shiftvae_rt.errors import DataFileError
from shiftvae_rt.files import level_rows, read_frames


@pytest.fixture
def images():
    """Three channels that look different from any side."""
    values = np.random.default_rng(0).integers(-30000, 30000, (3, 6, 8)).astype(np.int16)
    return dict(zip(("Amplitude Error", "Height", "Phase"), values, strict=True))


def test_topography_is_the_default_and_is_levelled_from_the_first_stored_line(tmp_path, images):
    frame = read_frames(write_nanoscope(tmp_path / "a.spm", images))[0]
    np.testing.assert_array_equal(frame.pixels, level_rows(images["Height"][::-1])[::-1])
    assert frame.metadata["channel"] == "Height"
    assert "level_rows" in frame.metadata["levelled"]
    assert frame.metadata["scale"] == "V [Sens. Zsens] (0.000375 V/LSB) 24.576 V"


@pytest.mark.parametrize("dtype", [np.int16, np.int32])
def test_other_channels_are_the_numbers_of_the_converter(tmp_path, images, dtype):
    wide = {name: image.astype(dtype) * (1 if dtype == np.int16 else 70000) for name, image in images.items()}
    frame = read_frames(f"{write_nanoscope(tmp_path / 'a.spm', wide)}::Phase")[0]
    np.testing.assert_array_equal(frame.pixels, wide["Phase"])
    assert frame.pixels.dtype == dtype
    assert "levelled" not in frame.metadata


@pytest.mark.parametrize(
    ("size", "edges"),
    [
        ("500 375 nm", (62.5, 62.5)),
        ("0.5 0.375 ~m", (62.5, 62.5)),
        ("800 300 nm", (50.0, 100.0)),
        ("500 nm", None),  # of a square, which 6 x 8 px are not
        ("10 10 V", None),
    ],
)
def test_the_scan_size_is_width_before_height(tmp_path, images, size, edges):
    found = read_frames(f"{write_nanoscope(tmp_path / 'a.spm', images, size=size)}::Phase")[0].pixel_size_nm
    assert found == (None if edges is None else pytest.approx(edges))


def test_one_edge_is_that_of_a_square(tmp_path, images):
    path = write_nanoscope(tmp_path / "a.spm", {"Phase": images["Phase"][:, :6]}, size="600 nm")
    assert read_frames(path)[0].pixel_size_nm == pytest.approx((100.0, 100.0))


def test_of_two_channels_of_one_name_the_retrace_is_the_backward_one(tmp_path, images):
    pair = {"Height:1": images["Height"], "Height:2": images["Phase"]}
    path = write_nanoscope(tmp_path / "a.spm", pair, directions=("Trace", "Retrace"))
    trace, retrace = read_frames(path)[0], read_frames(f"{path}::Height:backward")[0]
    np.testing.assert_array_equal(trace.pixels, level_rows(images["Height"][::-1])[::-1])
    np.testing.assert_array_equal(retrace.pixels, level_rows(images["Phase"][::-1])[::-1])


def test_lines_that_were_not_scanned_are_cropped(tmp_path, images):
    further = "Valid data start X: 0\nValid data start Y: 2\nValid data len X: 8\nValid data len Y: 4"
    frame = read_frames(f"{write_nanoscope(tmp_path / 'a.spm', images, further=further)}::Phase")[0]
    np.testing.assert_array_equal(frame.pixels, images["Phase"][:4])
    assert "4 of 6 lines" in frame.metadata["cropped"]


def test_an_unknown_channel_lists_the_channels(tmp_path, images):
    with pytest.raises(DataFileError, match="'Amplitude Error', 'Height', 'Phase'"):
        read_frames(f"{write_nanoscope(tmp_path / 'a.spm', images)}::Deflection")


def test_without_topography_the_channel_is_asked_for(tmp_path, images):
    del images["Height"]
    with pytest.raises(DataFileError, match=r"holds 2 channels \('Amplitude Error', 'Phase'\)"):
        read_frames(write_nanoscope(tmp_path / "a.spm", images))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda raw: raw[:-5], r"promises an image of 6 x 8 px \(96 bytes from byte 41152\), got 41243"),
        (lambda raw: raw[:300], "does not end with"),
        (lambda raw: raw.replace(b"*File list\r", b"*Force file list\r"), "not a NanoScope image"),
        (lambda raw: raw.replace(b"Data length: 96", b"Data length: 97"), "gives 97 bytes to an image of 6 x 8 px"),
        (lambda raw: raw.replace(b"Samps/line: 8", b"Samps/line: 0"), "6 x 0 px"),
        (lambda raw: raw.replace(b"*Ciao image list", b"*Other image list"), "no channel that could be a frame"),
    ],
    ids=["end", "header", "force", "length", "empty", "none"],
)
def test_what_is_no_whole_image_is_told_why(tmp_path, images, change, reason):
    path = write_nanoscope(tmp_path / "a.spm", images)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataFileError, match=reason):
        read_frames(f"{path}::2" if "promises" in reason else path)
