"""The lattice of a strip of a few periods beside vacuum is fitted to its pixels alone."""

from __future__ import annotations

import numpy as np
import pytest
from lattice_frames import cell, crystal, same_lattice, scanned

from shiftvae_training.lattice import find
from shiftvae_training.lattice.find import find_lattice
from shiftvae_training.lattice.strip import fit_in_strip, is_strip

ORDERS = np.array([[1, 0], [0, 1], [1, 1], [1, -1], [2, 0], [0, 2]])


def strip(vectors, periods, seed, *, side=256, level=0.08):
    """A crystal that ends after some periods along x; vacuum of an even, darker level beside it."""
    image = crystal(vectors, (side, side), start=np.random.default_rng(seed).random(2))
    image[:, round(periods * np.hypot(*vectors[1])) :] = level
    return scanned(image, np.random.default_rng(seed + 100))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("period", [14.0, 16.0, 18.5])
def test_a_strip_of_four_periods_has_the_period_of_its_pixels(period, seed):
    vectors = cell(period)
    found = find_lattice([strip(vectors, 4.3, seed)])
    assert same_lattice(found.vectors, vectors, tolerance=0.006), (found.vectors, found.reason)


def test_without_the_fit_the_edge_draws_the_period(monkeypatch):
    monkeypatch.setattr(find, "is_strip", lambda *_: False)
    vectors = cell(16.0)
    found = [find_lattice([strip(vectors, 4.3, seed)]).vectors for seed in range(4)]
    assert not all(len(each) and same_lattice(each, vectors, tolerance=0.006) for each in found)


@pytest.mark.parametrize("off", [0.03, -0.03])
def test_the_fit_finds_back_from_a_period_that_is_off(off):
    vectors = cell(16.0, 15.0, turn=4)
    image = strip(vectors, 3.5, 0)[0]
    where = np.zeros(image.shape, bool)
    where[:, : round(4.2 * 15)] = True
    start = np.linalg.inv(vectors * [[1.0], [1 + off]]).T
    fitted = fit_in_strip([(image - image.mean()) / image.std()], start, ORDERS, where)
    assert same_lattice(np.linalg.inv(fitted).T, vectors, tolerance=0.004)


def test_an_area_with_too_few_pixels_leaves_what_was_given():
    where = np.zeros((64, 64), bool)
    where[:9, :9] = True
    start = np.eye(2) / 8
    channel = np.random.default_rng(0).normal(size=(64, 64))
    np.testing.assert_array_equal(fit_in_strip([channel], start, ORDERS, where), start)


@pytest.mark.parametrize(
    ("shape", "wanted"), [((256, 256), False), ((256, 90), True), ((60, 256), True), ((256, 97), False)], ids=str
)
def test_fewer_than_six_periods_are_a_strip(shape, wanted):
    where = np.zeros((256, 256), bool)
    where[: shape[0], : shape[1]] = True
    assert is_strip(where, cell(16.0)) is wanted
    assert not is_strip(where, cell(16.0)[:1])
