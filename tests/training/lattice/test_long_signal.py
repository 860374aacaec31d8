"""A signal of a million samples finds its lattice in bounded memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from shiftvae_training.lattice.find import find_lattice

SAMPLES, PERIOD = 1_000_000, 23.7


def test_the_lattice_of_a_long_signal_is_found_in_bounded_memory():
    x = np.arange(SAMPLES)
    signal = np.cos(2 * np.pi * x / PERIOD) + np.random.default_rng(0).normal(size=SAMPLES)
    tracemalloc.start()
    try:
        found = find_lattice([signal[None, None]])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.period_px == pytest.approx([PERIOD], rel=1e-3)
    assert peak < 1 << 30
