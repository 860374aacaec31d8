"""The antiphase of an order does not turn from window to window, and changes where the domain does."""

from __future__ import annotations

import numpy as np
import pytest

from shiftvae_rt.encode.modulo import modulo_lattice
from shiftvae_rt.fields import MeanLattice
from shiftvae_rt.kernels.lattice_fields import FieldStream
from shiftvae_rt.kernels.window_grid import WindowGrid

VECTORS = np.array([[16.0, 2.0], [-3.0, 15.0]])
GRADIENT = np.array([[0.012, -0.006], [0.018, -0.009]])
GRID = WindowGrid((260, 240), (24, 24), 4)
PLACES = np.stack(np.meshgrid(GRID.centre_y_px, GRID.centre_x_px, indexing="ij"))
#: Superlattice vector, and the angle between two of its antiphase domains, degrees.
ORDERS = {"doubled": ((0.5, 0.0), 180.0), "checkered": ((-0.5, 0.5), 180.0), "tripled": ((1 / 3, 0.0), 120.0)}


def made_map(vector, apart: float, *, strained: bool = True) -> tuple[np.ndarray, np.ndarray, MeanLattice]:
    """A perfect model's map ``(4, rows, cols)`` of antiphase domains on the left and right; strength; lattice."""
    gradient = GRADIENT if strained else np.zeros((2, 2))
    moved = np.tensordot(gradient, PLACES, axes=1) + 0.8 * np.sin(PLACES[::-1] / 40)
    cells = np.tensordot(np.linalg.inv(VECTORS).T, PLACES - moved, axes=1)  # place in the crystal, in cells
    shift = modulo_lattice(np.tensordot(VECTORS.T, np.rint(cells) - cells, axes=1).reshape(2, -1), VECTORS)
    right = PLACES[1] > 130
    amplitude = (0.3 + PLACES[0] / 260) * np.exp(1j * np.radians(30 + apart * right))
    wave = amplitude * np.exp(2j * np.pi * np.tensordot(vector, cells, axes=1))
    mean = np.concatenate([shift.reshape(PLACES.shape), [wave.real, wave.imag]]).astype(np.float32)
    lattice = MeanLattice(VECTORS.tolist(), superlattice=(vector,))
    return mean, np.abs(amplitude), lattice


@pytest.mark.parametrize(("vector", "apart"), ORDERS.values(), ids=list(ORDERS))
@pytest.mark.parametrize("strained", [False, True])
def test_domains_lie_their_angle_apart(vector, apart, strained):
    mean, strength, lattice = made_map(vector, apart, strained=strained)
    fields = FieldStream(GRID, lattice).push(mean, np.full_like(mean, 0.05))
    assert fields.names[6:] == ("order1", "antiphase1")
    assert fields.units[6:] == ("", "deg")
    np.testing.assert_allclose(fields["order1"], strength, rtol=1e-5)
    turned = np.exp(1j * np.radians(fields["antiphase1"]))
    left, right = (turned[:, part] for part in (PLACES[1, 0] < 125, PLACES[1, 0] > 135))
    # the amplitude is taken to a motif up to half a cell away, where the displacement differs by a few tenths of a px
    assert abs(left.mean()) > 0.995
    assert abs(right.mean()) > 0.995
    assert np.degrees(np.angle(right.mean() / left.mean())) % 360 == pytest.approx(apart, abs=3)


def test_rows_have_the_bits_of_the_whole():
    mean, _, lattice = made_map((0.5, 0.0), 180.0)
    std = np.random.default_rng(0).uniform(0.05, 0.2, mean.shape).astype(np.float32)
    whole = FieldStream(GRID, lattice).push(mean, std)
    stream, parts, row = FieldStream(GRID, lattice), [], 0
    for count in (1, 20, 0, 7, 60):
        parts.append(stream.push(mean[:, row : row + count], std[:, row : row + count]))
        row += count
    assert row >= GRID.rows
    for name in ("mean", "std"):
        joined = np.concatenate([getattr(part, name) for part in parts], axis=1)
        np.testing.assert_array_equal(joined.view(np.uint32), getattr(whole, name).view(np.uint32))


def test_the_deviation_of_an_angle_is_that_of_the_amplitude_across_it_and_that_of_any_angle_without_order():
    mean, strength, lattice = made_map((0.5, 0.0), 180.0)
    mean[2:, 0] = 0
    std = np.full_like(mean, 0.1)
    fields = FieldStream(GRID, lattice).push(mean, std)
    np.testing.assert_array_equal(fields.std[6], std[2])
    np.testing.assert_allclose(fields.std[7, 1:], np.degrees(0.1 / strength[1:]), rtol=1e-5)
    np.testing.assert_allclose(fields.std[7, 0], 180 / np.sqrt(3), rtol=1e-6)


def test_a_lattice_without_order_has_the_six_fields():
    mean, _, lattice = made_map((0.5, 0.0), 180.0)
    plain = MeanLattice(lattice.vectors)
    with_order, without = (FieldStream(GRID, each).push(mean, np.ones_like(mean)) for each in (lattice, plain))
    assert without.names == with_order.names[:6]
    np.testing.assert_array_equal(without.mean, with_order.mean[:6])
