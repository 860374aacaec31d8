"""EMD and HyperSpy files written by RosettaSciIO, as other programs would write them."""

from __future__ import annotations

import numpy as np
import pytest
from rsciio.emd import file_writer as write_emd
from rsciio.hspy import file_writer as write_hspy

from shiftvae_rt.errors import DataFileError
from shiftvae_rt.files import read_frames


def signal(data, axes, title="HAADF"):
    """A signal as HyperSpy hands it to its writers; `axes` are (name, scale, units, navigate)."""
    return {
        "data": data,
        "axes": [
            {
                "_type": "UniformDataAxis",
                "name": name,
                "scale": scale,
                "units": units,
                "navigate": navigate,
                "offset": 0.0,
                "size": size,
                "index_in_array": index,
                "is_binned": False,
            }
            for index, ((name, scale, units, navigate), size) in enumerate(zip(axes, data.shape, strict=True))
        ],
        "metadata": {"General": {"title": title}, "Signal": {"signal_type": ""}},
        "original_metadata": {},
        "tmp_parameters": {},
        "learning_results": {},
        "models": {},
        "attributes": {"_lazy": False},
        "package_info": {"package": "hyperspy", "package_version": "2.0"},
    }


Y, X = ("y", 0.2, "Å", False), ("x", 0.2, "Å", False)
MOVIE = np.random.default_rng(0).integers(0, 999, (3, 10, 12), dtype=np.uint16)


@pytest.mark.parametrize(("ending", "write"), [(".hspy", write_hspy), (".emd", write_emd)])
def test_a_movie_gives_calibrated_frames(tmp_path, ending, write):
    path = tmp_path / f"movie{ending}"
    write(str(path), signal(MOVIE, [("time", 0.5, "s", True), Y, X]))
    frames = read_frames(path)
    assert len(frames) == 3
    for frame, image in zip(frames, MOVIE, strict=True):
        np.testing.assert_array_equal(frame.pixels, image)
        assert frame.pixel_size_nm == pytest.approx((0.02, 0.02))
    assert frames[0].metadata["title"] == "HAADF"


@pytest.mark.parametrize(("unit", "nm"), [("pm", 0.0002), ("um", 200.0), ("1/nm", None), ("", None), ("furlong", None)])
def test_only_lengths_make_a_pixel_size(tmp_path, unit, nm):
    write_hspy(str(tmp_path / "a.hspy"), signal(MOVIE[0], [("y", 0.2, unit, False), ("x", 0.2, unit, False)]))
    size = read_frames(tmp_path / "a.hspy")[0].pixel_size_nm
    assert size == (None if nm is None else pytest.approx((nm, nm)))


def test_pixels_that_are_not_square_keep_both_edges(tmp_path):
    write_hspy(str(tmp_path / "a.hspy"), signal(MOVIE[0], [("y", 0.25, "nm", False), ("x", 0.2, "nm", False)]))
    assert read_frames(tmp_path / "a.hspy")[0].pixel_size_nm == pytest.approx((0.25, 0.2))


def test_a_map_of_spectra_gives_one_signal_a_pixel(tmp_path):
    cube = np.random.default_rng(0).normal(size=(4, 5, 100)).astype(np.float32)
    axes = [("y", 1, "nm", True), ("x", 1, "nm", True), ("Energy loss", 0.25, "eV", False)]
    write_hspy(str(tmp_path / "a.hspy"), signal(cube, axes, "EELS"))
    spectra = read_frames(tmp_path / "a.hspy", dimensions=1)
    assert len(spectra) == 20
    np.testing.assert_array_equal(spectra[7].pixels, cube[1, 2])
    assert spectra[7].pixel_size_nm is None
    with pytest.raises(DataFileError, match="1D signals.*expected 2D"):
        read_frames(tmp_path / "a.hspy", dimensions=2)
