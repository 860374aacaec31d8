"""Levelling of scan lines: what it removes, what it leaves, and that it can be done while the scan runs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftvae_rt.files import level_rows


def surface(rows=60, cols=80):
    """A lattice turned by 25 degrees, away from the scan lines."""
    y, x = np.mgrid[:rows, :cols]
    along, across = np.cos(np.deg2rad(25)), np.sin(np.deg2rad(25))
    return np.cos((x * along + y * across) * 0.7) + np.cos((y * along - x * across) * 0.7)


def test_jumps_between_lines_are_removed():
    truth = surface()
    jumps = np.random.default_rng(0).normal(scale=5, size=(60, 1))
    raw, levelled = truth + jumps, level_rows(truth + jumps)
    level = np.median(levelled - truth)
    assert np.std(raw - truth) > 4
    assert np.abs(levelled - truth - level).max() < 0.6
    np.testing.assert_allclose(levelled, level_rows(truth), atol=1e-5)


def test_a_slanted_step_edge_stays_a_step():
    y, x = np.mgrid[:60, :80]
    terrace = np.where(x > 20 + 0.7 * y, 0.0, 4.0)
    levelled = level_rows(terrace)
    assert np.ptp(levelled - terrace) < 1e-6
    assert np.ptp(terrace - np.median(terrace, axis=1, keepdims=True) - terrace) > 3, "the row median would not do"


@settings(deadline=None)  # a busy machine is no failure
@given(cuts=st.lists(st.integers(1, 59), unique=True, max_size=6), seed=st.integers(0, 99))
def test_bands_level_to_the_very_bits_of_the_whole_scan(cuts, seed):
    raw = np.random.default_rng(seed).normal(size=(60, 16)) * 1e-9 + 9e-9
    whole = level_rows(raw)
    above, bands = None, []
    for first, last in zip([0, *sorted(cuts)], [*sorted(cuts), 60], strict=True):
        bands.append(level_rows(raw[first:last], above=above))
        above = bands[-1][-1]
    np.testing.assert_array_equal(np.concatenate(bands), whole)


def test_lines_of_nan_are_skipped_and_stay_nan():
    raw = surface()
    raw[5] = np.nan
    raw[7, 3] = np.nan
    levelled = level_rows(raw)
    assert np.isnan(levelled[5]).all()
    assert np.isnan(levelled).sum() == 81
    assert abs(np.median(levelled[6] - levelled[4])) < 1e-6


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e6])
def test_the_unit_does_not_matter(scale):
    np.testing.assert_allclose(level_rows(surface() * scale) / scale, level_rows(surface()), atol=1e-5)


def test_the_input_is_not_changed():
    raw = surface()
    before = raw.copy()
    level_rows(raw)
    np.testing.assert_array_equal(raw, before)
