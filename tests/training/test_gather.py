"""Whatever a program gives to train on comes out as frames with channels, height and width."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shiftvae_rt import DataFileError, Frame, FrameError, PixelSizeError
from shiftvae_training.gather import gather_scans


def noise(*shape):
    return np.random.default_rng(len(shape)).poisson(50, shape).astype(np.uint16)


@pytest.mark.parametrize(
    ("given", "options", "count", "shape"),
    [
        (noise(20, 24), {}, 1, (1, 20, 24)),
        (noise(3, 20, 24), {}, 3, (1, 20, 24)),
        (noise(2, 20, 24), {"channels": True}, 1, (2, 20, 24)),
        (noise(3, 2, 20, 24), {"channels": True}, 3, (2, 20, 24)),
        (noise(30), {"signals": True}, 1, (1, 1, 30)),
        (noise(3, 30), {"signals": True}, 3, (1, 1, 30)),
        (noise(2, 30), {"signals": True, "channels": True}, 1, (2, 1, 30)),
        (noise(3, 2, 30), {"signals": True, "channels": True}, 3, (2, 1, 30)),
        (Frame(noise(20, 24)), {}, 1, (1, 20, 24)),
        (Frame(noise(2, 20, 24)), {}, 1, (2, 20, 24)),
        ([noise(20, 24), noise(2, 20, 24), Frame(noise(20, 24))], {}, 4, (1, 20, 24)),
        ((noise(20, 24), noise(20, 24)), {}, 2, (1, 20, 24)),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_arrays_and_frames_and_lists_of_them(given, options, count, shape):
    scans = gather_scans(given, **options)
    assert [frame.shape for frame in scans.frames] == [shape] * count
    assert sum(source.frames for source in scans.sources) == count
    assert scans.pixel_size_nm is None


def test_pixels_are_those_that_were_given_and_are_not_copied():
    pixels = noise(20, 24)
    (frame,) = gather_scans(pixels).frames
    assert np.shares_memory(frame, pixels)
    assert not frame.flags.writeable
    assert pixels.flags.writeable


@pytest.fixture
def file(tmp_path) -> Path:
    np.save(tmp_path / "scan.npy", noise(3, 20, 24))
    return tmp_path / "scan.npy"


@pytest.mark.parametrize("kind", [str, Path], ids=["text", "path"])
def test_a_path_is_read_as_the_command_reads_it(file, kind):
    scans = gather_scans(kind(file))
    assert len(scans.frames) == 3
    assert scans.sources[0].name == "scan.npy"


def test_a_list_may_mix_files_and_arrays(file):
    scans = gather_scans([noise(20, 24), file, noise(20, 24), noise(20, 24)])
    assert [(source.name, source.frames) for source in scans.sources] == [
        ("frame 0", 1),
        ("scan.npy", 3),
        ("frames in memory", 2),
    ]
    assert len({source.sha256 for source in scans.sources}) == 3


def test_the_hash_tells_other_pixels_shapes_and_dtypes_apart():
    pixels = noise(20, 24)
    others = [pixels, pixels + 1, pixels.astype(np.int16), pixels.reshape(24, 20), pixels[::-1]]
    assert len({gather_scans(other).sources[0].sha256 for other in others}) == len(others)
    assert gather_scans(pixels.copy()).sources == gather_scans(pixels).sources


def test_a_pixel_size_that_is_given_counts_for_all():
    known = Frame(noise(20, 24), (0.02, 0.02))
    assert gather_scans(known).pixel_size_nm == (0.02, 0.02)
    assert gather_scans(known, pixel_size_nm=0.03).pixel_size_nm == (0.03, 0.03)
    assert gather_scans([known, noise(20, 24)], pixel_size_nm=(0.03, 0.04)).pixel_size_nm == pytest.approx((0.03, 0.04))
    with pytest.raises(PixelSizeError, match="0.02 to 0.03"):
        gather_scans([known, Frame(noise(20, 24), 0.03)])


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        (noise(20), {}, r"\(height, width\) or \(frames, height, width\), got shape \(20,\)"),
        (noise(2, 2, 20, 24), {}, r"got shape \(2, 2, 20, 24\); channels=True"),
        (noise(20, 24), {"channels": True}, r"\(channels, height, width\).*got shape \(20, 24\)"),
        (noise(2, 2, 20, 24), {"signals": True}, r"\(length,\) or \(frames, length\)"),
        ([], {}, "empty list"),
        (np.array("scan"), {}, r"got shape \(\)"),
        (noise(20, 24).astype(complex), {}, "complex"),
        (np.full((20, 24), 7), {}, "int64"),
        (np.full((20, 24), np.nan), {}, "480 of 480 pixels are NaN"),
        ([noise(20, 24), noise(2, 20, 24)[:, 0]], {"pixel_size_nm": 0.0}, "above 0 nm"),
    ],
)
def test_what_is_no_frame_is_said(given, options, message):
    with pytest.raises(FrameError, match=message):
        gather_scans(given, **options)


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(DataFileError, match=r"nowhere\.npy"):
        gather_scans("nowhere.npy")
