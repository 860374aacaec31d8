"""Frames are divided into the grains that were drawn, and nothing else is taken for a grain."""

from __future__ import annotations

import numpy as np
import pytest
from grain_frames import CELL, grain_frame, turned

from shiftvae_rt.fields import turn_between
from shiftvae_training.lattice.find import find_lattice
from shiftvae_training.lattice.grains import bases_like, find_grains


def divided(frame):
    return find_grains([frame], find_lattice([frame]))


@pytest.mark.parametrize("angle", [6.0, 19.0])
def test_pixels_are_labelled_with_their_grain(angle):
    frame, half = grain_frame([turned(CELL, 4.0), turned(CELL, 4.0 + angle)])
    grains, why = divided(frame)
    assert (len(grains.cells), why) == (2, "")
    right = np.mean(grains.labels[0] == half)
    assert max(right, 1 - right) > 0.97
    wanted = [turned(CELL, 4.0), turned(CELL, 4.0 + angle)]
    for cell in grains.cells:  # to 0.5 % in some basis
        best = min(np.abs(basis - each).max() for each in wanted for basis in bases_like(each, cell))
        assert best < 0.005 * 12


def test_a_mirror_twin_is_two_grains():
    frame, half = grain_frame([turned(CELL, 5.0), turned(CELL * [1, -1], -5.0)])
    grains, _ = divided(frame)
    right = np.mean(grains.labels[0] == half)
    assert max(right, 1 - right) > 0.97


def test_pixels_without_a_lattice_have_no_label():
    frame, _ = grain_frame([turned(CELL, 4.0), turned(CELL, 23.0)])
    frame = frame.copy()
    frame[:, :60, :60] = np.random.default_rng(1).poisson(14, (1, 60, 60))
    grains, _ = divided(frame)
    assert np.mean(grains.labels[0][10:45, 10:45] == -1) > 0.9
    assert not grains.where[25, 25]
    assert np.mean(grains.labels[0][100:] >= 0) > 0.99


def test_one_crystal_is_one_grain():
    frame, _ = grain_frame([CELL])
    assert divided(frame) == (None, "")


def test_two_lattices_on_top_of_each_other_are_no_grains():
    frame, _ = grain_frame([CELL, turned(CELL, 25.0)], everywhere=True)
    grains, why = divided(frame)
    assert grains is None
    assert "no separate areas" in why


def test_another_crystal_is_no_grain():
    frame, _ = grain_frame([CELL, turned(1.25 * CELL, 25.0)])
    grains, why = divided(frame)
    assert grains is None
    assert "another crystal" in why


@pytest.mark.parametrize("mirror", [False, True])
def test_bases_like_a_cell_have_its_shape(mirror):
    second = turned(CELL * [1, -1 if mirror else 1], 17.0)
    found = bases_like(CELL, np.array([[2, 1], [1, 1]]) @ second)
    assert any(np.allclose(basis, second) for basis in found)
    assert all(0.92 < np.linalg.norm(v, 2) < 1.09 for v in np.linalg.inv(CELL) @ np.array(found))
    assert turn_between(CELL, second)[1] == mirror
