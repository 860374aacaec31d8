"""Which cell is taken where a sample has a superlattice: everywhere, in domains, or as asked."""

from __future__ import annotations

import numpy as np
import pytest

from shiftvae_rt import LatticeError, TrainingError
from shiftvae_training.fitting.settings import Settings
from shiftvae_training.lattice.cell import known_lattice, lattice_with_cell, parse_cell
from shiftvae_training.lattice.find import find_lattice

SIDE, PERIOD = 448, 14.0


def ordered(strength, *, down=True) -> np.ndarray:
    """A scan ``(1, H, W)`` whose columns are brighter and dimmer from row to row, by ``strength (H, W)``."""
    y, x = np.mgrid[:SIDE, :SIDE]
    cells = np.floor((y if down else x) / PERIOD).astype(int)
    columns = np.exp(-(((y % PERIOD) - PERIOD / 2) ** 2 + ((x % PERIOD) - PERIOD / 2) ** 2) / 12)
    rate = 20 + 80 * columns * (1 + 0.2 * strength * (-1.0) ** cells)
    return np.random.default_rng(0).poisson(rate).astype(float)[None]


def halves(left: float, right: float) -> np.ndarray:
    return np.where(np.arange(SIDE) < SIDE * 0.45, left, right) * np.ones((SIDE, 1))


def lengths(lattice) -> list[float]:
    return sorted(lattice.period_px.round().tolist())


def test_order_all_over_the_frame_makes_the_larger_cell_the_period():
    found = find_lattice([ordered(1.0)])
    assert lengths(found) == [14.0, 28.0]
    assert not len(found.superlattice)


def test_only_the_small_cell_goes_on_across_an_antiphase_wall():
    wall = np.tanh((np.mgrid[:SIDE, :SIDE][1] - SIDE / 2) / 20)
    found = find_lattice([ordered(wall)])
    assert lengths(found) == [14.0, 14.0]
    assert found.superlattice.tolist() == [[0.5, 0.0]]
    assert "antiphase walls" in found.reason


def test_walls_that_split_the_satellites_of_the_whole_frame_do_not_hide_the_order():
    y, x = np.mgrid[:SIDE, :SIDE]
    column = np.exp(-(((y % 9.95) - 5) ** 2 + ((x % 9.65) - 5) ** 2) / 6)
    left = x < 0.52 * SIDE + 60 * np.sin(y / 52)
    rows = left * np.where(y - 0.2 * x > 0.45 * SIDE, -1, 1) * (-1.0) ** np.floor(y / 9.95)
    cols = ~left * np.where(y + x > 1.15 * SIDE, -1, 1) * (-1.0) ** np.floor(x / 9.65)
    rate = 15 + 80 * column * (1 + 0.25 * (rows + cols))
    found = find_lattice([np.random.default_rng(0).poisson(rate).astype(float)[None]])
    assert lengths(found) == [10.0, 10.0]
    assert sorted(found.superlattice.tolist()) == [[0.0, 0.5], [0.5, 0.0]]


def test_order_in_a_part_of_the_frame_is_told_by_its_vector_on_the_parent():
    found = find_lattice([ordered(halves(0.0, 1.0))])
    assert lengths(found) == [14.0, 14.0]
    assert found.superlattice.tolist() == [[0.5, 0.0]]


def test_two_variants_are_two_vectors():
    part = halves(1.0, 0.0)
    found = find_lattice([ordered(part) + ordered(1 - part, down=False)])
    assert lengths(found) == [14.0, 14.0]
    assert sorted(found.superlattice.tolist()) == [[0.0, 0.5], [0.5, 0.0]]


@pytest.mark.parametrize(("cell", "periods"), [("parent", [14.0, 14.0]), ("super", [14.0, 28.0])])
@pytest.mark.parametrize("right", [-1.0, 0.0, 1.0], ids=["wall", "part", "whole"])
def test_the_cell_that_is_asked_for_is_taken(cell, periods, right):
    found = lattice_with_cell([ordered(halves(1.0, right))], cell)
    assert lengths(found) == periods
    assert len(found.superlattice) == (cell == "parent")


def test_given_vectors_are_refined_on_the_frames():
    found = lattice_with_cell([ordered(halves(1.0, 1.0))], ((28.3, 0.2), (0.0, 13.9)))
    np.testing.assert_allclose(found.vectors, [[28, 0], [0, 14]], atol=0.06)
    assert "the cell that was given, 28.30 x 13.90 px" in found.reason


def test_given_vectors_that_the_frames_do_not_repeat_with_are_refused():
    with pytest.raises(LatticeError, match=r"got 17\.00 x 15\.00 px.* the nearest period is"):
        lattice_with_cell([ordered(halves(1.0, 1.0))], ((17.0, 0.0), (0.0, 15.0)))


def test_a_model_of_either_cell_goes_on_with_its_own():
    frames = [ordered(halves(1.0, 1.0))]
    for known in ([[14.0, 0.0], [0.0, 14.0]], [[28.0, 0.0], [0.0, 14.0]]):
        assert known_lattice(frames, np.array(known)).vectors.tolist() == known
    with pytest.raises(LatticeError, match=r"28\.00 x 28\.00 px"):
        known_lattice(frames, np.diag([28.0, 28.0]))


def test_a_cell_is_a_name_or_two_vectors():
    assert parse_cell("(20,0.2), (-0.1,19.3)") == ((20.0, 0.2), (-0.1, 19.3))
    for text in ("(20,0)", "20,0,0,19", "(20,0),(a,1)", "largest"):
        with pytest.raises(ValueError, match="cell|float"):
            parse_cell(text)


@pytest.mark.parametrize(
    "cell",
    [
        "largest",
        ((20.0, 0.0), (40.0, 0.5)),
        ((20.0, 0.0),),
        ((20.0, 0.0), (0.0, float("nan"))),
        ((2.0, 0.0), (0.0, 9.0)),
    ],
    ids=["name", "parallel", "one", "nan", "tiny"],
)
def test_another_cell_is_refused_before_the_work(cell):
    with pytest.raises(TrainingError, match=r"expected cell to be auto, parent, super, or two vectors"):
        Settings(cell=cell)


def test_isolated_features_have_no_cell():
    with pytest.raises(TrainingError, match=r"'super' with 'planar'"):
        Settings(shift="planar", window=20, cell="super")
