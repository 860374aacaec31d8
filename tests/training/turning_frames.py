"""Frames of isolated features that turn, differ in size and in the brightness of one column, with their truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SPACING = 36


@dataclass(frozen=True)
class TurningFrame:
    """Counts ``(1, size, size)``; positions ``(n, 2)`` px, turns in rad, logarithms of size, brightness ``(n,)``."""

    pixels: np.ndarray
    place: np.ndarray
    turn: np.ndarray
    growth: np.ndarray
    bright: np.ndarray


def turning_frame(
    seed: int = 0, *, fold: int = 1, grows: bool = False, varies: bool = True, counts: float = 100.0, size: int = 288
) -> TurningFrame:
    """Features of a column and two arms, or of `fold` arms; the first arm or, with `fold`, the middle varies."""
    rng = np.random.default_rng(seed)
    grid = np.arange(SPACING / 2, size, SPACING)
    place = np.stack(np.meshgrid(grid, grid, indexing="ij"), -1).reshape(-1, 2)
    place = place + rng.uniform(-3, 3, place.shape)
    n = len(place)
    turn, growth = rng.uniform(-np.pi, np.pi, n), rng.uniform(-0.15, 0.15, n) * grows
    bright = rng.uniform(0.5, 1.5, n) if varies else np.ones(n)
    arms = [(6.5, 0.0, 0.6), (4.9, 2.0, 0.5)]
    if fold > 1:
        arms = [(6.0, 2 * np.pi * k / fold, 0.6) for k in range(fold)]
    y, x = np.mgrid[:size, :size].astype(float)
    image = np.full((size, size), 0.15)
    for (cy, cx), angle, log_size, factor in zip(place, turn, growth, bright, strict=True):
        near = np.s_[max(0, int(cy) - 16) : int(cy) + 17, max(0, int(cx) - 16) : int(cx) + 17]
        for k, (away, arm, height) in enumerate([(0.0, 0.0, 1.0), *arms]):
            at_y = cy - np.exp(log_size) * away * np.sin(angle + arm)
            at_x = cx + np.exp(log_size) * away * np.cos(angle + arm)
            tall = height * (factor if k == (fold == 1) else 1.0)
            width = 1.9 * np.exp(log_size)
            image[near] += tall * np.exp(-((y[near] - at_y) ** 2 + (x[near] - at_x) ** 2) / (2 * width**2))
    pixels = rng.poisson(counts * image / 1.15).astype(np.uint16)[None]
    return TurningFrame(pixels, place, turn, growth, bright)


def nearest(found: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Index ``(n,)`` of the true feature that each of the positions ``found (n, 2)`` px is nearest to."""
    return ((found[:, None] - place[None]) ** 2).sum(-1).argmin(1)


def off_in_turn(found: np.ndarray, truth: np.ndarray, fold: int = 1) -> float:
    """Rms difference of angles in rad, modulo the symmetry and a common offset, in degrees."""
    off = np.exp(1j * fold * (found - truth))
    return float(np.degrees(np.sqrt((np.angle(off / off.mean()) ** 2).mean())) / fold)


def linear_r2(content: np.ndarray, truth: np.ndarray) -> float:
    """Share of the variance of ``truth (n,)`` that a linear function of ``content (n, m)`` explains."""
    design = np.concatenate([content, np.ones((len(content), 1))], axis=1)
    left = truth - design @ np.linalg.lstsq(design, truth, rcond=None)[0]
    return float(1 - left.var() / truth.var())
