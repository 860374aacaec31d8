"""Where in a frame a lattice is seen."""

from __future__ import annotations

import numpy as np
import pytest
from lattice_frames import cell, crystal, scanned

from shiftvae_training.lattice.find import find_lattice


def agreement(found, true):
    """Intersection over union of two masks."""
    return (found & true).sum() / (found | true).sum()


@pytest.mark.parametrize("period", [8.0, 16.0])
def test_the_mask_of_a_lattice_in_half_the_frame_is_that_half(period):
    left = np.broadcast_to(np.arange(256) < 150, (256, 256))
    image = np.where(left, crystal(cell(period, turn=7), (256, 256)), 0.0)
    found = find_lattice([scanned(image, np.random.default_rng(0))])
    assert found.where.shape == (256, 256)
    assert found.where.dtype == bool
    assert agreement(found.where, left) > 0.9


def test_the_mask_of_a_lattice_everywhere_is_all_of_the_frame():
    found = find_lattice([scanned(crystal(cell(16.0, turn=7), (200, 256)), np.random.default_rng(0), shading=0.3)])
    assert found.where.all()


def test_a_lattice_that_differs_from_frame_to_frame_is_where_any_of_them_shows_it():
    left, image = np.arange(256) < 128, crystal(cell(12.0, turn=7), (256, 256))
    frames = [scanned(np.where(part, image, 0.0), np.random.default_rng(0)) for part in (left, ~left)]
    assert find_lattice(frames).where.mean() > 0.95


def test_no_lattice_is_nowhere():
    assert find_lattice([np.random.default_rng(0).normal(size=(1, 64, 64))]).where is None


def test_the_mask_of_a_signal_has_one_row():
    x = np.arange(1024.0)
    signal = np.where(x < 600, np.cos(2 * np.pi * x / 31) ** 5, 0.0)[None, None]
    found = find_lattice([signal + 0.05 * np.random.default_rng(0).normal(size=(1, 1, 1024))])
    assert found.where.shape == (1, 1024)
    assert agreement(found.where, x[None] < 600) > 0.9
