"""The grains are matched by their motif, and the first guess then means the same in both."""

from __future__ import annotations

import numpy as np
import pytest
from grain_frames import CELL, COLUMNS, grain_frame, turned

from shiftvae_rt.fields import turn_between
from shiftvae_training.guess.grain_guess import make_grain_guess
from shiftvae_training.lattice.grains import Grains, label_frames

#: Columns that look the same after half a turn, and in a mirror.
SYMMETRIC = (COLUMNS[0],)
#: An oblique basis of the same lattice: what a search for the lattice may give.
OTHER = np.array([[1, 1], [0, 1]])


def guess_of(first, second, columns=COLUMNS):
    frame, half = grain_frame([first, second], columns=columns)
    scaled = frame / frame.std()
    cells = np.array([first, OTHER @ second])
    return make_grain_guess([scaled], Grains(cells, label_frames([scaled], cells)), window=(24, 24), content=1), half


@pytest.mark.parametrize("mirror", [False, True], ids=["turned", "mirrored"])
def test_grains_are_matched_by_their_motif(mirror):
    first = turned(CELL, 6.0)
    second = turned(CELL * [1, -1], -6.0) if mirror else turned(CELL, 21.0)
    guess, _ = guess_of(first, second)
    np.testing.assert_allclose(guess.grains.cells[1], second, atol=1e-9)
    how = "mirrored and turned by 12.0 degrees clockwise" if mirror else "turned by 15.0 degrees counter-clockwise"
    assert guess.words == f"grain 1 is {how} against grain 0"


def test_a_motif_that_looks_the_same_in_a_mirror_leaves_the_match_open():
    guess, _ = guess_of(turned(CELL, 6.0), turned(CELL, 21.0), SYMMETRIC)
    assert "open:" in guess.words
    assert abs(turn_between(*guess.grains.cells)[0]) == pytest.approx(15.0, abs=0.1)  # the one that turns least


def test_targets_are_on_the_columns_of_each_grain_and_weigh_nothing_at_the_border():
    first, second = turned(CELL, 6.0), turned(CELL, 21.0)
    guess, half = guess_of(first, second)
    y, x = (v.ravel().astype(float) for v in np.mgrid[30:170:7, 20:180:7])
    shift, content, weight = guess.targets_at(0, y, x)
    assert (shift.shape, content.shape) == ((len(y), 2), (len(y), 1))
    for number, cell in enumerate((first, second)):
        mine = (half[y.astype(int), x.astype(int)] == number) & (weight > 0)
        assert mine.sum() > 50
        phase = np.exp(2j * np.pi * (np.stack([y, x], 1) + shift)[mine] @ np.linalg.inv(cell))
        assert np.abs(phase.mean(axis=0)).min() > 0.98  # the same place in every cell
    from_border = np.abs(x - 96 - 0.2 * (y - 96))
    assert weight[from_border < 4].max() == 0
    assert weight[(from_border > 30) & (np.minimum(x, 192 - x) > 20)].min() == 1
