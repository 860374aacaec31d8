"""Fields of a frame with several grains are measured in each grain against its own lattice."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from shiftvae_rt.encode.modulo import modulo_lattice
from shiftvae_rt.fields import GrainLattice, MeanLattice, turn_between
from shiftvae_rt.kernels.lattice_fields import FieldStream
from shiftvae_rt.kernels.window_grid import WindowGrid

GRID = WindowGrid((240, 240), (20, 20), 4)
CELLS = (np.array([[16.0, 2.0], [-3.0, 15.0]]), np.array([[14.0, 8.0], [-8.5, 12.7]]))
#: du_i/dr_j with (y, x) order, for each grain.
GRADIENTS = (np.array([[0.012, -0.006], [0.018, -0.009]]), np.array([[-0.01, 0.0], [0.0, 0.015]]))
LATTICE = MeanLattice(CELLS[0].tolist(), further=(GrainLattice(CELLS[1].tolist()),))
Y, X = np.meshgrid(GRID.centre_y_px, GRID.centre_x_px, indexing="ij")
#: A boundary so slanted that the second grain begins in another row of each column.
GRAIN = (X > 40 + 0.7 * Y).astype(np.float32)


def map_of(grain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation ``(3, rows, cols)`` as a perfect model would give them."""
    mean = np.stack([Y, X, grain]).astype(np.float32)
    at = np.stack([Y, X]).reshape(2, -1).T
    for number, (cell, gradient) in enumerate(zip(CELLS, GRADIENTS, strict=True)):
        steps = np.array([(i, j) for i in range(-25, 45) for j in range(-25, 45)])
        columns = steps @ cell @ np.linalg.inv(np.eye(2) - gradient).T
        nearest = columns[cKDTree(columns).query(at)[1]] - at
        shift = modulo_lattice(nearest.T, cell).reshape(2, *grain.shape)
        mean[:2, grain == number] = shift[:, grain == number]
    return mean, np.full_like(mean, 0.1)


def test_strain_and_displacement_are_those_of_each_grain():
    fields = FieldStream(GRID, LATTICE).push(*map_of(GRAIN))
    assert fields.names[-1] == "grain"
    np.testing.assert_array_equal(fields["grain"], GRAIN)
    for number, gradient in enumerate(GRADIENTS):
        away = np.abs(X - 40 - 0.7 * Y) > 60
        inner = (number == GRAIN) & away & (np.minimum(Y, 240 - Y) > 40) & (np.minimum(X, 240 - X) > 40)
        assert inner.sum() > 50
        for name, wanted in (("eyy", gradient[0, 0]), ("exx", gradient[1, 1])):
            assert fields[name][inner].mean() == pytest.approx(100 * wanted, abs=0.1), (name, number)
        truth = np.tensordot(gradient, np.stack([Y, X]), axes=1)
        mine = number == GRAIN
        for name, values in zip(("uy", "ux"), truth, strict=True):
            off = (fields[name] - values)[mine]
            assert np.abs(off - np.median(off)).max() < 0.5, (name, number)  # no jump by a lattice vector


def test_windows_without_a_grain_have_no_fields():
    grain = GRAIN.copy()
    grain[20:24, 10:30] = -1
    fields = FieldStream(GRID, LATTICE).push(*map_of(grain))
    assert np.isnan(fields.mean[:6][:, grain < 0]).all()
    assert np.isfinite(fields.mean[:6][:, grain >= 0]).all()
    assert np.isfinite(fields.std[:6][:, grain >= 0]).all()
    assert (fields["grain"][grain < 0] == -1).all()


@pytest.mark.parametrize("parts", [[1], [7, 1, 13]])
def test_rows_are_the_same_however_they_come(parts):
    mean, std = map_of(GRAIN)
    mean[:2] += np.random.default_rng(0).normal(0, 0.3, mean[:2].shape).astype(np.float32)
    whole, stream, bands, row = FieldStream(GRID, LATTICE).push(mean, std), FieldStream(GRID, LATTICE), [], 0
    while row < GRID.rows:
        count = parts[len(bands) % len(parts)]
        bands.append(stream.push(mean[:, row : row + count], std[:, row : row + count]))
        row += count
    for name in ("mean", "std"):
        joined = np.concatenate([getattr(band, name) for band in bands], axis=1)
        np.testing.assert_array_equal(joined, getattr(whole, name))


def test_one_grain_of_two_has_the_fields_of_a_model_of_one_grain():
    mean, std = map_of(np.zeros_like(GRAIN))
    two = FieldStream(GRID, LATTICE).push(mean, std)
    one = FieldStream(GRID, MeanLattice(CELLS[0].tolist())).push(mean, std)
    np.testing.assert_array_equal(two.mean[:6], one.mean)
    np.testing.assert_array_equal(two.std[:6], one.std)


def test_the_turn_between_cells_is_counter_clockwise_as_seen():
    turned = CELLS[0] @ np.array([[0.0, 1.0], [-1.0, 0.0]])  # x, to the right, becomes up
    assert turn_between(CELLS[0], turned) == (pytest.approx(90.0), False)
    assert turn_between(CELLS[0], CELLS[0] * [1, -1])[1]
