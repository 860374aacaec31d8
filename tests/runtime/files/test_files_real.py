"""The real files: what each holds, as its instrument wrote it."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from shiftvae_rt.errors import DataFileError
from shiftvae_rt.files import level_rows, read_frames

FILES = [
    ("BTO_crystal_1.dm4", (413, 469), "float32", 0.02966),
    ("DMReader_Image_SI-Survey.dm3", (512, 512), "uint32", None),
    ("FigS6_0716__Cryo_NSMO110_5-1Mx_0p5us_1024px_REGISTERED.tif", (898, 963), "float32", None),
    ("G-GrainBoundary-4nm.hdf5", (512, 512), "float32", None),
    ("Grain_boundry_gold_512px.png", (512, 512), "uint8", None),
    ("LLTO.jpg", (512, 512), "uint8", None),
    ("STM_nanonis_generic_4_5.sxm", (256, 256), "float32", 4.0 / 256),
    ("TwinBoundary.emd", (1024, 1024), "uint16", 0.0080064),
    ("example_Se_implanted_MoS2.dm3", (1024, 1024), "uint32", 13.0 / 1024),
    ("EELS_STO.dm3", (2048,), "float32", None),
]


@pytest.mark.parametrize(("name", "shape", "dtype", "nm"), FILES, ids=[name for name, *_ in FILES])
def test_real_file(real_data, name, shape, dtype, nm):
    frames = read_frames(real_data(name))
    assert len(frames) == 1
    pixels = frames[0].pixels
    assert (pixels.shape, pixels.dtype.name) == (shape, dtype)
    assert np.isfinite(pixels).all()
    assert pixels.std() > 0
    assert frames[0].pixel_size_nm == (None if nm is None else pytest.approx((nm, nm), rel=1e-4))


def test_the_movie_gives_its_114_frames(real_data):
    frames = read_frames(real_data("stm_movie_lattice_114x196x196_int16.npy"))
    assert len(frames) == 114
    assert frames[113].pixels.shape == (196, 196)
    assert frames[113].pixels.dtype == np.int16


def test_a_spectrum_is_no_image(real_data):
    with pytest.raises(DataFileError, match="1D signals.*expected 2D"):
        read_frames(real_data("EELS_STO.dm3"), dimensions=2)


def test_the_createc_scan_agrees_with_its_stream(real_data):
    path = real_data("createc_scan_step_20nm.dat")
    stream = np.frombuffer(zlib.decompress(path.read_bytes()[16384:]), "<f4")
    channels = stream[1 : 1 + 4 * 512 * 512].reshape(4, 512, 512)
    frame = read_frames(path)[0]
    assert frame.pixels.shape == (330, 512), "the scan was aborted"
    np.testing.assert_array_equal(frame.pixels, level_rows(channels[0, :330]))
    assert frame.pixel_size_nm == pytest.approx((19.96643 / 512, 19.96643 / 512), rel=1e-6)
    np.testing.assert_array_equal(read_frames(f"{path}::Current")[0].pixels, channels[1, :330])
    backward = read_frames(f"{path}::Z:backward")[0].pixels
    assert np.corrcoef(frame.pixels.ravel(), backward.ravel())[0, 1] > 0.9


def test_spectra_of_nanonis_are_no_createc_image(real_data):
    with pytest.raises(DataFileError, match="Nanonis"):
        read_frames(real_data("STS_nanonis_generic_4_5.dat"))
