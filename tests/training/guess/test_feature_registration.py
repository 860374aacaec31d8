"""Features are registered to a fraction of a pixel, and what varies in them is not hidden by their pose."""

from __future__ import annotations

import numpy as np
import pytest
from turning_frames import linear_r2, nearest, off_in_turn, turning_frame

from shiftvae_training.guess.feature_guess import make_feature_guess

WINDOW = (26, 26)


@pytest.mark.parametrize(("fold", "most"), [(1, 1.5), (2, 1.5), (3, 1.5)])
def test_turns_and_content_are_found_at_any_angle(fold, most):
    frame = turning_frame(fold=fold)
    guess = make_feature_guess([frame.pixels.astype(float)], window=WINDOW, content=1, fold=fold)
    here = nearest(guess.positions[0], frame.place)
    assert off_in_turn(guess.poses[0][:, 0], frame.turn[here], fold) < most
    assert linear_r2(guess.scores[0], frame.bright[here]) > 0.93


def test_sizes_are_found():
    frame = turning_frame(grows=True)
    guess = make_feature_guess([frame.pixels.astype(float)], window=WINDOW, content=1, fold=1, scale=True)
    here = nearest(guess.positions[0], frame.place)
    size = guess.poses[0][:, 1]
    off = size - frame.growth[here]
    assert off.std() < 0.02
    assert size.mean() == pytest.approx(0, abs=1e-9)
    assert linear_r2(guess.scores[0], frame.bright[here]) > 0.93


def test_several_frames_share_one_motif():
    frames = [turning_frame(seed, size=180) for seed in (0, 1)]
    guess = make_feature_guess([f.pixels.astype(float) for f in frames], window=WINDOW, content=1, fold=1)
    turn, truth, score, bright = [], [], [], []
    for frame, place, pose, scores in zip(frames, guess.positions, guess.poses, guess.scores, strict=True):
        here = nearest(place, frame.place)
        turn.append(pose[:, 0]), truth.append(frame.turn[here])
        score.append(scores), bright.append(frame.bright[here])
    assert off_in_turn(np.concatenate(turn), np.concatenate(truth)) < 1.8
    assert linear_r2(np.concatenate(score), np.concatenate(bright)) > 0.9


def test_two_channels_are_registered_together():
    frame = turning_frame().pixels.astype(float)
    guess = make_feature_guess([np.concatenate([frame, 300 - frame])], window=WINDOW, content=2, fold=1)
    assert guess.scores[0].shape[1] == 2
    mean, components = guess.images(np.arange(-5.0, 6), np.arange(-4.0, 5))
    assert mean.shape == (2, 11, 9)
    assert components.shape == (2, 2, 11, 9)
    np.testing.assert_allclose(mean[0], -mean[1], atol=1e-6)
