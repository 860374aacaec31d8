"""Scores of latent maps against a known truth (the definitions behind every figure that we quote)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from shiftvae_rt.encode.modulo import modulo_lattice

__all__ = ["ShiftScore", "order_parameter_r2", "score_shift"]

Floats = NDArray[np.float64]
NEIGHBOURS = 25
FOLDS = 5


@dataclass(frozen=True)
class ShiftScore:
    """Error of the shift after the best global offset, modulo the lattice.

    ``rms_px`` and ``circ`` are along each axis; circ is ``|mean exp(2 pi i error / period)|``, 1 for a locked phase.
    """

    rms_px: tuple[float, ...]
    circ: tuple[float, ...]


def order_parameter_r2(content: Floats, truth: Floats) -> tuple[float, float]:
    """Explained variance of ``truth (rows, cols)`` from ``content (m, rows, cols)`` alone: 25 neighbours, and linearly.

    Predictions are made for folds that are blocked in space (a 4 x 4 board of blocks), from the other folds. No latents
    explain nothing.
    """
    m, rows, cols = content.shape
    if not m:
        return 0.0, 0.0
    values = content.reshape(m, -1).T / np.maximum(content.reshape(m, -1).std(axis=1), 1e-12)
    target = truth.ravel()
    board = 4 * (np.arange(rows) * min(4, rows) // rows)[:, None] + np.arange(cols) * 4 // cols
    fold = (np.unique(board, return_inverse=True)[1] % FOLDS).ravel()
    near, linear = np.empty(target.size), np.empty(target.size)
    design = np.concatenate([values, np.ones((target.size, 1))], axis=1)
    for k in range(FOLDS):
        known, asked = fold != k, fold == k
        _, index = cKDTree(values[known]).query(values[asked], NEIGHBOURS)
        near[asked] = target[known][index].mean(axis=1)
        linear[asked] = design[asked] @ np.linalg.lstsq(design[known], target[known], rcond=None)[0]
    total = np.sum((target - target.mean()) ** 2)
    return float(1 - np.sum((near - target) ** 2) / total), float(1 - np.sum((linear - target) ** 2) / total)


def score_shift(shift: Floats, truth: Floats, lattice: ArrayLike) -> ShiftScore:
    """Score ``shift (axes, rows, cols)`` px against `truth` of that shape, modulo the lattice vectors ``(k, 2)``."""
    vectors = np.asarray(lattice, dtype=float)[:, -len(shift) :]
    error = (np.asarray(shift, dtype=float) - truth).reshape(len(shift), -1)
    phases = 2 * np.pi * np.linalg.pinv(vectors).T @ error
    mean = np.exp(1j * phases).mean(axis=1)
    rest = modulo_lattice(error - (np.angle(mean) @ vectors / (2 * np.pi))[:, None], lattice)
    rms = np.sqrt((rest**2).mean(axis=1))
    return ShiftScore(tuple(float(v) for v in rms), tuple(float(v) for v in np.abs(mean)))
