"""Turn and size of isolated features are found before any training."""

from __future__ import annotations

import numpy as np
import pytest

from shiftvae_training.guess.feature_alignment import align_features, cut_posed

SIZE, SPACING = 320, 40


def features(fold, *, turns, grows, seed=0):
    """A frame of features with `fold` arms, one of which is brighter if it is 1; positions, turns and log sizes."""
    rng = np.random.default_rng(seed)
    grid = np.arange(SPACING / 2, SIZE, SPACING)
    place = np.stack(np.meshgrid(grid, grid, indexing="ij"), -1).reshape(-1, 2) + rng.uniform(-3, 3, (64, 2))
    turn = rng.uniform(-np.pi, np.pi, 64) if turns else np.zeros(64)
    growth = rng.uniform(-0.15, 0.15, 64) if grows else np.zeros(64)
    y, x = np.mgrid[:SIZE, :SIZE].astype(float)
    arms = [2 * np.pi * k / fold for k in range(fold)] if fold > 1 else [0.0, 1.9]
    image = np.zeros((SIZE, SIZE))
    for (cy, cx), angle, size in zip(place, turn, np.exp(growth), strict=True):
        for k, arm in enumerate([None, *arms]):
            away = 0.0 if arm is None else size * 6.0
            height = 1.0 if arm is None else 0.6 - 0.2 * (fold == 1) * (k - 1)
            at_y = cy - away * np.sin(angle + (arm or 0))
            at_x = cx + away * np.cos(angle + (arm or 0))
            image += height * np.exp(-((y - at_y) ** 2 + (x - at_x) ** 2) / (2 * (1.9 * size) ** 2))
    return rng.normal(image, 0.03)[None], place, turn, growth


@pytest.mark.parametrize("fold", [1, 2, 3])
def test_turns_are_found_modulo_the_symmetry(fold):
    frame, place, turn, _ = features(fold, turns=True, grows=False)
    (pose,) = align_features([frame], [place], 13, fold=fold, scale=False)
    off = np.exp(1j * fold * (pose[:, 0] - turn))
    off = np.angle(off / off.mean()) / fold
    assert np.degrees(np.sqrt((off**2).mean())) < 2.5
    assert (pose[:, 1] == 0).all()
    assert np.abs(pose[:, 0]).max() <= np.pi / fold


def test_sizes_are_found():
    frame, place, _, growth = features(1, turns=False, grows=True)
    (pose,) = align_features([frame], [place], 13, fold=0, scale=True)
    assert (pose[:, 0] == 0).all()
    assert np.polyfit(growth, pose[:, 1], 1)[0] == pytest.approx(1, abs=0.12)
    assert np.corrcoef(growth, pose[:, 1])[0, 1] > 0.97


def test_features_cut_at_their_pose_look_alike():
    frame, place, turn, growth = features(1, turns=True, grows=True)
    y = x = np.arange(-10.0, 11.0)
    cut = cut_posed(frame, place, y, x, np.stack([turn, growth], axis=1))[:, 0].reshape(64, -1)
    upright = cut_posed(frame, place, y, x, np.zeros((64, 2)))[:, 0].reshape(64, -1)
    assert np.corrcoef(cut).mean() > 0.95
    assert np.corrcoef(upright).mean() < 0.9
