"""One table of units, and one splitter of FILE::NAME."""

from __future__ import annotations

import os

import numpy as np
import pytest

from shiftvae_rt.errors import DataFileError
from shiftvae_rt.files import read_frames, split_name
from shiftvae_rt.files.calibration import length_nm


@pytest.mark.parametrize(
    ("unit", "nm"),
    [
        ("m", 1e9), ("meters", 1e9), ("mm", 1e6), ("um", 1e3), ("\u00b5m", 1e3), ("\u03bcm", 1e3),
        (r"\u00B5m", 1e3), (r"\u00b5m", 1e3), (r"\u03BCm", 1e3), ("micron", 1e3), ("Microns", 1e3), ("[u_m]", 1e3),
        ("nm", 1.0), (" nm ", 1.0), ("[n_m]", 1.0), ("Nanometers", 1.0), ("nanometre", 1.0),
        ("\u00c5", 0.1), ("\u212b", 0.1), ("A", 0.1), ("Angstrom", 0.1), ("angstroms", 0.1),
        ("\u00c5ngstr\u00f6m", 0.1), ("pm", 1e-3), ("[p_m]", 1e-3),
    ],
)  # fmt: skip
def test_lengths(unit, nm):
    assert length_nm(2.0, unit) == pytest.approx(2 * nm)


@pytest.mark.parametrize(
    "unit",
    ["ms", "as", "s", "ns", "Ms", "Mm", "\u00b5s", "a", "nA", "", "px", "pixel", "pixels", "1/nm", "nm^-1", "eV", "deg",
     "inch", "None", "<undefined>", "[s]", "nms", "mms"],
)  # fmt: skip
def test_what_is_no_length_gives_no_pixel_size(unit):
    assert length_nm(2.0, unit) is None


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), 1e-300])
def test_a_step_that_is_none_gives_no_pixel_size(value):
    assert length_nm(value, "nm") is None


@pytest.mark.parametrize(
    ("text", "file", "name"),
    [
        ("a.npz::abf", "a.npz", "abf"),
        ("a.h5::group/image", "a.h5", "group/image"),
        ("x::y/a.npz::abf", "x::y/a.npz", "abf"),
        ("x::y/a.npy", "x::y/a.npy", None),
        ("C:/scans/a.sxm::Z:backward", "C:/scans/a.sxm", "Z:backward"),
        ("C:\\scans\\a.dm4", "C:\\scans\\a.dm4", None),
        ("a.hspy::EDS::Ti", "a.hspy", "EDS::Ti"),
        ("a.npz::", "a.npz", ""),
        ("a.TIF::1", "a.TIF", "1"),
    ],
)
def test_a_file_ends_at_the_first_colons_after_a_known_ending(text, file, name):
    found, wanted = split_name(text)
    assert (str(found), wanted) == (file, name)


@pytest.mark.skipif(os.name == "nt", reason="no colons in the names of files on Windows")
def test_folders_and_files_may_hold_colons(tmp_path):
    folder = tmp_path / "x::y"
    folder.mkdir()
    np.savez(folder / "a.npz", one=np.ones((8, 8)), two=np.zeros((8, 8)))
    assert read_frames(f"{folder / 'a.npz'}::two")[0].pixels.max() == 0
    np.save(tmp_path / "a.npz::one.npy", np.full((8, 8), 5.0))
    assert read_frames(tmp_path / "a.npz::one.npy")[0].pixels.max() == 5
    with pytest.raises(DataFileError, match=r"x::y/b\.npy is missing"):
        read_frames(folder / "b.npy")
