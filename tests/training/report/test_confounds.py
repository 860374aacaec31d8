"""A latent that follows brightness, the scan or the focus is said to; one that does not is left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from shiftvae_rt.kernels.window_grid import WindowGrid
from shiftvae_rt.latent_map import LatentMap
from shiftvae_training.report.confounds import WORDS, find_confounds, nuisance_maps

GRID = WindowGrid((160, 192), (16, 16), 4)


def patches(seed, shape=(160, 192)):
    rough = gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 9, mode="wrap")
    return rough / rough.std()


def frame():
    """A lattice whose brightness, contrast and sharpness change from place to place, each in its own way."""
    y, x = np.ogrid[:160, :192]
    wave = np.cos(2 * np.pi * y / 12) * np.cos(2 * np.pi * x / 12)
    fine = np.cos(2 * np.pi * (y + x) / 4)
    contrast = 20 * (1 + 0.3 * patches(6).clip(-2, 2))
    return (300 + 8 * patches(1) + contrast * (wave + (0.3 + 0.1 * patches(5)) * fine))[None]


def latent_map(*content, varies=None):
    mean = np.stack([0 * content[0], 0 * content[0], *content]).astype(np.float32)
    names = ("dy", "dx", *(f"z{i + 1}" for i in range(len(content))))
    units = ("px", "px", *[""] * len(content))
    varies = (True, True, *(varies or [True] * len(content)))
    return LatentMap(mean, np.ones_like(mean), names, units, varies, GRID, "0" * 64)


@pytest.fixture(scope="module")
def nuisances():
    return nuisance_maps(frame(), latent_map(np.zeros((GRID.rows, GRID.cols))))


def judge(latent_map, frame, period_px=12):
    return find_confounds(latent_map, frame, period_px=period_px)


@pytest.mark.parametrize("name", ["local mean", "local contrast", "sharpness", "scan row", "scan column"])
def test_a_latent_that_follows_a_nuisance_is_said_to(nuisances, name):
    values = nuisances[name] + 0.1 * nuisances[name].std() * np.random.default_rng(0).standard_normal((37, 45))
    judged = judge(latent_map(-values), frame())
    found = {c.nuisance: c for c in judged.confounds}
    assert found[name].correlation < -0.9
    assert found[name].chance < 0.05
    assert [c.nuisance for c in found.values() if c.notable] == [name]
    (cause,) = judged.causes
    assert cause.words.startswith(f"z1 {WORDS[name][0]} {WORDS[name][1]} (r = -")
    assert "possible causes are" in cause.words


def test_nuisances_that_change_together_are_one_cause_and_others_are_another():
    """Brightness and contrast that rise together, and a latent that follows them and also the scan."""
    rise = np.outer(np.ones(160), np.linspace(0, 1, 192))
    y, x = np.ogrid[:160, :192]
    lines = np.outer(np.linspace(0, 1, 160), np.ones(192))
    pixels = (100 + 300 * rise + 50 * (1 + rise) * np.cos(2 * np.pi * y / 12) * np.cos(2 * np.pi * x / 12))[None]
    at = np.ix_(GRID.centre_y_px.astype(int), GRID.centre_x_px.astype(int))
    judged = judge(latent_map((rise + lines)[at], rise[at]), pixels)
    groups = [(cause.latent, sorted({c.nuisance for c in cause.confounds} - {"sharpness"})) for cause in judged.causes]
    together = ["local contrast", "local mean", "scan column"]
    assert sorted(map(str, groups)) == sorted(map(str, [("z1", together), ("z1", ["scan row"]), ("z2", together)]))
    assert sum("which change together" in cause.words for cause in judged.causes) == 2


def test_a_latent_of_its_own_is_left_alone():
    own = patches(9)[8:-7:4, 8:-7:4][:37, :45]
    judged = judge(latent_map(own), frame())
    assert judged.causes == []
    assert all(abs(c.correlation) < 0.5 for c in judged.confounds)


def test_the_motif_itself_does_not_count():
    """Local mean and a latent that both ripple with the lattice are not confounded once the ripple is averaged out."""
    y, x = np.meshgrid(GRID.centre_y_px, GRID.centre_x_px, indexing="ij")
    ripple = np.cos(2 * np.pi * y / 12) * np.cos(2 * np.pi * x / 12)
    z = patches(9)[8:-7:4, 8:-7:4][:37, :45] + 3 * ripple
    assert judge(latent_map(z), frame(), period_px=24).causes == []


def test_latents_without_variation_are_not_judged(nuisances):
    judged = judge(latent_map(nuisances["local mean"], varies=[False]), frame())
    assert judged.confounds == []
    assert judged.causes == []


@pytest.mark.parametrize("scale", [1e-12, 1e-20])
def test_frames_in_amperes_are_judged_like_counts(scale):
    z = latent_map(patches(9)[8:-7:4, 8:-7:4][:37, :45])
    counts = frame().astype(np.float64)
    plain, scaled = (judge(z, each).confounds for each in (counts, counts * scale))
    for one, other in zip(plain, scaled, strict=True):
        assert other.correlation == pytest.approx(one.correlation, abs=1e-4)


def test_a_constant_nuisance_correlates_with_nothing():
    flat = np.full((1, 160, 192), 7.0)
    found = judge(latent_map(patches(4)[8:-7:4, 8:-7:4][:37, :45]), flat).confounds
    assert {c.nuisance: c.correlation for c in found}["local mean"] == 0


def test_a_match_that_many_displaced_maps_reach_is_called_chance():
    stripes = np.sin(2 * np.pi * np.arange(37) / 9.25)[:, None] * np.ones(45)
    lines = 100 + 20 * np.sin(2 * np.pi * (np.arange(160) - 7.5) / 37)[:, None] * np.ones(192)
    judged = judge(latent_map(stripes), lines[None])
    mean = next(c for c in judged.confounds if c.nuisance == "local mean")
    assert abs(mean.correlation) > 0.9
    assert mean.chance > 0.05
    assert any("by chance" in cause.words for cause in judged.causes)


def test_causes_are_those_of_the_instrument(nuisances):
    z = latent_map(nuisances["local contrast"])
    said = {
        kind: find_confounds(z, frame(), period_px=12, instrument=kind).causes[0].words
        for kind in ("electrons", "probe", "")
    }
    assert "thickness" in said["electrons"]
    assert "tip" not in said["electrons"]
    assert "tip" in said["probe"]
    assert "thickness" not in said["probe"]
    assert "thickness" in said[""]
    assert "tip" in said[""]


def test_a_latent_that_tells_grains_apart_is_not_said_to_change_along_the_lines():
    """Two grains, left and right; the content differs between them, and within one it has its own patches."""
    own = patches(9)[8:-7:4, 8:-7:4][:37, :45]
    grain = np.zeros_like(own)
    grain[:, 22:] = 1
    plain = latent_map(own + 5 * grain)
    names = (*plain.names[:2], "grain", "z1")
    mean = np.concatenate([plain.mean[:2], grain[None].astype(np.float32), plain.mean[2:]])
    z = replace(plain, mean=mean, std=np.ones_like(mean), names=names, units=("px", "px", "", ""), varies=(True,) * 4)
    (cause,) = judge(z, frame()).causes
    assert cause.words.startswith("z1 tells the grains apart (r = +0.9")
    assert "scan column" in {c.nuisance for c in judge(z, frame()).confounds}
