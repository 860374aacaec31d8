"""Maps that wait in a temporary file are those that were given, and every format of stacks is written from them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from rsciio.hspy import file_reader as read_hspy
from test_files_writing import judged_map, made_map

from shiftvae_rt.cli import main
from shiftvae_rt.errors import DataFileError
from shiftvae_rt.files import spooled_maps, write_latent_map
from shiftvae_rt.files.spooled_maps import SpooledMaps

MAPS = [None, judged_map(), replace(judged_map(), mean=made_map(1).mean, domain=None), None]


@pytest.fixture(params=[0, 1 << 20], ids=["in a file", "in memory"])
def spooled(request, tmp_path, monkeypatch):
    monkeypatch.setattr(spooled_maps, "IN_MEMORY", request.param)
    with SpooledMaps(tmp_path / "maps.npz") as maps:
        for each in MAPS:
            maps.append(each)
        yield maps


def test_maps_come_back_and_frames_without_one_are_nan(spooled):
    assert len(spooled) == 4
    for found, given in zip(spooled, MAPS, strict=True):
        if given is None:
            assert np.isnan(found.mean).all()
            assert np.isnan(found.std).all()
            assert np.isnan(found.window_scores).all()
            assert found.domain is None
        else:
            np.testing.assert_array_equal(found.mean, given.mean)
            np.testing.assert_array_equal(found.std, given.std)
            assert (found.domain, found.grid, found.names) == (given.domain, given.grid, given.names)


def test_every_format_of_stacks_holds_all_frames(spooled, tmp_path):
    for name in ("a.npz", "a.tif", "a.hspy"):
        write_latent_map(tmp_path / name, spooled)
    expected = np.stack([np.full_like(made_map().mean, np.nan) if each is None else each.mean for each in MAPS])
    with np.load(tmp_path / "a.npz", allow_pickle=False) as read:
        np.testing.assert_array_equal(read["mean"], expected)
        assert read["out_of_domain"].tolist() == [False, True, False, False]
        np.testing.assert_array_equal(read["domain_windows"][1], MAPS[1].window_scores)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), expected)
    mean, std, scores = sorted(read_hspy(str(tmp_path / "a.hspy")), key=lambda s: s["metadata"]["General"]["title"])
    np.testing.assert_array_equal(mean["data"], expected)
    np.testing.assert_array_equal(scores["data"][1, 0], MAPS[1].window_scores)
    np.testing.assert_array_equal(std["data"][2], MAPS[2].std)


def test_a_failure_to_keep_a_map_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(spooled_maps, "IN_MEMORY", 1)

    def full(*_):
        raise OSError(28, "No space left on device")

    with SpooledMaps(tmp_path / "maps.npz") as maps:
        monkeypatch.setattr(maps._file, "write", full)
        with pytest.raises(DataFileError, match=r"maps\.npz: No space left on device at frame 0"):
            maps.append(made_map())


_LIMITED = """
import resource, sys
from shiftvae_rt.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file size")
def test_a_stack_for_which_the_disk_is_too_small_is_one_line_and_leaves_nothing(tmp_path, tiny_model):
    np.save(tmp_path / "movie.npy", np.random.default_rng(0).poisson(50, (40, 48, 64)).astype(np.uint16))
    words = ["map", str(tiny_model), str(tmp_path / "movie.npy"), "-o", str(tmp_path / "maps.hspy"), "--stride", "2"]
    ended = subprocess.run(
        [sys.executable, "-c", _LIMITED, *words], capture_output=True, text=True, timeout=120, check=False
    )
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1), ended.stderr
    assert "maps.hspy" in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["movie.npy"]
    assert main(words) == 0
