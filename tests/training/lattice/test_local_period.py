"""The variation of the period across a frame."""

from __future__ import annotations

import numpy as np
import pytest
from lattice_frames import cell, crystal, scanned, without_period

from shiftvae_rt.errors import LatticeError
from shiftvae_training.lattice.find import find_lattice
from shiftvae_training.lattice.local_period import local_period


def frame(vectors, n=256, motif="one", seed=0, **options):
    strain = options.pop("strain", 0.0)
    return scanned(crystal(vectors, (n, n), motif, strain=strain), np.random.default_rng(seed), **options)


@pytest.mark.parametrize("counts", [1000, 20])
def test_the_local_period_follows_the_strain(counts):
    image = frame(cell(20.0, turn=10), n=512, motif="perovskite", strain=0.03, counts=counts)
    local = local_period([image], find_lattice([image]))
    middle = 100 * (1 + 0.03 * local.centre_y_px / 512) / (1 + 0.015) - 100
    np.testing.assert_allclose(np.nanmean(local.deviation_percent[0], axis=1), middle, atol=0.15)
    np.testing.assert_allclose(local.variation_percent, 2.0, atol=0.25)


def test_a_constant_period_varies_by_next_to_nothing():
    image = frame(cell(20.0, turn=10), n=512, counts=100)
    assert (local_period([image], find_lattice([image])).variation_percent < 0.2).all()


def test_a_frame_too_small_for_two_tiles_has_no_local_period():
    image = frame(cell(30.0), n=128)
    assert local_period([image], find_lattice([image])).deviation_percent.shape == (2, 0, 0)


def test_the_local_period_of_a_signal_follows_its_chirp():
    x = np.arange(2048.0)
    signal = np.cos(2 * np.pi * (x / 30 - x**2 / (2 * 30 * 2048) * 0.04)) ** 3
    local = local_period([signal[None, None]], find_lattice([signal[None, None]]))
    assert local.deviation_percent.shape[:2] == (1, 1)
    assert local.variation_percent[0] == pytest.approx(3.4, abs=0.5)


def test_the_local_period_needs_a_lattice():
    noise = without_period("noise", 64, np.random.default_rng(0))
    with pytest.raises(LatticeError, match="expected a lattice with vectors"):
        local_period([noise], find_lattice([noise]))
