"""S3: many small random cases of every kernel against its NumPy twin; 1,000,000 of them with SHIFTVAE_LONG=1."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from test_assembly import latents_on, reference_assembly, reference_placement
from test_windows import NORMALISATIONS, assert_close, frame_of, reference_windows

from shiftvae_rt import _core
from shiftvae_rt.assembly import assemble_latent_map, place_at_motifs
from shiftvae_rt.frame import DTYPES
from shiftvae_rt.window_grid import WindowGrid
from shiftvae_rt.windows import convert_frame, extract_windows, extract_windows_at, window_statistics

CASES = 1_000_000 if os.environ.get("SHIFTVAE_LONG") == "1" else 30_000
#: Centre and deviation of the pixels; 0 makes constant frames.
LEVELS = ((0, 1), (60000, 3), (100, 40), (-20000, 1000), (30, 0))


def windows_case(rng: np.random.Generator) -> None:
    frame, window, stride = frame_and_window(rng)
    normalisation, floor = NORMALISATIONS[rng.integers(3)], float(rng.choice([0, 2.5]))
    got = extract_windows(frame, window, stride, normalisation=normalisation, sd_floor=floor)
    assert_close(got, reference_windows(frame, window, stride, normalisation, floor))


def places_case(rng: np.random.Generator) -> None:
    frame, window, _ = frame_and_window(rng)
    normalisation = NORMALISATIONS[rng.integers(3)]
    highest = np.array(frame.shape[1:]) - window
    places = rng.integers(0, highest + 1, (4, 2))
    expected = reference_windows(frame, window, 1, normalisation)
    assert_close(extract_windows_at(frame, places, window, normalisation=normalisation), expected[tuple(places.T)])


def statistics_case(rng: np.random.Generator) -> None:
    frame, window, stride = frame_and_window(rng)
    mean, sd = window_statistics(frame, window, stride)
    windows = reference_windows(frame, window, stride, "none")
    assert_close(mean, windows.mean((3, 4)).transpose(2, 0, 1))
    assert_close(sd, (windows - windows[..., :1, :1]).std((3, 4)).transpose(2, 0, 1))


def conversion_case(rng: np.random.Generator) -> None:
    frame, _, _ = frame_and_window(rng)
    centres = rng.normal(0, 1000, len(frame))
    expected = (frame.astype(np.float64) - centres[:, None, None]).astype(np.float32)
    pixels, finite = convert_frame(frame, list(centres))
    np.testing.assert_array_equal(pixels, expected)
    assert finite


def assembly_case(rng: np.random.Generator) -> None:
    grid = grid_of(rng)
    values, precision = latents_on(grid, int(rng.integers(2**32)))
    got = assemble_latent_map(values, precision, grid)
    np.testing.assert_allclose(got, reference_assembly(values, precision, grid), rtol=0, atol=2e-6)


def placement_case(rng: np.random.Generator) -> None:
    grid = grid_of(rng)
    values, precision = latents_on(grid, int(rng.integers(2**32)))
    shift_y, shift_x = rng.normal(0, 4, (2, grid.rows, grid.cols)).astype(np.float32)
    got = place_at_motifs(values, precision, grid, shift_y, shift_x)
    expected = reference_placement(values, precision, grid, shift_y, shift_x)
    seen = ~np.isnan(got) & ~np.isnan(expected)  # a weight of 1e-17 of a pixel may be 0 in one of the two
    np.testing.assert_allclose(got[seen], expected[seen], rtol=0, atol=2e-5)


def frame_and_window(rng: np.random.Generator) -> tuple[NDArray[Any], tuple[int, int], int]:
    shape = int(rng.integers(1, 3)), int(rng.integers(1, 9)), int(rng.integers(1, 41))
    offset, sd = LEVELS[rng.integers(len(LEVELS))]
    frame = frame_of(DTYPES[rng.integers(len(DTYPES))], shape, offset, sd, int(rng.integers(2**32)))
    window = int(rng.integers(1, min(shape[1], 6) + 1)), int(rng.integers(1, min(shape[2], 20) + 1))
    return frame, window, int(rng.integers(1, 5))


def grid_of(rng: np.random.Generator) -> WindowGrid:
    height, width = int(rng.integers(1, 20)), int(rng.integers(1, 20))
    window = int(rng.integers(1, height + 1)), int(rng.integers(1, width + 1))
    return WindowGrid((height, width), window, int(rng.integers(2, 9)))


KERNELS = (windows_case, places_case, statistics_case, conversion_case, assembly_case, placement_case)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("isa", _core.isas())
def test_every_kernel_equals_its_numpy_twin(isa: str) -> None:
    cases = CASES // len(_core.isas())
    before = _core.isa()
    _core.use_isa(isa)
    try:
        for seed in range(cases):
            KERNELS[seed % len(KERNELS)](np.random.default_rng(seed))
    except AssertionError as error:
        raise AssertionError(f"{KERNELS[seed % len(KERNELS)].__name__} differs at seed {seed}") from error
    finally:
        _core.use_isa(before)
    print(f"{isa}: {cases} cases")
