"""A latent map knows where its values lie, and brings them onto the pixels of the frame."""

from __future__ import annotations

import pickle
from copy import deepcopy

import numpy as np
import pytest
from tiny_models import write_tiny_model

from shiftvae_rt import (
    FrameError,
    LatentMap,
    LatentMapper,
    WindowGrid,
    assemble_latent_map,
    place_at_motifs,
)

GRID = WindowGrid((40, 50), (16, 16), 4)


def latent_map(*, names=("dy", "dx", "z1", "z2"), grid=GRID, seed=0, **changes) -> LatentMap:
    rng = np.random.default_rng(seed)
    shape = (len(names), grid.rows, grid.cols)
    fields = {
        "mean": rng.normal(size=shape).astype(np.float32),
        "std": rng.uniform(0.1, 1, size=shape).astype(np.float32),
        "names": names,
        "units": tuple("px" if name.startswith("d") else "" for name in names),
        "varies": (True,) * len(names),
        "grid": grid,
        "model_sha256": "0" * 64,
    }
    return LatentMap(**{**fields, **changes})


def band(whole: LatentMap, first: int, last: int) -> LatentMap:
    fields = {**vars(whole), "mean": whole.mean[:, first:last], "std": whole.std[:, first:last], "first_row": first}
    return LatentMap(**fields)


def test_a_latent_is_found_by_its_name():
    result = latent_map()
    np.testing.assert_array_equal(result["z1"], result.mean[2])
    with pytest.raises(KeyError, match="no latent 'z3': this map has dy, dx, z1, z2"):
        result["z3"]


def test_a_band_knows_its_place():
    whole = latent_map()
    middle, last = band(whole, 2, 5), band(whole, 5, 7)
    assert whole.complete
    assert not middle.complete
    assert last.complete
    np.testing.assert_array_equal(middle.centre_y_px, [15.5, 19.5, 23.5])
    np.testing.assert_array_equal(middle.centre_x_px, whole.centre_x_px)
    assert band(whole, 0, 0).centre_y_px.shape == (0,)


def test_content_on_pixels_is_weighted_by_precision_and_shifts_are_left_out():
    result = latent_map()
    pixels = result.on_pixels()
    assert pixels.shape == (4, 40, 50)
    assert pixels.dtype == np.float32
    assert np.isnan(pixels[:2]).all()
    expected = assemble_latent_map(result.mean[2:], 1 / result.std[2:].astype(float) ** 2, GRID)
    np.testing.assert_array_equal(pixels[2:], expected)
    corner = result.mean[2, 0, 0]  # the first pixel lies in the first window alone
    assert pixels[2, 0, 0] == pytest.approx(corner)
    assert np.isfinite(pixels[2:, :40, :48]).all()
    assert np.isnan(pixels[2:, :, 48:]).all()


def test_a_sure_window_outweighs_its_neighbours():
    result = latent_map()
    mean, std = np.zeros_like(result.mean), np.ones_like(result.std)
    mean[2, 3, 3], std[2, 3, 3] = 1, 0.01
    sure = latent_map(mean=mean, std=std).on_pixels()[2, 20, 20]
    assert 0.99 < sure < 1
    assert latent_map(mean=mean, std=np.ones_like(std)).on_pixels()[2, 20, 20] == pytest.approx(1 / 16)


def test_content_lands_where_the_motif_sits():
    mean = np.zeros((4, 7, 9), np.float32)
    mean[0], mean[1], mean[2] = 2.5, -3.5, 7
    pixels = latent_map(mean=mean).at_motifs()
    assert pixels.shape == (2, 40, 50)
    there = np.isfinite(pixels[0])
    np.testing.assert_array_equal(np.flatnonzero(there.any(axis=1)), 10 + 4 * np.arange(7))
    np.testing.assert_array_equal(np.flatnonzero(there.any(axis=0)), 4 + 4 * np.arange(9))
    np.testing.assert_allclose(pixels[0][there], 7)
    np.testing.assert_allclose(pixels[1][there], 0)


def test_at_motifs_uses_shifts_and_precision():
    result = latent_map()
    expected = place_at_motifs(
        result.mean[2:], 1 / result.std[2:].astype(float) ** 2, GRID, result.mean[0], result.mean[1]
    )
    np.testing.assert_array_equal(result.at_motifs(), expected)


def test_a_line_has_no_shift_along_y():
    grid = WindowGrid((1, 60), (1, 16), 4)
    mean = np.zeros((2, 1, grid.cols), np.float32)
    mean[0], mean[1] = 1.5, 5
    result = latent_map(names=("dx", "z1"), grid=grid, mean=mean)
    pixels = result.at_motifs()
    assert pixels.shape == (1, 1, 60)
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(pixels[0, 0])), 9 + 4 * np.arange(12))
    assert np.isnan(result.on_pixels()[0]).all()
    np.testing.assert_allclose(result.on_pixels()[1, 0], 5)


def test_a_map_without_content_has_nothing_to_place():
    result = latent_map(names=("dy", "dx"))
    assert np.isnan(result.on_pixels()).all()
    assert result.on_pixels().shape == (2, 40, 50)
    assert result.at_motifs().shape == (0, 40, 50)


def test_a_scan_under_way_cannot_be_assembled():
    for first, last in ((0, 5), (3, 7)):
        part = band(latent_map(), first, last)
        for assemble in (part.on_pixels, part.at_motifs):
            with pytest.raises(FrameError, match=rf"expected all 7 rows of the map, got rows {first} to {last}: wait"):
                assemble()


def test_threads_do_not_change_the_pixels():
    result = latent_map()
    np.testing.assert_array_equal(result.on_pixels(threads=1), result.on_pixels(threads=3))
    np.testing.assert_array_equal(result.at_motifs(threads=1), result.at_motifs(threads=3))


def test_a_map_is_a_value_that_can_be_pickled_copied_and_named_in_a_line(tmp_path):
    mapper = LatentMapper(write_tiny_model(tmp_path / "tiny.svae"), stride=4)
    original = mapper.map(np.random.default_rng(0).poisson(50, (64, 64)).astype(np.uint16), pixel_size_nm=0.02)
    for copy in (pickle.loads(pickle.dumps(original)), deepcopy(original)):
        np.testing.assert_array_equal(copy.mean, original.mean)
        np.testing.assert_array_equal(copy.window_scores, original.window_scores)
        assert copy.domain == original.domain
        assert copy.pixel_size_nm == (0.02, 0.02)
    assert len(repr(original)) < 200
    assert "dy, dx, z1, z2: 13 x 13 windows, stride 4" in repr(original)
