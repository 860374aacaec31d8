from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shiftvae_rt import _core
from shiftvae_rt.errors import WindowError
from shiftvae_rt.kernels.assembly import assemble_latent_map, place_at_motifs
from shiftvae_rt.kernels.window_grid import WindowGrid


def reference_assembly(values: NDArray[Any], precision: NDArray[Any], grid: WindowGrid) -> NDArray[np.float64]:
    """The NumPy twin: every window adds its weight to the pixels that it covers."""
    weighted = np.zeros((len(values), *grid.frame_shape))
    weight = np.zeros_like(weighted)
    for row in range(grid.rows):
        for col in range(grid.cols):
            y, x = row * grid.stride, col * grid.stride
            here = (slice(None), slice(y, y + grid.window[0]), slice(x, x + grid.window[1]))
            p = precision[:, row, col].astype(np.float64)
            v = np.where(p > 0, values[:, row, col], 0).astype(np.float64)
            weight[here] += p[:, None, None]
            weighted[here] += (p * v)[:, None, None]
    return np.divide(weighted, weight, out=np.full(weight.shape, np.nan), where=weight > 0)


def reference_placement(
    values: NDArray[Any], precision: NDArray[Any], grid: WindowGrid, shift_y: NDArray[Any], shift_x: NDArray[Any]
) -> NDArray[np.float64]:
    """The NumPy twin: a triangle of width 2 px around each motif, evaluated on every pixel."""
    y, x = (np.arange(n) for n in grid.frame_shape)
    motif_y = grid.centre_y_px[:, None] + shift_y.astype(np.float64)
    motif_x = grid.centre_x_px[None, :] + shift_x.astype(np.float64)
    near_y = np.nan_to_num(np.maximum(0, 1 - np.abs(motif_y[..., None] - y)))
    near_x = np.nan_to_num(np.maximum(0, 1 - np.abs(motif_x[..., None] - x)))
    p = precision.astype(np.float64)
    v = np.where(p > 0, values, 0).astype(np.float64)
    weight = np.einsum("lrc,rcy,rcx->lyx", p, near_y, near_x)
    weighted = np.einsum("lrc,rcy,rcx->lyx", p * v, near_y, near_x)
    return np.divide(weighted, weight, out=np.full(weight.shape, np.nan), where=weight > 0)


@st.composite
def grids(draw: st.DrawFn) -> WindowGrid:
    height, width = draw(st.integers(1, 140)), draw(st.integers(1, 20))
    window = (draw(st.integers(1, height)), draw(st.integers(1, width)))
    return WindowGrid((height, width), window, draw(st.integers(1, 9)))


def latents_on(grid: WindowGrid, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 2, (2, grid.rows, grid.cols)).astype(np.float32)
    precision = (10 ** rng.uniform(-6, 6, values.shape)).astype(np.float32)
    precision[rng.uniform(size=values.shape) < 0.2] = 0
    values[(precision == 0) & (rng.uniform(size=values.shape) < 0.5)] = np.nan
    return values, precision


@given(grids(), st.integers(0, 2**16), st.integers(1, 3))
def test_an_assembled_map_equals_its_numpy_twin(grid: WindowGrid, seed: int, threads: int) -> None:
    values, precision = latents_on(grid, seed)
    got = assemble_latent_map(values, precision, grid, threads=threads)
    np.testing.assert_allclose(got, reference_assembly(values, precision, grid), rtol=0, atol=2e-6)


@given(grids(), st.integers(0, 2**16), st.integers(1, 3))
def test_a_placed_map_equals_its_numpy_twin(grid: WindowGrid, seed: int, threads: int) -> None:
    values, precision = latents_on(grid, seed)
    rng = np.random.default_rng(seed)
    shift_y, shift_x = rng.normal(0, 6, (2, grid.rows, grid.cols)).astype(np.float32)
    shift_y[rng.uniform(size=shift_y.shape) < 0.1] = np.nan
    got = place_at_motifs(values, precision, grid, shift_y, shift_x, threads=threads)
    expected = reference_placement(values, precision, grid, shift_y, shift_x)
    # A weight of 1e-17 of a pixel may be 0 in one of the two: compare where both see something.
    seen = ~np.isnan(got) & ~np.isnan(expected)
    np.testing.assert_allclose(got[seen], expected[seen], rtol=0, atol=1e-5)
    assert np.mean(np.isnan(got) != np.isnan(expected)) < 0.02


