"""Scatter of the shift about a smooth lattice is measured without a truth, and not taken for anything else."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from shiftvae_rt.encode.modulo import modulo_lattice
from shiftvae_training.finishing.consistency import position_scatter

LATTICE = np.array([[12.0, 1.0], [-2.0, 13.0]])
SIZE, STRIDE = (16, 16), 4


def shifts(*, noise=0.0, bias=0.0, strain=0.0, jump=0.0, rows=110, cols=120, seed=0):
    """Shift maps ``(2, rows, cols)`` px: noise that windows share, an error that follows the cell, strain, a step."""
    rng = np.random.default_rng(seed)
    r = STRIDE * np.stack(np.meshgrid(np.arange(rows), np.arange(cols), indexing="ij")).astype(float)
    columns = 0.3 - r + strain * r**2 / 500
    columns[1, rows // 2 :] += jump
    shift = modulo_lattice(columns, LATTICE)
    turns = np.tensordot(np.linalg.pinv(LATTICE).T, shift, axes=1)
    shift = shift + bias * np.sqrt(2) * np.sin(2 * np.pi * turns)
    shared = uniform_filter(rng.normal(size=(2, rows, cols)), (0, SIZE[0] // STRIDE, SIZE[1] // STRIDE), mode="wrap")
    return modulo_lattice(shift + noise * shared / shared.std(), LATTICE)


def scatter(shift, sd):
    return position_scatter(shift, np.full(shift.shape, sd), LATTICE, window=SIZE, stride=STRIDE)


def test_deviations_that_are_right_stay():
    assert scatter(shifts(noise=0.1), 0.1) == pytest.approx(1.0, rel=0.05)


def test_an_error_that_follows_the_cell_counts_though_there_is_no_noise():
    assert scatter(shifts(bias=0.1), 0.1) == pytest.approx(1.3, abs=0.1)
    assert scatter(shifts(noise=0.1, bias=0.1), 0.1) == pytest.approx(np.sqrt(2), rel=0.1)


def test_strain_and_a_dislocated_row_are_no_error():
    assert scatter(shifts(noise=0.1, strain=0.01), 0.1) == pytest.approx(1.0, abs=0.1)
    assert scatter(shifts(noise=0.1, jump=3.0), 0.1) == pytest.approx(1.0, abs=0.45)


def test_a_signal_is_measured_along_its_line():
    rng = np.random.default_rng(0)
    r = STRIDE * np.arange(900.0)[None, None]
    noise = uniform_filter(rng.normal(size=(1, 1, 900)), (0, 0, 4))
    shift = modulo_lattice(0.1 * noise / noise.std() - r, [[0.0, 12.0]])
    found = position_scatter(shift, np.full(shift.shape, 0.1), [[0.0, 12.0]], window=(1, 16), stride=STRIDE)
    assert found == pytest.approx(1.0, rel=0.15)


def test_a_small_frame_does_not_tell():
    assert scatter(shifts(rows=20, cols=120), 0.1) is None
