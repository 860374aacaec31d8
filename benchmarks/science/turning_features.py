"""Scans of isolated features that differ in rotation, size and shape, with their truth, for rotation and scale latents.

A feature has a bright column and two weaker arms of different length, so that it has no rotational symmetry; the
brightness of the longer arm is the order parameter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Columns of a feature: x, y px (y up) at an angle of 0, height; the second is the arm that varies.
COLUMNS = ((0.0, 0.0, 1.0), (6.5, 0.0, 0.6), (-2.0, 4.5, 0.5))
SIGMA_PX = 1.9
SPACING_PX = 40


@dataclass(frozen=True)
class TurningScan:
    """A frame of n features and its truth.

    The frame is ``(size, size)`` counts; the truth is the position ``(n, 2)`` px (y, x) of each feature, its turn in
    degrees (counter-clockwise as displayed), its growth in per cent and the relative brightness of its arm, ``(n,)``.
    """

    pixels: np.ndarray
    position_px: np.ndarray
    turn_deg: np.ndarray
    growth_percent: np.ndarray
    arm: np.ndarray


def turning_scan(
    seed: int, *, turns: bool, grows: bool, size: int = 480, counts: float = 100.0, fold: int = 1
) -> TurningScan:
    """A scan of 144 features, apart from each other; `counts` at the bright column, with the background.

    With a `fold` above 1 they have that many equal arms, and the middle varies.
    """
    rng = np.random.default_rng(seed)
    grid = np.arange(SPACING_PX / 2, size - SPACING_PX / 2 + 1, SPACING_PX)
    position = np.stack(np.meshgrid(grid, grid, indexing="ij"), -1).reshape(-1, 2)
    position = position + rng.uniform(-4, 4, position.shape)
    n = len(position)
    turn = rng.uniform(-180, 180, n) if turns else np.zeros(n)
    growth = np.exp(rng.uniform(-0.17, 0.17, n)) if grows else np.ones(n)
    arm = rng.uniform(0.5, 1.5, n)
    y, x = np.mgrid[:size, :size].astype(float)
    image = np.full((size, size), 0.15)
    for (cy, cx), angle, factor, bright in zip(position, np.radians(turn), growth, arm, strict=True):
        near = np.s_[max(0, int(cy) - 22) : int(cy) + 23, max(0, int(cx) - 22) : int(cx) + 23]
        image[near] += column_image(y[near] - cy, x[near] - cx, angle, factor, bright, fold=fold)
    pixels = rng.poisson(counts * image / 1.15).astype(np.uint16)
    return TurningScan(pixels, position, turn, 100 * (growth - 1), arm)


def column_image(
    y: np.ndarray, x: np.ndarray, angle: float, factor: float, bright: float, *, fold: int = 1
) -> np.ndarray:
    """Image of a feature at ``y, x`` px from it, turned by `angle` rad, `factor` times as large."""
    columns = list(COLUMNS)
    if fold > 1:
        arms = 2 * np.pi * np.arange(fold) / fold
        columns = [(0.0, 0.0, 1.0), *((6.5 * np.cos(a), 6.5 * np.sin(a), 0.6) for a in arms)]
    image = np.zeros(np.shape(y))
    for index, (right, up, height) in enumerate(columns):
        away_x = x - factor * (right * np.cos(angle) - up * np.sin(angle))
        away_y = y + factor * (right * np.sin(angle) + up * np.cos(angle))
        tall = height * (bright if index == (fold == 1) else 1.0)
        image += tall * np.exp(-(away_x**2 + away_y**2) / (2 * (factor * SIGMA_PX) ** 2))
    return image
