"""Whether an image repeats where a lattice is claimed."""

from __future__ import annotations

import numpy as np
import pytest
from lattice_frames import cell, crystal, scanned

from shiftvae_training.lattice.peaks import prepare_frames
from shiftvae_training.lattice.repetition import repetition

VECTORS = cell(20.0, 24.0, angle=80, turn=12)


def seen(vectors, claimed, *, motif="one", where=None, shape=(200, 240), lines=0.0):
    frame = scanned(crystal(vectors, shape, motif), np.random.default_rng(0), lines=lines)
    where = np.ones(shape, dtype=bool) if where is None else where
    return repetition(list(prepare_frames([frame])[0]), claimed, where)


@pytest.mark.parametrize("lines", [0.0, 0.2])
def test_a_true_cell_repeats_wholly(lines):
    found = seen(VECTORS, VECTORS, lines=lines)
    assert found.share > 0.85
    assert found.larger < 0.07
    assert found.periods == (3, 3)
    assert found.cells == pytest.approx(200 * 240 / abs(np.linalg.det(VECTORS)))


def test_a_harmonic_does_not_and_the_larger_cell_is_told():
    found = seen(VECTORS, VECTORS * [[0.5], [1.0]])
    assert found.share < 0.4
    assert found.larger > 0.5
    assert abs(np.linalg.det(found.whole)) == pytest.approx(abs(np.linalg.det(VECTORS)))


def test_another_cell_does_not_repeat():
    assert seen(VECTORS, cell(17.0, 21.0, angle=95)).share < 0.4


def test_only_the_area_counts():
    left = np.broadcast_to(np.arange(240) < 120, (200, 240))
    frame = scanned(crystal(VECTORS, (200, 240)) * left, np.random.default_rng(0))
    assert repetition(list(prepare_frames([frame])[0]), VECTORS, left).share > 0.9


def test_a_narrow_area_has_few_periods():
    band = np.broadcast_to((np.arange(200) < 45)[:, None], (200, 240))
    assert min(seen(VECTORS, VECTORS, where=band).periods) < 3


def test_lines_are_the_same_along_themselves_and_columns_are_not():
    y, x = np.mgrid[:200, :240]
    q = np.array([0.03, 0.07])
    lines = np.cos(2 * np.pi * (q[0] * y + q[1] * x)) + 0.3 * np.random.default_rng(0).normal(size=y.shape)
    everywhere = np.ones(y.shape, dtype=bool)
    assert repetition([lines], (q / (q @ q))[None], everywhere).share > 0.9
    assert seen(VECTORS, VECTORS[:1]).share < 0.25
