"""Nanonis scans, made here byte by byte and compared with an independent reader."""

from __future__ import annotations

import warnings
from pathlib import Path

import nanonispy2
import numpy as np
import pytest

from shiftvae_rt.cli import main
from shiftvae_rt.errors import DataFileError
from shiftvae_rt.files import ChoiceWarning, level_rows, read_frames

HEADER = """:NANONIS_VERSION:
2
:SCANIT_TYPE:
              FLOAT            MSBFIRST
:SCAN_PIXELS:
       {cols}       {rows}
:SCAN_RANGE:
           {width}           {height}
:SCAN_DIR:
{direction}
:COMMENT:
one line: with a colon
:DATA_INFO:
\tChannel\tName\tUnit\tDirection\tCalibration\tOffset
\t14\tZ\tm\tboth\t1.764E-8\t0.000E+0
\t0\tCurrent\tA\tforward\t3.330E-10\t0.000E+0

:SCANIT_END:


"""


def write_scan(path: Path, images, *, direction="down", width="4.0E-9", height="3.0E-9") -> Path:
    """Images in the order of the header: Z forward, Z backward, Current forward."""
    rows, cols = images[0].shape
    text = HEADER.format(rows=rows, cols=cols, width=width, height=height, direction=direction)
    path.write_bytes(text.encode() + b"\x1a\x04" + b"".join(image.astype(">f4").tobytes() for image in images))
    return path


@pytest.fixture
def images():
    return np.random.default_rng(0).normal(size=(3, 6, 8)).astype(np.float32)


def test_topography_forward_is_the_default_and_is_levelled(tmp_path, images):
    frame = read_frames(write_scan(tmp_path / "a.sxm", images))[0]
    np.testing.assert_array_equal(frame.pixels, level_rows(images[0]))
    assert frame.pixel_size_nm == pytest.approx((0.5, 0.5))
    assert frame.metadata["channel"] == "Z"
    assert "level_rows" in frame.metadata["levelled"]


def test_other_channels_are_read_raw(tmp_path, images):
    frame = read_frames(f"{write_scan(tmp_path / 'a.sxm', images)}::Current")[0]
    np.testing.assert_array_equal(frame.pixels, images[2])
    assert "levelled" not in frame.metadata
    assert frame.metadata["unit"] == "A"


def test_the_backward_image_is_mirrored_to_run_left_to_right(tmp_path, images):
    frame = read_frames(f"{write_scan(tmp_path / 'a.sxm', images)}::Z:backward")[0]
    np.testing.assert_array_equal(frame.pixels, level_rows(images[1][:, ::-1]))


def test_an_upward_scan_is_turned_so_that_y_is_down(tmp_path, images):
    frame = read_frames(f"{write_scan(tmp_path / 'a.sxm', images, direction='up')}::Current")[0]
    np.testing.assert_array_equal(frame.pixels, images[2][::-1])


def test_lines_that_an_aborted_scan_never_reached_are_cropped(tmp_path, images):
    images[:, 4:] = np.nan
    down = read_frames(f"{write_scan(tmp_path / 'down.sxm', images)}::Current")[0]
    up = read_frames(f"{write_scan(tmp_path / 'up.sxm', images, direction='up')}::Current")[0]
    np.testing.assert_array_equal(down.pixels, images[2][:4])
    np.testing.assert_array_equal(up.pixels, images[2][3::-1])
    assert "4 of 6 lines" in up.metadata["cropped"]
    assert up.pixel_size_nm == pytest.approx((0.5, 0.5))


def test_a_scan_without_any_line_is_refused(tmp_path, images):
    with pytest.raises(DataFileError, match="no scanned line"):
        read_frames(write_scan(tmp_path / "a.sxm", np.full_like(images, np.nan)))


def test_pixels_that_are_not_square_keep_both_edges(tmp_path, images):
    frame = read_frames(write_scan(tmp_path / "a.sxm", images, width="5.0E-9"))[0]
    assert frame.pixel_size_nm == pytest.approx((0.5, 0.625))


def test_an_unknown_channel_lists_the_channels(tmp_path, images):
    with pytest.raises(DataFileError, match="'Z', 'Z:backward', 'Current'"):
        read_frames(f"{write_scan(tmp_path / 'a.sxm', images)}::LI_X")


def test_a_truncated_scan_says_how_much_is_missing(tmp_path, images):
    path = write_scan(tmp_path / "a.sxm", images)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DataFileError, match=r"promises 3 images of 6 x 8 px \(576 bytes\), got 571"):
        read_frames(path)


def test_the_real_scan_agrees_with_an_independent_reader(real_data):
    path = real_data("STM_nanonis_generic_4_5.sxm")
    theirs = nanonispy2.read.Scan(str(path)).signals
    current = read_frames(f"{path}::Current")[0].pixels
    np.testing.assert_array_equal(current, theirs["Current"]["forward"])
    forward, backward = read_frames(path)[0].pixels, read_frames(f"{path}::Z:backward")[0].pixels
    assert np.corrcoef(forward.ravel(), backward.ravel())[0, 1] > 0.9
    assert np.corrcoef(forward.ravel(), backward[:, ::-1].ravel())[0, 1] < 0.5


def test_columns_of_the_channel_table_end_at_tabs_not_at_blanks(tmp_path, images):
    path = write_scan(tmp_path / "a.sxm", images)
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"\tCurrent\tA\tforward", b"\tLI Demod 1 X\tA (peak)\tforward"))
    frame = read_frames(f"{path}::LI Demod 1 X")[0]
    np.testing.assert_array_equal(frame.pixels, images[2])
    assert frame.metadata["unit"] == "A (peak)"


def test_an_amplitude_in_metres_is_not_levelled(tmp_path, images):
    path = write_scan(tmp_path / "a.sxm", images)
    path.write_bytes(path.read_bytes().replace(b"\tCurrent\tA\tforward", b"\tAmplitude\tm\tforward"))
    frame = read_frames(f"{path}::Amplitude")[0]
    np.testing.assert_array_equal(frame.pixels, images[2])
    assert "levelled" not in frame.metadata


def test_of_a_scan_of_constant_height_the_channel_that_varies_is_taken_and_named(tmp_path, images):
    images[0] = images[1] = 3e-9
    with pytest.warns(ChoiceWarning, match=r"s\.sxm: Z is constant.*Current is taken, which varies.*FILE::CHANNEL"):
        frame = read_frames(write_scan(tmp_path / "s.sxm", images))[0]
    np.testing.assert_array_equal(frame.pixels, images[2])
    assert frame.metadata["channel"] == "Current"
    assert "Z is constant" in frame.metadata["chosen"]
    assert read_frames(f"{tmp_path / 's.sxm'}::Z")[0].metadata["channel"] == "Z"


def test_the_command_says_which_channel_it_took(tmp_path, tiny_model, capsys):
    images = np.random.default_rng(0).normal(size=(3, 64, 64)).astype(np.float32)
    images[:2] = 3e-9
    scan = write_scan(tmp_path / "s.sxm", images, width="1.28E-9", height="1.28E-9")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert main(["map", str(tiny_model), str(scan), "-o", str(tmp_path / "m.npz")]) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if "Z is constant" in line]
    assert len(told) == 1
    assert told[0].startswith("shiftvae: warning: ")
    assert "Current is taken" in told[0]
