"""Filters over every window by spectra: the products of normalised windows, exact on any frame, refused if unfit."""

from __future__ import annotations

import numpy as np
import pytest

from shiftvae_rt import WindowError
from shiftvae_rt.kernels.filter_bank import FilterBank, spectra_pay
from shiftvae_rt.kernels.windows import extract_windows

WINDOW = (16, 16)


def filters_of(units=24, channels=1, window=WINDOW, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(0.02, 1 / np.sqrt(channels * window[0] * window[1]), (units, channels, *window))


def products(frame, filters, stride, normalisation, sd_floor=0.0):
    windows = extract_windows(frame, filters.shape[2:], stride, normalisation=normalisation, sd_floor=sd_floor)
    return np.tensordot(windows.astype(np.float64), filters, axes=([2, 3, 4], [1, 2, 3]))


def applied(frame, filters, stride, normalisation, *, sd_floor=0.0):
    bank = FilterBank(filters, stride, normalisation=normalisation, sd_floor=sd_floor)
    rows, cols = ((n - w) // stride + 1 for n, w in zip(frame.shape[1:], filters.shape[2:], strict=True))
    out = np.full((rows, cols, len(filters)), np.nan, np.float32)
    bank.apply(frame, np.zeros(()), out)
    return out


@pytest.mark.parametrize("normalisation", ["zscore", "minmax", "none"])
@pytest.mark.parametrize("stride", [1, 2, 4, 8])
def test_products_are_those_of_cut_windows(normalisation, stride):
    frame = np.random.default_rng(1).normal(3, 1, (1, 60, 151)).astype(np.float32)
    got = applied(frame, filters_of(), stride, normalisation)
    np.testing.assert_allclose(got, products(frame, filters_of(), stride, normalisation), rtol=0, atol=3e-5)


def test_channels_share_one_deviation_and_the_floor_holds():
    frame = np.random.default_rng(2).poisson([[[100]], [[20]]], (2, 40, 90)).astype(np.uint16)
    filters = filters_of(channels=2)
    got = applied(frame, filters, 2, "zscore", sd_floor=30.0)
    np.testing.assert_allclose(got, products(frame, filters, 2, "zscore", 30.0), rtol=0, atol=1e-6)


def test_what_cannot_be_built_is_refused():
    with pytest.raises(WindowError, match="powers of two, got 64 and 3"):
        FilterBank(filters_of(), 3, normalisation="zscore")
    with pytest.raises(WindowError, match="a stride of at most half"):
        FilterBank(filters_of(), 64, normalisation="zscore")
    with pytest.raises(WindowError, match="a stride of at most half"):
        FilterBank(filters_of(), 2**63, normalisation="zscore")


@pytest.mark.parametrize("frame", [np.zeros((2, 20, 20), np.uint8), np.zeros((1, 12, 20), np.uint8)])
def test_a_frame_that_does_not_fit_is_refused(frame):
    bank = FilterBank(filters_of(), 1, normalisation="zscore")
    with pytest.raises(ValueError, match="expected a"):
        bank.apply(frame, np.zeros(()), np.zeros((5, 5, 24), np.float32))


def test_spectra_are_used_where_they_save_operations():
    assert [s for s in (1, 2, 3, 4, 8, 16, 24, 64) if spectra_pay((128, 1, 32, 32), s)] == [1, 2, 4, 8]
    assert not spectra_pay((128, 1, 1, 32), 1)  # one line: nothing to sum
    assert not spectra_pay((512, 8, 64, 64), 1)  # spectra of 400 MB
