"""Differences between neighbours, and statistics of bands, against their NumPy twins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftvae_rt import _core
from shiftvae_rt.errors import FrameError
from shiftvae_rt.frame import DTYPES
from shiftvae_rt.kernels.windows import difference_frame, extract_windows, window_statistics


def numpy_twin(frame):
    wide = frame.astype(np.float64)
    along, down = np.diff(wide, axis=2), np.diff(wide, axis=1, prepend=wide[:, :1])[:, :, :-1]
    return np.stack([along, down], axis=1).reshape(-1, *along.shape[1:])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("isa", _core.isas())
def test_differences_equal_those_of_numpy_rounded_once(dtype, isa):
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 250, (2, 40, 37)).astype(dtype) * (1 if dtype == "uint8" else 100)
    before = _core.isa()
    _core.use_isa(isa)
    try:
        found, finite = difference_frame(frame, threads=3)
    finally:
        _core.use_isa(before)
    assert finite
    np.testing.assert_array_equal(found, numpy_twin(frame).astype(np.float32))


def test_a_step_of_a_16_bit_frame_is_exact():
    frame = np.full((1, 8, 9), 65535, np.uint16)
    frame[:, 3:, 4:] = 0
    found, _ = difference_frame(frame)
    assert set(np.unique(found)) == {-65535.0, 0.0}


def test_an_overflow_of_float32_is_reported():
    frame = np.zeros((1, 4, 5))
    frame[0, 2, 2] = 1e300
    assert not difference_frame(frame)[1]


def test_one_line_needs_no_line_above_but_two_pixels():
    line = np.arange(5, dtype=np.uint8).reshape(1, 1, 5)
    np.testing.assert_array_equal(difference_frame(line)[0], [[[1, 1, 1, 1]], [[0, 0, 0, 0]]])
    with pytest.raises(FrameError, match="lines of at least two pixels"):
        difference_frame(line[:, :, :1])


@settings(max_examples=30, deadline=None)
@given(
    dtype=st.sampled_from(DTYPES),
    top=st.integers(0, 30),
    stride=st.integers(1, 5),
    offset=st.sampled_from([0.0, 100.0, 3e4]),
    seed=st.integers(0, 99),
)
def test_a_band_given_the_frames_centre_has_the_statistics_of_the_whole_to_the_bit(dtype, top, stride, offset, seed):
    frame = np.random.default_rng(seed).normal(offset, 3, (2, 60, 41)).clip(0, 255 if dtype == "uint8" else None)
    frame, window = frame.astype(dtype), (16, 12)
    centre = [offset - 1, offset + 2]
    top -= top % stride
    band = frame[:, top:]
    whole = window_statistics(frame, window, stride, centre=centre)
    for a, b in zip(whole, window_statistics(band, window, stride, centre=centre), strict=True):
        np.testing.assert_array_equal(a[:, top // stride :], b)
    whole = extract_windows(frame, window, stride, normalisation="zscore", centre=centre)
    part = extract_windows(band, window, stride, normalisation="zscore", centre=centre)
    np.testing.assert_array_equal(whole[top // stride :], part)
