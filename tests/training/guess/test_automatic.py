"""What is chosen for a scan, and the reasons in words."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from shiftvae_rt.errors import TrainingError
from shiftvae_rt.line_simulator import LineCrystal
from shiftvae_rt.simulator import Crystal, Microscope
from shiftvae_training.guess.automatic import choose
from shiftvae_training.lattice.find import find_lattice

CRYSTAL = Crystal(
    vectors=((12.0, 0.0), (0.0, 12.0)), sigma_a_px=1.5, sigma_b_px=1.4, displacement_px=1.0, wall_width_px=12.0
)


def chosen(crystal: Crystal = CRYSTAL, dose: float = 1.0, **given):
    frame = Microscope(crystal, shape=(256, 256), dose=dose).frame(0).pixels[None]
    return choose([frame], find_lattice([frame]), reach=12, **given)


def test_a_clear_scan_gets_the_smallest_window_and_a_noisy_one_a_larger():
    clear, noisy = chosen(dose=10.0), chosen(dose=0.15)
    assert clear.window == 16  # 1.3 periods, up to a multiple of 4
    assert noisy.window > 16
    assert clear.content == noisy.content == 1
    assert noisy.smooth < clear.smooth


def test_a_latent_for_each_order_parameter():
    line = LineCrystal(noise=0.03).line(0).samples[None, None]
    choice = choose([line], find_lattice([line]), reach=28)
    assert choice.content == 2  # width and asymmetry
    assert choice.window == 32


def test_what_varies_within_a_few_cells_is_not_smoothed_away():
    wall = 1.5 * 12
    rapid = replace(CRYSTAL, wall_slope=0.0, wall_width_px=wall)
    assert chosen(rapid, dose=3.0).smooth > 0
    lattice_frame = Microscope(rapid, shape=(256, 256), dose=3.0).frame(0).pixels
    stripes = np.concatenate([lattice_frame[:, 120:180]] * 4, axis=1)[None]  # the wall comes again every 60 px
    near = choose([stripes], find_lattice([stripes]), reach=12)
    far = choose([stripes], find_lattice([stripes]), reach=28)
    assert far.smooth < near.smooth < chosen(rapid, dose=3.0).smooth


def test_the_reasons_say_what_was_compared():
    window, content, smooth = chosen(dose=3.0).reasons
    assert window.startswith("window 16 px = 1.3 periods: expected to explain ")
    assert "24 px would " in window
    assert "36 px would " in window
    assert content.startswith("1 content latent: it holds ")
    assert smooth.startswith("smoothness ")
    assert "nats" in smooth


def test_only_what_is_open_is_chosen():
    choice = chosen(window=20, content=3)
    assert (choice.window, choice.content) == (20, 3)
    assert len(choice.reasons) == 1
    assert chosen(window=20, smooth=7.0).smooth == 7.0
    nothing = chosen(content=0)
    assert (nothing.content, nothing.smooth, len(nothing.reasons)) == (0, 0.0, 1)


def test_windows_fit_three_times_into_the_frame():
    frame = Microscope(CRYSTAL, shape=(80, 80)).frame(0).pixels[None]
    lattice = find_lattice([frame])
    assert choose([frame], lattice, reach=12).window <= 26
    with pytest.raises(TrainingError, match=r"at least 48 px.* 1\.3 periods \(16 px\), got 44 px"):
        choose([frame[:, :44, :44]], lattice, reach=12)


def test_vacuum_beside_the_lattice_needs_no_latent_of_its_own():
    pixels = Microscope(CRYSTAL, shape=(300, 256), dose=3.0).frame(0).pixels.copy()
    pixels[:180] = 0
    frame = pixels[None]
    choice = choose([frame], find_lattice([frame]), reach=12)
    assert choice.content == 1
    assert choice.window <= 24


@pytest.mark.parametrize("dose", [0.1, 1.0, 10.0])
def test_identical_motifs_get_one_latent_and_the_smallest_window_and_no_percentages(dose):
    same = replace(CRYSTAL, displacement_px=0.0, period_growth=0.0)
    choice = chosen(same, dose=dose)
    assert (choice.window, choice.content) == (16, 1)
    assert len(choice.reasons) == 3
    for reason in choice.reasons:
        assert "nothing varies above the noise" in reason
        assert "%" not in reason
    assert chosen(same, dose=dose, content=3, smooth=1.0).reasons == choice.reasons[:1]


@pytest.mark.parametrize("shape", [(96, 96), (128, 128), (256, 256)])
def test_what_varies_is_seen_in_small_frames_too_and_shares_are_shares(shape):
    frame = Microscope(CRYSTAL, shape=shape, dose=1.0).frame(0).pixels[None]
    reasons = "; ".join(choose([frame], find_lattice([frame]), reach=12).reasons)
    assert "nothing varies" not in reasons
    shares = [int(number) for number in re.findall(r"(-?[0-9]+) %", reasons)]
    assert shares
    assert all(0 <= share <= 100 for share in shares)
