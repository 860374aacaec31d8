"""The averages over the cells of a scan are those of plain least squares over interpolated cells."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from shiftvae_training.report.scan_motif import AT_ONCE, STEPS, _columns, _cut, _fit, _Sums

SHAPE = (7, 9)


@pytest.mark.parametrize("height", [30, 1], ids=["a frame", "a line"])
def test_cells_are_cut_between_pixels_and_beyond_the_edge(height):
    rng = np.random.default_rng(0)
    frame = rng.normal(size=(height, 40))
    shape = SHAPE if height > 1 else (1, 9)
    top = rng.uniform(-5, 28, 50) if height > 1 else np.zeros(50)
    left = rng.uniform(-5, 38, 50)
    inside = np.moveaxis(np.indices(shape), 0, -1).reshape(-1, 2)
    at = [top[:, None] + inside[:, 0], left[:, None] + inside[:, 1]]
    wanted = map_coordinates(frame, at, order=1, mode="nearest")
    np.testing.assert_allclose(_cut(frame, top, left, shape), wanted, atol=1e-12)


def test_sums_over_a_few_cells_at_a_time_give_the_fits_over_all():
    rng = np.random.default_rng(1)
    count = 2 * AT_ONCE + 50
    frame, content = rng.normal(size=(60, 60)), rng.normal(size=(2, count))
    top, left = rng.uniform(0, 50, (2, count))
    edges = np.quantile(content, np.arange(1, STEPS) / STEPS, axis=1).T
    step = np.array([np.searchsorted(e, c) for e, c in zip(edges, content, strict=True)])
    cells = _cut(frame, top, left, SHAPE)
    half = np.arange(count) % 2 == 0
    columns = _columns(content, step)
    parts = [_Sums.over(frame, top[p], left[p], SHAPE, columns[:, p]) for p in (half, ~half)]
    found = _fit(parts[0] + parts[1], SHAPE)
    line = np.linalg.lstsq(np.vstack([np.ones(count), content]).T, cells, rcond=None)[0]
    np.testing.assert_allclose(found.mean.ravel(), line[0], atol=1e-10)
    np.testing.assert_allclose(found.slopes.reshape(2, -1), line[1:], atol=1e-10)
    for number in (0, 1):
        inside = (step[number] == np.arange(STEPS)[:, None]).astype(float)
        wanted = np.linalg.lstsq(np.vstack([inside, content[[1 - number]]]).T, cells, rcond=None)[0][:STEPS]
        np.testing.assert_allclose(found.steps[number].reshape(STEPS, -1), wanted, atol=1e-10)
        means = [content[number, step[number] == k].mean() for k in range(STEPS)]
        np.testing.assert_allclose(found.values[number], means, atol=1e-12)
