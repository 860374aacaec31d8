"""Columns are found where they are, and fitted as well as counting allows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from shiftvae_training.model.column_fit import columns_of_cell, find_columns, fit_columns
from shiftvae_training.model.prominence import fine_noise, prominent_maxima


def bells(shape, centres, heights, width=2.6):
    y, x = np.ogrid[: shape[0], : shape[1]]
    return sum(
        h * np.exp(-0.5 * ((y - cy) ** 2 + (x - cx) ** 2) / width**2)
        for (cy, cx), h in zip(centres, heights, strict=True)
    )


def modulo(vectors):
    inverse = np.linalg.inv(vectors)
    return lambda v: v - np.round(v @ inverse) @ vectors


def test_a_column_is_found_between_pixels():
    centres = np.array([[10.3, 12.8], [20.6, 25.1]])
    image = bells((32, 40), centres, (50.0, 20.0)) + 7
    fitted = fit_columns(image[None], np.rint(centres) + 1, 6.0)
    np.testing.assert_allclose(fitted.centre[0], centres, atol=2e-3)
    np.testing.assert_allclose(fitted.height[0], (50, 20), rtol=2e-3)
    np.testing.assert_allclose(fitted.width[0], 2.6, rtol=2e-3)


def test_a_sloping_background_does_not_pull():
    image = bells((24, 24), [(11.4, 12.2)], (30.0,)) + 0.8 * np.arange(24)
    start = np.array([[11.0, 12.0]])
    np.testing.assert_allclose(fit_columns(image[None], start, 7.0, sloping=True).centre[0], [[11.4, 12.2]], atol=2e-3)
    flat = fit_columns(image[None], start, 7.0)
    assert abs(flat.centre[0, 0, 1] - 12.2) > 0.05


def test_neighbours_do_not_pull_after_a_few_rounds():
    centres = np.array([[12.2, 10.1], [12.4, 17.6], [18.8, 12.3]])
    image = bells((32, 32), centres, (9.0, 5.0, 7.0), 2.2)[None] + 1
    pulled = fit_columns(image, np.rint(centres), 4.0).centre[0] - centres
    freed = fit_columns(image, np.rint(centres), 4.0, rounds=6).centre[0] - centres
    assert np.abs(pulled).max() > 0.1
    assert np.abs(freed).max() < 0.02


def test_in_counts_the_error_is_near_the_shot_noise_limit():
    """sigma / sqrt(counts) for a column without background."""
    rng = np.random.default_rng(0)
    image = bells((24, 24), [(11.7, 12.1)], (400.0,), 3.0)
    noisy = rng.poisson(image + 1.0, (300, 24, 24)).astype(float)
    error = fit_columns(noisy, np.array([[12.0, 12.0]]), 8.0).centre[:, 0] - [11.7, 12.1]
    limit = 3.0 / np.sqrt(400 * 2 * np.pi * 9)
    rms = np.sqrt((error**2).mean(axis=0))
    assert (rms > 0.85 * limit).all()
    assert (rms < 1.5 * limit).all()


def test_a_line_is_fitted_along_x_alone():
    line = (8 * np.exp(-0.5 * ((np.arange(40) - 17.35) / 2.0) ** 2) + 1)[None]
    assert find_columns(line).tolist() == [[0, 17]]
    fitted = fit_columns(line[None], np.array([[0.0, 18.0]]), 6.0)
    np.testing.assert_allclose(fitted.centre[0, 0], [0, 17.35], atol=1e-3)


def test_a_fit_that_finds_no_column_is_not_a_number():
    flat = np.zeros((1, 20, 20))
    assert np.isnan(fit_columns(flat, np.array([[10.0, 10.0]]), 5.0).centre).all()


@pytest.mark.parametrize("anchor", [None, (21.0, 14.0)], ids=["brightest", "near the anchor"])
def test_one_column_of_each_kind_is_kept(anchor):
    vectors = np.array([[12.0, 1.0], [-2.0, 14.0]])
    cells = np.array([(i, j) for i in range(-3, 4) for j in range(-3, 4)])
    a, b = ((cells + f) @ vectors + (20, 13) for f in (0.0, 0.5))
    image = bells((44, 44), np.concatenate([a, b]), [9.0] * 49 + [5.0] * 49, 1.8)
    places, kinds, radius = columns_of_cell(image, None if anchor is None else np.array(anchor), modulo(vectors))
    assert kinds == 2
    assert len(places) > 6
    heights = image[tuple(places[:2].astype(int).T)]
    assert heights[0] > 8 > heights[1] > 4
    np.testing.assert_allclose(modulo(vectors)(places[1] - places[0] - vectors.sum(0) / 2), 0, atol=0.71)
    assert 2 <= radius < 9.2


def perovskite(side: int, faint: float, *, noise: float = 0.0, start=(3.2, 4.1)) -> np.ndarray:
    """Bright columns on a 13.5 px lattice whose feet fill the cell, and faint ones in the middle of each cell."""
    cells = 13.5 * np.array([(i, j) for i in range(-1, 7) for j in range(-1, 7)]) + start
    centres = np.concatenate([cells, cells + 6.75])
    image = bells((side, side), centres, [9.0] * len(cells) + [faint] * len(cells), 2.4)
    return image + noise * np.random.default_rng(side).standard_normal(image.shape)


@pytest.mark.parametrize("side", range(36, 72, 4))
@pytest.mark.parametrize(("faint", "noise"), [(2.0, 0.0), (2.0, 0.15), (1.5, 0.05)])
def test_the_same_columns_are_found_whatever_the_size_of_the_image(side, faint, noise):
    """Faint columns lie below the median of what the bright ones leave, on hills of their own."""
    image = perovskite(side, faint, noise=noise)
    places, kinds, radius = columns_of_cell(image, None, modulo(13.5 * np.eye(2)))
    assert kinds == 2
    np.testing.assert_allclose(np.abs(modulo(13.5 * np.eye(2))(places[1] - places[0])), 6.75, atol=1.1)
    assert radius == pytest.approx(0.5 * 6.75 * np.sqrt(2), abs=0.8)


@pytest.mark.parametrize("noise", [0.3, 1.0])
@pytest.mark.parametrize("side", [36, 48, 64])
def test_noise_makes_no_columns(side, noise):
    image = perovskite(side, 0.0, noise=noise)
    assert columns_of_cell(image, None, modulo(13.5 * np.eye(2)))[1] == 1
    blank = noise * np.random.default_rng(0).standard_normal((side, side))
    assert len(find_columns(blank)) == 0


def descents(image: np.ndarray) -> dict[tuple[int, int], float]:
    """Prominence of every maximum by definition: how far a level must sink until its hill holds something higher."""
    found = {}
    for y, x in np.ndindex(image.shape):
        for level in np.sort(image, axis=None)[::-1]:
            hill, _ = ndimage.label(image >= level, np.ones((3, 3)))
            if hill[y, x] and image[hill == hill[y, x]].max() > image[y, x]:
                found[y, x] = image[y, x] - level
                break
        else:
            found[y, x] = np.ptp(image)
    return {place: rise for place, rise in found.items() if rise > 0}


@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 7), width=st.integers(3, 7), least=st.integers(1, 20))
@settings(max_examples=60, deadline=None)
def test_the_prominence_is_the_least_descent_to_anything_higher(seed, height, width, least):
    image = np.random.default_rng(seed).permutation(height * width).reshape(height, width).astype(float)
    wanted = sorted(
        (
            (-image[y, x], y, x)
            for (y, x), rise in descents(image).items()
            if rise >= least and 0 < x < width - 1 and (height == 1 or 0 < y < height - 1)
        )
    )
    assert prominent_maxima(image, float(least)).tolist() == [[y, x] for _, y, x in wanted]


def test_a_flat_top_is_one_maximum_and_a_flat_image_has_none():
    image = np.zeros((9, 12))
    image[3:5, 3:6] = 2.0
    image[6, 9] = 1.0
    assert len(prominent_maxima(image, 0.5)) == 2
    assert len(prominent_maxima(image, 1.5)) == 1
    assert len(prominent_maxima(np.ones((5, 5)), 0.0)) == 0


def test_the_noise_is_that_of_the_pixels_and_not_of_the_columns():
    for side in (40, 64):
        clean = perovskite(side, 2.0)
        assert fine_noise(clean) < 0.1
        assert fine_noise(clean + np.random.default_rng(0).normal(0, 0.5, clean.shape)) == pytest.approx(0.5, rel=0.15)
    line = np.sin(np.arange(200) / 3)[None] + np.random.default_rng(0).normal(0, 0.2, (1, 200))
    assert fine_noise(line) == pytest.approx(0.2, rel=0.25)
    assert fine_noise(np.ones((2, 2))) == 0
