"""What is subtracted from a frame before it is encoded, and shifts that differ by whole cells."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapper_support import counts

from shiftvae_rt.encode.modulo import modulo_lattice
from shiftvae_rt.kernels.frame_scaling import frame_centre


def test_the_centre_is_that_of_the_first_window_rows():
    frame = counts((2, 40, 30)).astype(np.int32)
    first = frame[:, :16]
    np.testing.assert_allclose(frame_centre(frame, (16, 16)), first.mean(axis=(1, 2)), atol=np.ptp(first) / 256)
    later = frame.copy()
    later[:, 16:] = 0
    np.testing.assert_array_equal(frame_centre(later, (16, 16)), frame_centre(frame, (16, 16)))


@pytest.mark.parametrize("unit", [1e-10, 1.0, 1e6])
def test_the_centre_takes_the_offset_away_in_any_unit(unit):
    frame = unit * (20000 + np.random.default_rng(0).normal(size=(1, 40, 30)))
    assert abs((frame - frame_centre(frame, (16, 16))[0]).mean()) < unit


@pytest.mark.parametrize("level", [3, 100, 30000])
def test_counts_minus_the_centre_are_exact(level):
    frame = np.minimum(counts((1, 40, 30), level=level), 65535).astype(np.float32)
    centre = frame_centre(frame, (16, 16))[0]
    assert (frame[0] - centre).astype(np.float32).astype(np.float64).tolist() == (frame[0] - centre).tolist()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_short_counts_have_no_centre_because_their_sums_are_exact(dtype):
    assert frame_centre(counts((2, 40, 30)).astype(dtype), (16, 16)).tolist() == [0, 0]


def test_lines_that_do_not_hold_a_window_have_no_centre():
    with pytest.raises(ValueError, match="expected a window of 1 to 9 lines, got 16"):
        frame_centre(np.ones((1, 9, 20)), (16, 16))


@pytest.mark.parametrize("value", [0, 17, 1e-9, -3.25, 2.0**31])
def test_the_centre_of_flat_rows_is_their_value(value):
    assert frame_centre(np.full((1, 20, 20), float(value)), (16, 16)) == [value]


@given(st.floats(-100, 100), st.floats(-100, 100), st.integers(-3, 3), st.integers(-3, 3))
@settings(deadline=None)
def test_modulo_the_lattice_whole_cells_vanish(y, x, i, j):
    vectors = np.array([[9.0, 2.0], [-3.0, 11.0]])
    one = modulo_lattice(np.array([y, x]), vectors)
    other = modulo_lattice(np.array([y, x]) + i * vectors[0] + j * vectors[1], vectors)
    cells = (one - other) @ np.linalg.inv(vectors)
    np.testing.assert_allclose(cells, np.rint(cells), atol=1e-9)
    assert np.abs(one @ np.linalg.inv(vectors)).max() <= 0.5 + 1e-9
