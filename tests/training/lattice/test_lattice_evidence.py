"""What is accepted as a lattice and what is declined: a short form of benchmarks/science/evidence.py."""

from __future__ import annotations

import numpy as np
import pytest
from lattice_frames import cell, crystal, same_lattice, scanned
from scipy.special import j0

from shiftvae_training.lattice.find import find_lattice


def frame(vectors, shape=(256, 256), motif="perovskite", seed=0):
    return scanned(crystal(vectors, shape, motif), np.random.default_rng(seed)).astype(float)


def assert_found(found, vectors, tolerance=0.01):
    assert found.confidence > 0.9, found.reason
    assert same_lattice(found.vectors, vectors, tolerance=tolerance), (found.vectors, found.reason)


def features(places, side=128, sigma=4.0):
    y, x = np.mgrid[:side, :side]
    image = sum(np.exp(-((y - v) ** 2 + (x - u) ** 2) / (2 * sigma**2)) for v, u in places)
    return (image + 0.02 * np.random.default_rng(0).normal(size=(side, side)))[None]


def on_circle(count, radius, side=128):
    turn = 0.3 + 2 * np.pi * np.arange(count) / count
    return np.stack([np.cos(turn), np.sin(turn)], axis=1) * radius + side / 2


@pytest.mark.parametrize("share", [0.35, 0.5])
@pytest.mark.parametrize("period", [16.0, 24.0])
def test_vacuum_beside_a_lattice_does_not_change_its_cell(share, period):
    image = crystal(cell(period), (256, 256), "perovskite") * (np.arange(256) < (1 - share) * 256)
    assert_found(find_lattice([scanned(image, np.random.default_rng(0))]), cell(period), 0.015)


def test_a_lattice_in_a_quarter_of_the_frame_is_found_and_its_place_is_told():
    inside = np.broadcast_to((np.arange(384) > 288)[:, None], (384, 384))
    found = find_lattice([scanned(crystal(cell(16.0, turn=9), (384, 384)) * inside, np.random.default_rng(0))])
    assert_found(found, cell(16.0, turn=9))
    assert (found.where & inside).sum() > 0.85 * (found.where | inside).sum()


@pytest.mark.parametrize(("side", "period"), [(256, 75.0), (256, 85.0), (512, 150.0), (512, 170.0)])
@pytest.mark.parametrize("motif", ["one", "perovskite"])
def test_three_periods_a_side_give_the_cell_or_none_and_never_its_harmonic(side, period, motif):
    found = find_lattice([frame(cell(period), (side, side), motif)])
    assert not len(found.vectors) or same_lattice(found.vectors, cell(period), tolerance=0.02), found.reason


@pytest.mark.parametrize("motif", ["one", "perovskite"])
def test_a_strip_of_two_periods_has_too_few_of_them(motif):
    found = find_lattice([frame(cell(16.0), (32, 512), motif)])
    assert not len(found.vectors) or same_lattice(found.vectors, cell(16.0), tolerance=0.02), found.reason


@pytest.mark.parametrize("near", [0.5, 0.25, 1.5])
@pytest.mark.parametrize("axis", [0, 1], ids=["slow", "fast"])
@pytest.mark.parametrize("period", [16.0, 24.0])
def test_pick_up_on_an_axis_of_the_scan_does_not_bend_the_cell(near, axis, period):
    pixels = frame(cell(period))
    along = np.arange(256)[:, None] if axis == 0 else np.arange(256)[None]
    wave = np.sin(2 * np.pi * along * near / period * 1.017)
    assert_found(find_lattice([pixels + 0.5 * pixels.std() * wave]), cell(period), 0.004)


@pytest.mark.parametrize("axis", [0, 1], ids=["slow", "fast"])
def test_pick_up_alone_is_named_and_is_no_lattice(axis):
    along = np.arange(256)[:, None] if axis == 0 else np.arange(256)[None]
    noise = np.random.default_rng(0).normal(size=(256, 256))
    found = find_lattice([(noise + 0.8 * np.sin(2 * np.pi * along / 11.3))[None]])
    assert found.verdict == "no period"
    assert "pick-up" in found.reason


def test_a_quantum_corral_under_pick_up_is_no_lattice():
    y, x = np.mgrid[:256, :256]
    away = np.hypot(y - 128, x - 128)
    waves = 0.05 * (np.sin(2 * np.pi * x / 3.85) + np.sin(2 * np.pi * y / 6.53))
    found = find_lattice([features(on_circle(48, 100, 256), 256, 3.5) + 0.25 * j0(0.22 * away) * (away < 95) + waves])
    assert found.verdict == "no period"
    assert "pick-up" in found.reason


@pytest.mark.parametrize(("count", "radius"), [(8, 30.0), (12, 43.3)])
def test_a_ring_of_features_is_no_lattice(count, radius):
    found = find_lattice([features(on_circle(count, radius))])
    assert found.verdict == "no period", found.reason
    assert found.confidence < 0.5


def test_a_row_of_features_is_no_line_pattern():
    row = 128 + 20.0 * (np.arange(9)[:, None] - 4) * np.array([np.cos(0.5), np.sin(0.5)])
    found = find_lattice([features(row, 256)])
    assert found.verdict == "no period", found.reason
    assert found.confidence < 0.1


def test_waves_that_decay_from_a_step_are_no_line_pattern():
    y, x = np.mgrid[:256, :256]
    away = np.abs(x + 0.2 * y - 90)
    image = np.cos(2 * np.pi * away / 14) * np.exp(-away / 40) + (x + 0.2 * y > 90)
    found = find_lattice([(image + 0.1 * np.random.default_rng(0).normal(size=(256, 256)))[None]])
    assert found.verdict == "no period", found.reason


def test_a_bright_disc_does_not_hide_the_lattice():
    y, x = np.mgrid[:256, :256]
    image = crystal(cell(18.0, turn=20), (256, 256)) + 4.0 * (np.hypot(y - 120, x - 140) < 60)
    assert_found(find_lattice([scanned(image, np.random.default_rng(1))]), cell(18.0, turn=20))


def test_the_reason_says_how_the_image_repeats():
    assert "of its best correlation" in find_lattice([frame(cell(20.0))]).reason
