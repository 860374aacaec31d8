"""Hot and dead pixels are taken out before a lattice is looked for, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest
from lattice_frames import cell, crystal, same_lattice, scanned

from shiftvae_training.lattice.find import find_lattice
from shiftvae_training.lattice.outliers import despike


@pytest.mark.parametrize(("share", "value"), [(1e-3, 65535), (1e-3, 5000), (1e-2, 5000)])
@pytest.mark.parametrize("motif", ["one", "perovskite"])
def test_hot_pixels_change_nothing(share, value, motif):
    rng = np.random.default_rng(0)
    frame = scanned(crystal(cell(24.0), (256, 256), motif), rng)
    found = find_lattice([np.where(rng.uniform(size=frame.shape) < share, value, frame)])
    assert found.confidence > 0.99, found.reason
    assert same_lattice(found.vectors, cell(24.0), tolerance=0.005), found.vectors


def test_spikes_become_what_surrounds_them():
    rng = np.random.default_rng(0)
    clean = crystal(cell(16.0, turn=10), (100, 120)) + 0.05 * rng.normal(size=(100, 120))
    row, col = rng.integers(0, 100, 20), rng.integers(0, 120, 20)
    frame = clean.copy()
    frame[row, col] = rng.choice([-100.0, 100.0], 20)
    frame[0, 0] = frame[-1, -1] = 1e6
    mended = despike(frame)
    changed = mended != frame
    assert changed.sum() == len({*zip(row, col, strict=True), (0, 0), (99, 119)})
    assert np.abs(mended - clean).max() < 0.5
    assert frame[0, 0] == 1e6  # the caller's pixels stay


@pytest.mark.parametrize("sigma", [1.0, 2.0])
def test_sharp_columns_are_no_spikes(sigma):
    y, x = np.mgrid[:120, :120]
    columns = np.exp(-((y % 12 - 6.0) ** 2 + (x % 12 - 6.0) ** 2) / (2 * sigma**2))
    assert despike(columns) is columns


def test_a_constant_channel_and_a_tiny_one_stay():
    for shape in ((32, 32), (1, 2), (1, 50)):
        channel = np.ones(shape)
        assert despike(channel) is channel


def test_a_spike_in_a_signal_is_taken_out():
    signal = np.cos(np.arange(400.0) / 5)[None]
    frame = signal.copy()
    frame[0, [0, 17, 399]] = 50.0
    np.testing.assert_allclose(despike(frame), signal, atol=0.5)
