"""Sentences of the first screen about grains and order, against grains and order that are known."""

from __future__ import annotations

import numpy as np
import pytest

from shiftvae_rt.fields import Fields
from shiftvae_rt.kernels.window_grid import WindowGrid
from shiftvae_rt.latent_map import LatentMap
from shiftvae_rt.model.manifest import Grain
from shiftvae_training.report.order_and_grains import grains_in_words, inside_grains, order_in_words

SQUARE = np.array([[20.0, 0.0], [0.0, 20.0]])


def grain(turn_deg: float, share: float, *, mirrored: bool = False) -> Grain:
    return Grain(vectors=((20.0, 0.0), (0.0, 20.0)), turn_deg=turn_deg, mirrored=mirrored, share=share)


def ordered(degree: np.ndarray, phase_deg: np.ndarray, sd_deg: float = 5.0) -> Fields:
    mean, std = np.zeros((8, *degree.shape), np.float32), np.ones((8, *degree.shape), np.float32)
    mean[6], mean[7], std[7] = degree, phase_deg, sd_deg
    return Fields(mean, std)


def test_grains_are_told_with_turn_and_share():
    text = grains_in_words((grain(0, 0.51), grain(-18.99, 0.40), grain(5.02, 0.09, mirrored=True)))
    assert text == (
        "It lies in three grains: grain 0 is 51 % of the scan; grain 1 (40 % of the scan) is turned by 19.0 degrees "
        "clockwise against grain 0; grain 2 (9 % of the scan) is mirrored and turned by 5.0 degrees counter-clockwise "
        "against grain 0."
    )
    assert grains_in_words(()) == ""


def test_strain_is_told_of_windows_away_from_a_boundary():
    grid = WindowGrid((168, 248), (8, 8), 8)
    mean = np.zeros((4, grid.rows, grid.cols), np.float32)
    mean[2, :, 15:] = 1
    mean[2, 0, 0] = -1
    names, units = ("dy", "dx", "grain", "z1"), ("px", "px", "", "")
    latent_map = LatentMap(mean, np.ones_like(mean), names, units, (True,) * 4, grid, "0" * 64)
    inside = inside_grains(latent_map, SQUARE)
    assert np.flatnonzero(~inside[10]).tolist() == list(range(12, 18))  # 3 windows, half a window and a period
    assert not inside[:4, :4].any()
    assert inside[4:, :12].all()


@pytest.mark.parametrize(
    ("wave", "cell"),
    [
        ((0.5, 0.0), "the lattice vector of 0.4 nm at 90 degrees to the scan lines is doubled by order"),
        ((0.0, 1 / 3), "the lattice vector of 0.2 nm at 0 degrees to the scan lines is tripled by order"),
        ((0.5, 0.5), "a superlattice with the wave vector (1/2, 1/2)"),
    ],
)
def test_the_cell_of_an_order_is_told(wave, cell):
    (text,) = order_in_words(ordered(np.ones((9, 9)), np.zeros((9, 9))), (wave,), SQUARE, (0.02, 0.01))
    assert text.startswith(f"order1: {cell}; its degree of order goes from 1.00 to 1.00 ")
    assert "one antiphase domain" in text


def test_antiphase_domains_are_counted_where_there_is_order():
    phase = np.full((10, 10), 40.0)
    phase[:, 7:] = 40 - 180
    degree = np.broadcast_to(np.linspace(0.2, 1.0, 10), (10, 10))
    (text,) = order_in_words(ordered(degree, phase), ((0.5, 0.0),), SQUARE, None)
    assert "goes from 0.20 to 1.00 (95 %" in text
    assert "two antiphase domains, 50 % and 50 % of where it is above 0.5." in text
    for low in (ordered(degree, phase, sd_deg=104.0), ordered(0.4 * degree, phase)):
        (text,) = order_in_words(low, ((0.5, 0.0),), SQUARE, None)
        assert "domain" not in text
    drift = np.broadcast_to(np.linspace(-180, 180, 100)[:, None], (100, 10))
    (text,) = order_in_words(ordered(np.ones((100, 10)), drift), ((0.5, 0.0),), SQUARE, None)
    assert "domain" not in text, "a phase that goes round has none"
