"""The lattice finder on real scans; the cells were read off the images and their spectra by eye."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from lattice_frames import same_lattice

from shiftvae_rt.files import read_frames
from shiftvae_rt.frame import as_pixels
from shiftvae_training.lattice.find import find_lattice

REAL = {
    "BTO_crystal_1.dm4": ([[12.8, 0.0], [0.0, 13.45]], "lattice", ""),
    "DMReader_Image_SI-Survey.dm3": ([[22.3, 0.3], [0.0, 14.95]], "lattice", ""),
    "LLTO.jpg": ([[9.95, 0.1], [0.0, 9.65]], "lattice", "in parts of the frame"),
    "FigS6_0716__Cryo_NSMO110_5-1Mx_0p5us_1024px_REGISTERED.tif": ([[20.6, -5.4], [5.0, 20.5]], "lattice", ""),
    "example_Se_implanted_MoS2.dm3": ([[20.1, -11.2], [0.75, 23.55]], "lattice", ""),
    "STM_nanonis_generic_4_5.sxm": ([[57.6, 25.3], [5.8, 62.5]], "lattice", ""),
    "Grain_boundry_gold_512px.png": (None, "two periods", "second lattice"),
    "TwinBoundary.emd": ([[27.55, 14.1], [-23.35, 22.4]], "two periods", "second grain"),
    "G-GrainBoundary-4nm.hdf5": ([[26.8, 15.4], [-26.0, 16.6]], "two periods", "second lattice"),
}


@pytest.mark.parametrize("name", REAL)
def test_the_cell_of_a_real_scan_is_the_one_seen_by_eye(name, real_data):
    vectors, verdict, said = REAL[name]
    found = find_lattice([as_pixels(f.pixels) for f in read_frames(real_data(name), dimensions=2)])
    assert found.verdict == verdict, found.reason
    assert found.confidence > 0.9
    assert said in found.reason
    if vectors is not None:
        assert same_lattice(found.vectors, np.array(vectors), tolerance=0.02), found.vectors
    else:  # the two gold grains are equally strong; either may lead
        grains = [[[18.15, -8.65], [12.1, 14.1]], [[14.2, -15.0], [7.5, 17.4]]]
        assert any(same_lattice(found.vectors, np.array(grain), tolerance=0.02) for grain in grains), found.vectors


def test_the_stm_movie_has_its_turned_cell_in_single_frames_and_in_series(real_data):
    movie = np.load(real_data("stm_movie_lattice_114x196x196_int16.npy"))
    for frames in (movie[:1], movie[16:17], movie[:20], movie):
        found = find_lattice([f[None] for f in frames])
        assert found.verdict == "lattice", found.reason
        assert found.confidence > 0.9
        assert same_lattice(found.vectors, np.array([[5.87, -3.04], [1.82, 6.25]]), tolerance=0.01), found.vectors


def test_standing_waves_that_decay_from_a_step_are_not_a_lattice(real_data):
    raw = real_data("createc_scan_step_20nm.dat").read_bytes()
    channels = np.frombuffer(zlib.decompress(raw[16384:]), np.float32, count=4 * 512 * 512, offset=4).reshape(
        4, 512, 512
    )
    assert find_lattice([channels[:1, 20:320, 200:512]]).verdict == "no period"


def test_real_spectra_have_no_period(real_data):
    spectrum = read_frames(real_data("EELS_STO.dm3"), dimensions=1)[0].pixels
    assert find_lattice([np.asarray(spectrum).reshape(1, 1, -1)]).verdict == "no period"
