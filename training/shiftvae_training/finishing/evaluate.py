"""Scores of latent maps against a known truth; the published figures use these definitions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree

from shiftvae_rt.array_types import Float64
from shiftvae_rt.encode.modulo import modulo_lattice

__all__ = ["ShiftScore", "order_parameter_r2", "score_shift"]

NEIGHBOURS = 25
FOLDS = 5


@dataclass(frozen=True)
class ShiftScore:
    """Error of the shift modulo the lattice, after subtracting the best global offset.

    Attributes
    ----------
    rms_px
        Root mean square error along each axis, px.
    circ
        ``|mean exp(2 pi i error / period)|`` along each lattice vector, 1 for a locked phase.
    """

    rms_px: tuple[float, ...]
    circ: tuple[float, ...]


def order_parameter_r2(content: Float64, truth: Float64) -> tuple[float, float]:
    """Explained variance R2 of ``truth (rows, cols)`` predicted from ``content (m, rows, cols)``.

    The predictions are cross-validated: folds are spatial blocks (a board of 4 x 4), each predicted from the others.

    Returns
    -------
    (r2, linear_r2)
        R2 of the mean of the 25 nearest neighbours in the content, and of a linear fit; 0 without latents.
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
        known, predicted = fold != k, fold == k
        _, index = cKDTree(values[known]).query(values[predicted], NEIGHBOURS)
        near[predicted] = target[known][index].mean(axis=1)
        linear[predicted] = design[predicted] @ np.linalg.lstsq(design[known], target[known], rcond=None)[0]
    total = np.sum((target - target.mean()) ** 2)
    return float(1 - np.sum((near - target) ** 2) / total), float(1 - np.sum((linear - target) ** 2) / total)


def score_shift(shift: Float64, truth: Float64, lattice: ArrayLike) -> ShiftScore:
    """Score ``shift (axes, rows, cols)`` px against `truth` of that shape, modulo the vectors ``lattice (k, 2)`` px."""
    vectors = np.asarray(lattice, dtype=float)[:, -len(shift) :]
    error = (np.asarray(shift, dtype=float) - truth).reshape(len(shift), -1)
    phases = 2 * np.pi * np.linalg.pinv(vectors).T @ error
    mean = np.exp(1j * phases).mean(axis=1)
    rest = modulo_lattice(error - (np.angle(mean) @ vectors / (2 * np.pi))[:, None], lattice)
    rms = np.sqrt((rest**2).mean(axis=1))
    return ShiftScore(tuple(float(v) for v in rms), tuple(float(v) for v in np.abs(mean)))
