"""Rounds find the latents of a motif from rough ones, also where part of the motif lies beyond the window."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from rounds_cases import CASES, draw_windows, rounds_of

CASE = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))


def errors(found, truth, rounds) -> torch.Tensor:
    """Errors of the latents ``(n, L)``, of an angle modulo its period."""
    off = found - truth
    if rounds.period:
        off[:, 2] -= rounds.period * torch.round(off[:, 2] / rounds.period)
    return off


@CASE
def test_rough_latents_become_exact(case):
    rounds = rounds_of(case)
    windows, truth, rough = draw_windows(case, noise=0.0)
    found, _ = rounds(windows, rough)
    off = errors(found, truth, rounds).abs()
    assert off[:, :2].max() < 0.06
    assert errors(rough, truth, rounds)[:, :2].abs().max() > 0.7
    for column in range(2, rounds.first_content):
        assert off[:, column].max() < 1.5  # degrees, or per cent
    if len(rounds.components):
        assert off[:, rounds.first_content :].max() < 0.15


@CASE
def test_the_motif_may_lie_partly_beyond_the_window(case):
    rounds = rounds_of(case)
    windows, truth, rough = draw_windows(case, noise=0.0, away=6.0)
    found, sd = rounds(windows, rough)
    off = errors(found, truth, rounds).abs()
    assert off[:, :2].quantile(0.9) < 0.15
    _, sd_whole = rounds(*draw_windows(case, noise=0.1)[::2])
    _, sd_part = rounds(*draw_windows(case, noise=0.1, away=6.0)[::2])
    assert sd_part[:, 0].median() > sd_whole[:, 0].median()
    assert (sd > 0).all()


def test_brightness_and_contrast_do_not_matter():
    rounds = rounds_of(CASES["turns"])
    windows, _, rough = draw_windows(CASES["turns"], noise=0.1)
    found, sd = rounds(windows, rough)
    for other in (3 * windows, windows + 2.0, 0.7 * windows - 1):
        again, sd_again = rounds(other, rough)
        torch.testing.assert_close(again, found, atol=2e-3, rtol=0)
        if not torch.equal(other, 3 * windows):
            continue
        torch.testing.assert_close(sd_again, sd, rtol=1e-3, atol=0)


def test_deviations_grow_with_the_noise_as_the_errors_do():
    case = CASES["turns and grows"]
    rounds, ratios = rounds_of(case), []
    for noise in (0.1, 0.3):
        windows, truth, rough = draw_windows(case, noise=noise, count=400)
        found, sd = rounds(windows, rough)
        scores = errors(found, truth, rounds) / sd
        ratios.append(scores.square().mean(0).sqrt())
    for ratio in ratios:
        assert ratio.min() > 0.7
        assert ratio.max() < 3  # neighbouring samples share noise: the calibration takes care of that
    np.testing.assert_allclose(ratios[0], ratios[1], rtol=0.35)


def test_a_window_without_the_motif_keeps_its_latents_and_is_unsure():
    rounds = rounds_of(CASES["turns"])
    windows, _, rough = draw_windows(CASES["turns"], noise=0.1)
    _, sure = rounds(windows, rough)
    noise = torch.randn_like(windows)
    found, sd = rounds(noise, rough)
    kept = errors(found, rough, rounds).abs().amax(1) < 1e-4
    assert kept.float().mean() > 0.8
    assert sd[:, 2].median() > 5 * sure[:, 2].median()
    flat, _ = rounds(torch.zeros_like(windows), rough)
    assert errors(flat, rough, rounds).abs().max() < 1e-4


def test_latents_stay_within_their_bounds():
    rounds = rounds_of(CASES["three-fold, grows, two channels"])
    windows, _, rough = draw_windows(CASES["three-fold, grows, two channels"], noise=0.1)
    found, _ = rounds(windows, 40 * rough)
    assert torch.isfinite(found).all()
    assert found[:, 2].abs().max() <= rounds.period / 2 + 1e-3
    assert found[:, 3].max() <= 100 * (math.exp(0.5) - 1) + 1e-3


def test_widened_rounds_give_wider_deviations_of_these_latents_alone():
    rounds = rounds_of(CASES["turns"])
    windows, _, rough = draw_windows(CASES["turns"], noise=0.1)
    mean, sd = rounds(windows, rough)
    same, wider = rounds.widened([2], 2.5)(windows, rough)
    torch.testing.assert_close(same, mean, rtol=0, atol=0)
    torch.testing.assert_close(wider / sd, torch.tensor([1.0, 1.0, 2.5, 1.0]).expand_as(sd))
