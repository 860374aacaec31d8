"""Few waves of a lattice are measured where these carry what varies, many where they do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shiftvae_rt.frame import as_pixels
from shiftvae_rt.simulator import Microscope
from shiftvae_training.guess.first_guess import make_first_guess
from shiftvae_training.lattice.find import find_lattice
from shiftvae_training.start.waves import ENOUGH, FEW, MANY, waves_of


@pytest.fixture(scope="module")
def standard():
    """First guess and lattice of the standard scan."""
    frame = as_pixels(Microscope(seed=0).frame(0).pixels)
    lattice = find_lattice([frame])
    return make_first_guess([frame / frame.std()], lattice, window=(32, 32), content=1), lattice


def test_few_waves_are_enough_on_the_standard_scan(standard):
    waves = waves_of(*standard)
    assert len(waves.measured) == FEW
    assert waves.weight[list(waves.measured)].sum() >= ENOUGH * waves.weight.sum()


def test_a_content_in_all_harmonics_needs_many(standard):
    guess, lattice = standard
    waves = waves_of(replace(guess, components=np.ones_like(guess.components)), lattice)
    assert len(waves.measured) == MANY
    others = np.setdiff1d(np.arange(len(waves.weight)), waves.measured)
    assert waves.weight[list(waves.measured[2:])].min() >= waves.weight[others].max()


def test_the_first_waves_tell_the_phases_of_the_lattice(standard):
    turn = waves_of(*standard).turn
    np.testing.assert_array_equal(turn.orders[:2], np.eye(2))
    assert abs(round(np.linalg.det(turn.phases))) == 1
