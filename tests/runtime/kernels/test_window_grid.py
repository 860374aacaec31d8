"""The grid of windows holds every window that fits, and no other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiftvae_rt import WindowError, WindowGrid

SIZES = st.integers(1, 60)


@st.composite
def grids(draw):
    window = draw(st.tuples(SIZES, SIZES))
    shape = tuple(n + draw(st.integers(0, 60)) for n in window)
    return WindowGrid(shape, window, draw(st.integers(1, 20)))


@given(grids())
def test_the_grid_is_every_window_that_fits(grid):
    for count, extent, size, centres in (
        (grid.rows, grid.frame_shape[0], grid.window[0], grid.centre_y_px),
        (grid.cols, grid.frame_shape[1], grid.window[1], grid.centre_x_px),
    ):
        starts = [start for start in range(0, extent, grid.stride) if start + size <= extent]
        assert count == len(starts) == len(centres)
        assert centres.dtype == np.float64
        np.testing.assert_array_equal(centres, [np.arange(start, start + size).mean() for start in starts])


@given(grids(), st.integers(-5, 150))
def test_a_row_is_complete_when_its_last_line_is_there(grid, valid_rows):
    ends = [row * grid.stride + grid.window[0] for row in range(grid.rows)]
    assert grid.rows_complete(valid_rows) == sum(end <= valid_rows for end in ends)


def test_a_signal_is_a_grid_of_one_row():
    grid = WindowGrid((1, 100), (1, 16), 8)
    assert (grid.rows, grid.cols) == (1, 11)
    assert grid.centre_y_px == [0.0]
    assert grid.rows_complete(1) == 1


@pytest.mark.parametrize(("window", "stride"), [((0, 4), 1), ((4, -1), 1), ((4, 4), 0), ((4, 4), -2)])
def test_numbers_below_one_are_refused(window, stride):
    with pytest.raises(WindowError, match="window and stride must be at least 1 px, got window"):
        WindowGrid((10, 10), window, stride)


@pytest.mark.parametrize("shape", [(7, 20), (20, 7), (0, 0)])
def test_a_frame_smaller_than_the_window_is_refused_with_both_sizes(shape):
    with pytest.raises(WindowError, match=rf"the frame is {shape[0]} x {shape[1]} px .* window of 8 x 8 px"):
        WindowGrid(shape, (8, 8))
