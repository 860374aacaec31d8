"""Strain from shifts and from geometric phases is the strain that was drawn, in the same units and signs."""

from __future__ import annotations

import numpy as np
import pytest

from shiftvae_rt.encode.modulo import modulo_lattice
from shiftvae_rt.errors import LatticeError, WindowError
from shiftvae_rt.kernels.window_grid import WindowGrid
from shiftvae_rt.latent_map import LatentMap
from shiftvae_training.lattice.find import Lattice
from shiftvae_training.lattice.strain import strain_from_frame, strain_from_shift

VECTORS = np.array([[16.0, 2.0], [-3.0, 15.0]])
#: du_i/dr_j with (y, x) order: eyy, du_y/dx, du_x/dy, exx.
GRADIENT = np.array([[0.012, -0.006], [0.018, -0.009]])
SIDE = 200


def columns() -> np.ndarray:
    cells = np.array([(i, j) for i in range(-20, 35) for j in range(-20, 35)])
    return cells @ VECTORS @ np.linalg.inv(np.eye(2) - GRADIENT).T  # R = a + u(R)


def frame() -> np.ndarray:
    y, x = np.ogrid[:SIDE, :SIDE]
    image = np.zeros((SIDE, SIDE))
    for cy, cx in columns():
        if -20 < cy < SIDE + 20 and -20 < cx < SIDE + 20:
            image += np.exp(-0.5 * ((y - cy) ** 2 + (x - cx) ** 2) / 2.5**2)
    return 100 * image


def shift_map(step: int = 4) -> LatentMap:
    """What a perfect model would say: the nearest column, modulo the reference lattice."""
    grid = WindowGrid((SIDE, SIDE), (20, 20), step)
    y, x = np.meshgrid(grid.centre_y_px, grid.centre_x_px, indexing="ij")
    away = columns()[:, None] - np.stack([y.ravel(), x.ravel()], 1)
    nearest = away[np.argmin((away**2).sum(-1), axis=0), np.arange(y.size)]
    mean = modulo_lattice(nearest.T, VECTORS).reshape(2, *y.shape).astype(np.float32)
    return LatentMap(mean, np.full_like(mean, 0.1), ("dy", "dx"), ("px", "px"), (True, True), grid, "0" * 64)


def middle(strain) -> list[float]:
    inner = tuple(slice(n // 4, -n // 4) for n in strain.exx.shape)
    return [float(np.mean(a[inner])) for a in (strain.exx, strain.eyy, strain.exy, strain.rotation)]


WANTED = [-0.009, 0.012, 0.006, -0.012]


def test_shifts_give_the_strain_that_was_drawn():
    np.testing.assert_allclose(middle(strain_from_shift(shift_map(), VECTORS)), WANTED, atol=3e-4)


def test_geometric_phases_give_the_strain_that_was_drawn():
    lattice = Lattice(VECTORS, 1.0, "lattice", "")
    np.testing.assert_allclose(middle(strain_from_frame(frame(), lattice)), WANTED, atol=6e-4)


def test_a_perfect_lattice_has_no_strain():
    lattice = Lattice(VECTORS @ np.linalg.inv(np.eye(2) - GRADIENT).T, 1.0, "lattice", "")
    strain = strain_from_shift(shift_map(), lattice.vectors)
    assert max(np.abs(middle(strain))) < 1e-4
    assert np.abs(strain.exx).max() < 2e-3
    assert max(np.abs(middle(strain_from_frame(frame(), lattice)))) < 3e-4


def test_uncertain_shifts_count_little():
    clean = shift_map()
    mean, std = clean.mean.copy(), clean.std.copy()
    mean[:, 20:23, 20:23] += 5.0
    std[:, 20:23, 20:23] = 20.0
    noisy = LatentMap(mean, std, clean.names, clean.units, clean.varies, clean.grid, clean.model_sha256)
    trusted = LatentMap(mean, clean.std, clean.names, clean.units, clean.varies, clean.grid, clean.model_sha256)
    wanted = strain_from_shift(clean, VECTORS).exx
    assert np.abs(strain_from_shift(noisy, VECTORS).exx - wanted).max() < 1e-3
    assert np.abs(strain_from_shift(trusted, VECTORS).exx - wanted).max() > 5e-3


def test_strain_needs_two_vectors_and_a_map():
    with pytest.raises(LatticeError, match="two lattice vectors, got 1"):
        strain_from_shift(shift_map(), VECTORS[:1])
    with pytest.raises(WindowError, match="at least 3 x 3 windows, got 1 x 1"):
        strain_from_shift(shift_map(200), VECTORS)
