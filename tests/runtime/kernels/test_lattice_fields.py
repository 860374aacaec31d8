"""Fields are the displacement and strain that were drawn, in their units and signs, with deviations that cover."""

from __future__ import annotations

import numpy as np
import pytest

from shiftvae_rt.encode.modulo import modulo_lattice
from shiftvae_rt.errors import WindowError
from shiftvae_rt.fields import MeanLattice
from shiftvae_rt.kernels.lattice_fields import FieldStream
from shiftvae_rt.kernels.window_grid import WindowGrid

VECTORS = np.array([[16.0, 2.0], [-3.0, 15.0]])
#: du_i/dr_j with (y, x) order: eyy, du_y/dx, du_x/dy, exx.
GRADIENT = np.array([[0.012, -0.006], [0.018, -0.009]])
WANTED = {"exx": -0.9, "eyy": 1.2, "exy": 0.6, "rotation": np.degrees(-0.012)}
SIDE, WINDOW = 200, 20


def grid_of(step: int = 4) -> WindowGrid:
    return WindowGrid((SIDE, SIDE), (WINDOW, WINDOW), step)


def places(grid: WindowGrid) -> np.ndarray:
    return np.stack(np.meshgrid(grid.centre_y_px, grid.centre_x_px, indexing="ij"))


def shift_map(grid: WindowGrid) -> np.ndarray:
    """What a perfect model would say: the nearest column, modulo the lattice."""
    cells = np.array([(i, j) for i in range(-20, 35) for j in range(-20, 35)])
    columns = cells @ VECTORS @ np.linalg.inv(np.eye(2) - GRADIENT).T  # R = a + u(R)
    at = places(grid).reshape(2, -1).T
    away = columns[:, None] - at
    nearest = away[np.argmin((away**2).sum(-1), axis=0), np.arange(len(at))]
    return modulo_lattice(nearest.T, VECTORS).reshape(2, grid.rows, grid.cols).astype(np.float32)


def fields_of(shift: np.ndarray, grid: WindowGrid, sd: np.ndarray | None = None, **options):
    sd = np.full_like(shift, 0.1) if sd is None else sd
    return FieldStream(grid, MeanLattice(VECTORS.tolist(), **options)).push(shift, sd)


@pytest.mark.parametrize("step", [1, 4, 8])
def test_shifts_give_the_strain_that_was_drawn(step):
    grid = grid_of(step)
    fields = fields_of(shift_map(grid), grid)
    inner = tuple(slice(n // 4, -(n // 4)) for n in (grid.rows, grid.cols))
    for name, wanted in WANTED.items():
        assert fields[name][inner].mean() == pytest.approx(wanted, abs=0.03), name


def test_displacements_are_those_that_were_drawn_but_for_a_constant():
    grid = grid_of()
    fields = fields_of(shift_map(grid), grid)
    wanted = np.tensordot(GRADIENT, places(grid), axes=1)
    for name, truth in zip(("uy", "ux"), wanted, strict=True):
        off = fields[name] - truth
        # a window tells of the motif nearest to it, which is up to half a cell away
        assert np.abs(off - off.mean()).max() < 0.35, name
        assert abs(fields[name][0].mean()) < 1e-4


def test_the_mean_gradient_is_taken_off():
    grid = grid_of()
    fields = fields_of(shift_map(grid), grid, gradient=GRADIENT.tolist())
    assert np.abs(fields.mean[:2]).max() < 0.4
    assert np.abs(fields.mean[2:].mean(axis=(1, 2))).max() < 0.03


@pytest.mark.parametrize("parts", [[1], [7, 1, 13], [3]])
def test_rows_are_the_same_however_they_come(parts):
    grid = grid_of()
    shift = shift_map(grid) + np.random.default_rng(0).normal(0, 0.3, (2, grid.rows, grid.cols)).astype(np.float32)
    sd = np.full_like(shift, 0.3)
    whole = fields_of(shift, grid, sd)
    stream, bands, row = FieldStream(grid, MeanLattice(VECTORS.tolist())), [], 0
    while row < grid.rows:
        count = parts[len(bands) % len(parts)]
        band = stream.push(shift[:, row : row + count], sd[:, row : row + count])
        row = min(row + count, grid.rows)
        assert band.first_row == sum(b.mean.shape[1] for b in bands)
        bands.append(band)
        done = sum(b.mean.shape[1] for b in bands)
        assert done == (grid.rows if row == grid.rows else max(0, row - stream.lag))
    assert np.array_equal(np.concatenate([b.mean for b in bands], axis=1), whole.mean)
    assert np.array_equal(np.concatenate([b.std for b in bands], axis=1), whole.std)


def noise_of_windows(rng: np.random.Generator, grid: WindowGrid, sd: float) -> np.ndarray:
    """Errors of shifts that windows make from pixels of white noise: alike as far as the windows overlap."""
    white = rng.normal(size=(2, *grid.frame_shape))
    for axis in (1, 2):
        total = np.cumsum(np.insert(white, 0, 0, axis=axis), axis=axis)
        ends = np.arange(WINDOW, total.shape[axis])
        white = total.take(ends, axis=axis) - total.take(ends - WINDOW, axis=axis)
    return (sd / WINDOW * white[:, :: grid.stride, :: grid.stride]).astype(np.float32)


def test_deviations_cover_the_noise_of_overlapping_windows():
    grid, rng = grid_of(), np.random.default_rng(1)
    perfect = modulo_lattice(-places(grid).reshape(2, -1), VECTORS).reshape(2, grid.rows, grid.cols)
    away = []
    for _ in range(20):
        shift = (perfect + noise_of_windows(rng, grid, 0.4)).astype(np.float32)
        fields = fields_of(shift, grid, np.full_like(shift, 0.4))
        inner = (slice(2, None), slice(8, -8), slice(8, -8))
        away.append(fields.mean[inner] / fields.std[inner])
    spread = np.sqrt(np.mean(np.square(away), axis=(0, 2, 3)))
    assert np.all((spread > 0.85) & (spread < 1.15)), spread


def test_uncertain_shifts_count_little():
    grid = grid_of()
    clean = shift_map(grid)
    shift, sd = clean.copy(), np.full_like(clean, 0.1)
    shift[:, 20:23, 20:23] += 5.0
    trusted = fields_of(shift, grid, sd)
    sd[:, 20:23, 20:23] = 20.0
    known = fields_of(clean, grid)
    assert np.abs(fields_of(shift, grid, sd).mean[2:5] - known.mean[2:5]).max() < 0.2
    assert np.abs(trusted.mean[2:5] - known.mean[2:5]).max() > 0.5


def test_two_lattice_vectors_are_needed():
    with pytest.raises(WindowError, match="two lattice vectors .* not parallel"):
        FieldStream(grid_of(), MeanLattice(VECTORS[:1].tolist()))
    with pytest.raises(WindowError, match="not parallel"):
        FieldStream(grid_of(), MeanLattice(((1.0, 2.0), (2.0, 4.0))))


def test_a_field_is_asked_for_by_its_name():
    grid = grid_of(8)
    fields = fields_of(shift_map(grid), grid)
    assert dict(zip(fields.names, fields.units, strict=True))["rotation"] == "deg"
    with pytest.raises(KeyError, match="uy, ux, exx"):
        fields["strain"]