def test_an_equal_value_everywhere_stays_that_value_and_uncovered_pixels_are_nan() -> None:
    grid = WindowGrid((20, 23), (8, 8), 5)
    values = np.full((1, grid.rows, grid.cols), 3.5)
    got = assemble_latent_map(values, np.ones_like(values), grid)
    covered_y, covered_x = (grid.rows - 1) * 5 + 8, (grid.cols - 1) * 5 + 8
    assert (got[0, :covered_y, :covered_x] == 3.5).all()
    assert np.isnan(got[0, covered_y:]).all()
    assert np.isnan(got[0, :, covered_x:]).all()


def test_a_motif_on_a_pixel_falls_on_that_pixel_alone() -> None:
    grid = WindowGrid((9, 9), (3, 3), 3)
    values = np.arange(9.0).reshape(1, 3, 3)
    still = np.zeros((3, 3))
    got = place_at_motifs(values, np.ones_like(values), grid, still + 1, still)
    np.testing.assert_array_equal(got[0, 2::3, 1::3], values[0])
    assert np.isnan(got).sum() == 81 - 9


def test_assembly_does_not_depend_on_instruction_set_or_threads() -> None:
    grid = WindowGrid((120, 140), (32, 24), 1)
    values, precision = latents_on(grid, 1)
    before, results = _core.isa(), []
    for name in _core.isas():
        _core.use_isa(name)
        results += [assemble_latent_map(values, precision, grid, threads=threads) for threads in (1, 2)]
    _core.use_isa(before)
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


def test_a_given_buffer_is_filled_and_returned() -> None:
    grid = WindowGrid((20, 20), (8, 8), 2)
    values, precision = latents_on(grid, 2)
    buffer = np.full((2, 20, 20), -1, dtype=np.float32)
    assert assemble_latent_map(values, precision, grid, out=buffer) is buffer
    np.testing.assert_array_equal(buffer, assemble_latent_map(values, precision, grid))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": np.zeros((1, 3, 4))}, r"shape \(latents, 3, 3\), got \(1, 3, 4\) and \(1, 3, 3\)"),
        ({"precision": np.zeros((2, 3, 3))}, r"got \(1, 3, 3\) and \(2, 3, 3\)"),
        ({"precision": np.full((1, 3, 3), -1.0)}, "at least 0, got 9 of 9 that are negative"),
        ({"precision": np.full((1, 3, 3), np.inf)}, "NaN or infinite"),
        ({"values": np.full((1, 3, 3), np.nan)}, "expected finite values .* got 9 that are NaN"),
        ({"threads": 0}, "1 to 256 threads, got 0"),
        ({"out": np.zeros((1, 9, 8), np.float32)}, r"shape \(1, 9, 9\), got float32 of shape \(1, 9, 8\)"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    still = np.zeros((3, 3))
    arguments: dict[str, Any] = {"values": np.zeros((1, 3, 3)), "precision": np.ones((1, 3, 3))}
    arguments |= {"grid": WindowGrid((9, 9), (3, 3), 3)} | change
    with pytest.raises(WindowError, match=message):
        assemble_latent_map(**arguments)
    with pytest.raises(WindowError, match=message):
        place_at_motifs(**arguments, shift_y=still, shift_x=still)


def test_shifts_of_another_shape_are_refused() -> None:
    values = np.zeros((1, 3, 3))
    with pytest.raises(WindowError, match=r"expected shift_x of shape \(3, 3\), got \(3, 4\)"):
        place_at_motifs(values, values, WindowGrid((9, 9), (3, 3), 3), np.zeros((3, 3)), np.zeros((3, 4)))
