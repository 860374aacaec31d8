"""The fields of the client, in NumPy, are those of the compiled core, also while rows come."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from shiftvae_rt.encode.modulo import modulo_lattice
from shiftvae_rt.fields import GrainLattice, MeanLattice
from shiftvae_rt.kernels.lattice_fields import FieldStream
from shiftvae_rt.kernels.window_grid import WindowGrid

ROOT = Path(__file__).parents[3]
VECTORS = ((16.0, 2.0), (-3.0, 15.0))
#: Largest difference, in the units of the fields: float32 phases beside float64.
MOST = 2e-3


@pytest.fixture(scope="module")
def twin() -> ModuleType:
    """The client's module, with the runtime's own modules as neighbours, as in its wheel."""
    path = ROOT / "client" / "shiftvae_client" / "kernels" / "lattice_fields.py"
    spec = importlib.util.spec_from_file_location("shiftvae_rt.kernels.numpy_fields", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("parts", [[1000], [9, 1, 14]], ids=["whole", "bands"])
@pytest.mark.parametrize(("side", "stride"), [(160, 4), (160, 8), (60, 4)])
def test_rows_are_those_of_the_core(twin: ModuleType, parts: list[int], side: int, stride: int) -> None:
    grid, rng = WindowGrid((side, side + 20), (20, 18), stride), np.random.default_rng(stride)
    lattice = MeanLattice(VECTORS, gradient=((0.01, -0.02), (0.015, -0.005)), aspect=1.2)
    place = np.stack(np.meshgrid(grid.centre_y_px, grid.centre_x_px, indexing="ij"))
    wave = 2 * np.sin(place[::-1] / 25)
    shift = modulo_lattice((wave - place).reshape(2, -1), np.array(VECTORS)).reshape(place.shape)
    shift = (shift + rng.normal(0, 0.2, shift.shape)).astype(np.float32)
    sd = rng.uniform(0.1, 0.4, shift.shape).astype(np.float32)
    ours, theirs, row = twin.FieldStream(grid, lattice), FieldStream(grid, lattice), 0
    assert ours.lag == theirs.lag
    for turn in range(10_000):
        count = parts[turn % len(parts)]
        band = slice(row, row + count)
        row += count
        got, expected = ours.push(shift[:, band], sd[:, band]), theirs.push(shift[:, band], sd[:, band])
        assert (got.first_row, got.mean.shape) == (expected.first_row, expected.mean.shape)
        np.testing.assert_allclose(got.mean, expected.mean, atol=MOST)
        np.testing.assert_allclose(got.std, expected.std, rtol=1e-5)
        if row >= grid.rows:
            break
    assert got.first_row + got.mean.shape[1] == grid.rows


@pytest.mark.parametrize("parts", [[1000], [9, 1, 14]], ids=["whole", "bands"])
def test_rows_of_several_grains_are_those_of_the_core(twin: ModuleType, parts: list[int]) -> None:
    grid, rng = WindowGrid((160, 180), (20, 18), 4), np.random.default_rng(1)
    further = ((14.0, 8.0), (-8.5, 12.7))
    lattice = MeanLattice(VECTORS, further=(GrainLattice(further, gradient=((0.01, 0.0), (0.0, 0.02))),))
    y, x = np.meshgrid(grid.centre_y_px, grid.centre_x_px, indexing="ij")
    grain = np.where(np.hypot(y - 40, x - 60) < 14, -1, (x > 30 + 0.7 * y).astype(int))
    wave = 2 * np.sin(np.stack([x, y]) / 25)
    mean = np.stack([y, x, grain]).astype(np.float32)
    for number, vectors in enumerate((VECTORS, further)):
        shift = modulo_lattice((wave - [y, x]).reshape(2, -1), np.array(vectors)).reshape(wave.shape)
        mean[:2, grain == number] = shift[:, grain == number]
    std = rng.uniform(0.1, 0.4, mean.shape).astype(np.float32)
    ours, theirs, row = twin.FieldStream(grid, lattice), FieldStream(grid, lattice), 0
    for turn in range(10_000):
        band = slice(row, row + parts[turn % len(parts)])
        row = band.stop
        got, expected = ours.push(mean[:, band], std[:, band]), theirs.push(mean[:, band], std[:, band])
        np.testing.assert_allclose(got.mean, expected.mean, atol=MOST)
        np.testing.assert_allclose(got.std, expected.std, rtol=1e-5)
        if row >= grid.rows:
            break
    assert got.names[-1] == "grain"
