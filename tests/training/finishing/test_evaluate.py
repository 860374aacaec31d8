"""The scores are right where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from shiftvae_training.finishing.evaluate import order_parameter_r2, score_shift

RNG = np.random.default_rng(0)
Y, X = np.mgrid[0:60, 0:80] / 60
TRUTH = np.sin(3 * Y) + X**2
OBLIQUE = np.array([[9.0, 3.0], [-2.5, 8.0]])


def test_a_linear_copy_scores_one_on_both():
    near, linear = order_parameter_r2(np.stack([3 * TRUTH - 1, RNG.normal(size=TRUTH.shape) * 1e-3 * TRUTH]), TRUTH)
    assert linear > 0.9999
    near, _ = order_parameter_r2((3 * TRUTH - 1)[None], TRUTH)
    assert near > 0.99


def test_a_bent_copy_is_read_by_neighbours_alone():
    near, linear = order_parameter_r2(np.cos(6 * (TRUTH - TRUTH.mean()))[None], np.cos(6 * (TRUTH - TRUTH.mean())) ** 2)
    assert near > 0.95
    assert linear < 0.3


def test_noise_scores_zero():
    near, linear = order_parameter_r2(RNG.normal(size=(2, *TRUTH.shape)), TRUTH)
    assert near < 0.05
    assert linear < 0.05


def test_what_holds_in_one_region_alone_is_not_learned():
    """Folds are blocks: position smuggled into the content does not predict a block that was not seen."""
    blocks = (np.arange(60)[:, None] // 15 * 4 + np.arange(80) // 20).astype(float)
    value = RNG.normal(size=16)[blocks.astype(int)]
    near, _ = order_parameter_r2(blocks[None] + 1e-3 * RNG.normal(size=blocks.shape), value)
    assert near < 0.3


def test_added_noise_lowers_the_score_as_it_must():
    noisy = TRUTH + TRUTH.std() * RNG.normal(size=TRUTH.shape)
    _, linear = order_parameter_r2(noisy[None], TRUTH)
    assert linear == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("offset", [(0, 0), (3, -2), (100, 51)], ids=str)
def test_a_shift_that_is_right_but_for_cells_and_an_offset_has_no_error(offset):
    truth = RNG.uniform(-5, 5, size=(2, 30, 40))
    cells = np.tensordot(OBLIQUE.T, RNG.integers(-3, 4, size=(2, 30, 40)), axes=1)
    score = score_shift(truth + cells + np.reshape(offset, (2, 1, 1)), truth, OBLIQUE)
    np.testing.assert_allclose(score.rms_px, 0, atol=1e-6)
    np.testing.assert_allclose(score.circ, 1, atol=1e-9)


def test_the_error_is_in_px_along_each_axis():
    truth = np.zeros((2, 100, 100))
    error = RNG.normal(size=truth.shape) * np.array([0.1, 0.4])[:, None, None]
    score = score_shift(truth + error, truth, OBLIQUE)
    np.testing.assert_allclose(score.rms_px, [0.1, 0.4], rtol=0.03)
    assert min(score.circ) > 0.9


def test_chance_is_told_from_a_locked_phase():
    truth = np.zeros((2, 100, 100))
    anywhere = np.tensordot(OBLIQUE.T, RNG.uniform(size=truth.shape), axes=1)
    score = score_shift(anywhere, truth, OBLIQUE)
    assert max(score.circ) < 0.05
    assert min(score.rms_px) > 2


def test_a_signal_has_one_axis():
    truth = np.zeros((1, 1, 500))
    score = score_shift(truth + 0.2 * RNG.normal(size=truth.shape) + 24, truth, [[0.0, 12.0]])
    assert len(score.rms_px) == len(score.circ) == 1
    assert score.rms_px[0] == pytest.approx(0.2, rel=0.1)


def test_no_latents_explain_nothing():
    assert order_parameter_r2(np.empty((0, *TRUTH.shape)), TRUTH) == (0.0, 0.0)
