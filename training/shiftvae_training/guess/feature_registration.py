"""Registration of isolated features to their mean: position, rotation and size to a fraction of a pixel.

Peaks of a blurred frame are pixels, and `align_features` compares features with a mean that is blurred by them. What
is left of these errors would be the strongest variation of the features, and take the place of what varies in them. So
the features are sampled in the frame of the motif, and a round of Gauss-Newton compares them with their mean along its
derivatives with respect to position, angle and size; their variations are components of what no pose explains.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64

from .feature_alignment import MOST_SCALE, cut_posed

__all__ = ["register_features"]

#: Number of rounds: on features of three columns at 100 counts the third changes angles by 0.1 degrees.
ROUNDS = 5
#: Largest step of a round: px, rad, logarithm of the size.
MOST_STEP = (1.5, 0.15, 0.1)
#: Radius of the disc that is compared, as a share of the window: at any angle it lies within.
DISC = 0.475


def register_features(
    frames: Sequence[Float64],
    positions: Sequence[Float64],
    poses: Sequence[Float64],
    window: tuple[int, int],
    content: int,
    *,
    kinds: tuple[bool, bool],
) -> tuple[list[Float64], list[Float64], list[Float64]]:
    """Improve positions and poses, and describe how features differ beyond them.

    Parameters
    ----------
    frames
        ``(C, H, W)`` each.
    positions, poses
        ``(n, 2)`` px (y, x) of the features of each frame, within about 2 px, and their poses within about 20 degrees,
        as for `cut_posed`.
    window
        ``(height, width)`` px.
    content
        Number m of components.
    kinds
        Whether the features turn, and whether they differ in size.

    Returns
    -------
    tuple of three lists
        For each frame positions and poses ``(n, 2)``, and the scores ``(n, m)`` on the components, of unit variance.
    """
    counts = np.cumsum([len(p) for p in positions])[:-1]
    place, pose = np.concatenate(positions).astype(np.float64), np.concatenate(poses).astype(np.float64)
    y, x = (np.arange(np.ceil(-n / 2), np.floor(n / 2) + 1) for n in window)
    down, right = np.meshgrid(y, x, indexing="ij")
    disc = np.hypot(down / window[0] if window[0] > 1 else 0 * down, right / window[1]) <= DISC
    scores = np.zeros((len(place), 0))
    for index in range(ROUNDS + 1):
        cut = np.concatenate(
            [
                cut_posed(f, p, y, x, o)
                for f, p, o in zip(frames, np.split(place, counts), np.split(pose, counts), strict=True)
            ]
        )
        cut = cut - cut[..., disc].mean(-1)[..., None, None]
        cut /= np.sqrt((cut[..., disc] ** 2).mean((1, 2)) + 1e-12)[:, None, None, None]
        tangents = _tangents(cut.mean(0), down, right, kinds)[..., disc].reshape(2 + sum(kinds), -1)
        samples = cut[..., disc].reshape(len(cut), -1)
        step, scores = _regress(samples, tangents, content)
        if index == ROUNDS:
            break
        _move(place, pose, step, kinds)
    scores = (scores - scores.mean(0)) / np.maximum(scores.std(0), 1e-9)
    return np.split(place, counts), np.split(pose, counts), np.split(scores, counts)


def _tangents(mean: Float64, down: Float64, right: Float64, kinds: tuple[bool, bool]) -> Float64:
    """Derivatives ``(k, C, h, w)`` of the ``mean (C, h, w)`` along y, x, and with `kinds` the angle and log size."""
    along_x = np.gradient(mean, axis=2)
    along_y = np.zeros_like(mean) if mean.shape[1] == 1 else np.gradient(mean, axis=1)
    found = [along_y, along_x]
    if kinds[0]:
        found.append(along_x * down - along_y * right)
    if kinds[1]:
        found.append(along_x * right + along_y * down)
    return np.stack(found)


def _regress(samples: Float64, tangents: Float64, content: int) -> tuple[Float64, Float64]:
    """Steps ``(n, k)`` along ``tangents (k, p)`` and scores ``(n, content)`` of ``samples (n, p)``.

    The components are principal axes of what is left of the samples without their tangents; samples are regressed on
    both together.
    """
    away = samples - samples.mean(0)
    free = away - (away @ np.linalg.pinv(tangents)) @ tangents
    axes = np.linalg.svd(free, full_matrices=False)[2][:content]
    axes = axes * np.where((axes**3).sum(1) < 0, -1, 1)[:, None]
    found = away @ np.linalg.pinv(np.concatenate([tangents, axes]))
    return found[:, : len(tangents)], found[:, len(tangents) :]


def _move(place: Float64, pose: Float64, step: NDArray[np.float64], kinds: tuple[bool, bool]) -> None:
    """Move `place` and `pose` in place: a sample that shows the mean moved by d was taken d too early."""
    dy, dx = np.clip(-step[:, :2], -MOST_STEP[0], MOST_STEP[0]).T
    angle, size = pose[:, 0].copy(), np.exp(pose[:, 1])
    place[:, 0] += size * (dy * np.cos(angle) - dx * np.sin(angle))
    place[:, 1] += size * (dx * np.cos(angle) + dy * np.sin(angle))
    at = 2
    if kinds[0]:
        pose[:, 0] -= np.clip(step[:, at], -MOST_STEP[1], MOST_STEP[1])
        at += 1
    if kinds[1]:
        pose[:, 1] -= np.clip(step[:, at], -MOST_STEP[2], MOST_STEP[2])
        pose[:, 1] = np.clip(pose[:, 1] - pose[:, 1].mean(), -MOST_SCALE, MOST_SCALE)
