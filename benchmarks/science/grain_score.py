"""Scores of the map of a frame with two grains against its truth."""

from __future__ import annotations

import numpy as np
from grain_scan import GrainScan
from scipy.ndimage import binary_erosion
from scipy.spatial import cKDTree

#: Neighbours of a window in the content, and folds, blocks of this many windows of the map.
NEIGHBOURS, FOLDS, BLOCK = 25, 5, 12


def score_map(
    mean: np.ndarray, scan: GrainScan, window: int, stride: int, cells: np.ndarray | None
) -> dict[str, float]:
    """Scores of ``mean (L, rows, cols)``: dy, dx, the grain if there are ``cells (K, 2, 2)``, and the content.

    R2 of the order parameter with one readout for both grains (25 neighbours; a linear fit), and of each grain with
    it; rms error of the shift, px, in the grains; share of labels that are right; largest jump of the first content
    latent across the boundary that the order parameter does not make, as a share of its range.
    """
    y, x = ((window - 1) / 2 + stride * np.arange(n) for n in mean.shape[1:])
    at = np.ix_(np.rint(y).astype(int), np.rint(x).astype(int))
    order, grain = scan.order_px[at], scan.grain[at]
    clear = np.zeros(grain.shape, bool)
    for k in (0, 1):
        clear |= binary_erosion(grain == k, iterations=round(window / 2 / stride), border_value=1)
    content = mean[2 if cells is None else 3 :].reshape(-1, order.size)
    found: dict[str, float] = {}
    for name, linear in (("R2", False), ("linear", True)):
        predicted = _predicted(content, order.ravel(), _folds(order.shape), clear.ravel(), linear=linear)
        known = clear.ravel() & np.isfinite(predicted)
        found[name] = _r2(order.ravel()[known], predicted[known])
        for k in (0, 1):
            mine = known & (grain.ravel() == k)
            found[f"{name} in grain {k}"] = _r2(order.ravel()[mine], predicted[mine])
    centres = np.stack(np.meshgrid(y, x, indexing="ij"), -1)
    for k in (0, 1):
        mine = clear & (grain == k)
        away = scan.columns_px[k][cKDTree(scan.columns_px[k]).query(centres[mine])[1]] - centres[mine]
        found[f"shift in grain {k}, px"] = _shift_error(np.moveaxis(mean[:2], 0, -1)[mine] - away, scan.cells[k])
    if cells is not None:
        labels = mean[2]
        swapped = np.mean(labels[grain == 0] == 1) > 0.5
        found["label"] = float(np.mean(labels == (1 - grain if swapped else grain)))
    found["jump"] = _jump(content, order, grain, clear)
    return {name: round(value, 4) for name, value in found.items()}


def _folds(shape: tuple[int, ...]) -> np.ndarray:
    rows, cols = np.indices(shape) // BLOCK
    return (3 * rows + 7 * cols).ravel() % FOLDS


def _predicted(
    content: np.ndarray, order: np.ndarray, fold: np.ndarray, use: np.ndarray, *, linear: bool
) -> np.ndarray:
    """The order parameter of every window, predicted from the windows of the other folds."""
    found, scale = np.full(order.size, np.nan), content[:, use].std(axis=1, keepdims=True) + 1e-9
    values = (content / scale).T
    design = np.concatenate([values, np.ones((order.size, 1))], axis=1)
    for k in range(FOLDS):
        known, wanted = use & (fold != k), use & (fold == k)
        if not wanted.any():
            continue
        if linear:
            found[wanted] = design[wanted] @ np.linalg.lstsq(design[known], order[known], rcond=None)[0]
        else:
            found[wanted] = order[known][cKDTree(values[known]).query(values[wanted], NEIGHBOURS)[1]].mean(axis=1)
    return found


def _r2(truth: np.ndarray, found: np.ndarray) -> float:
    return float(1 - np.mean((truth - found) ** 2) / truth.var())


def _shift_error(error: np.ndarray, cell: np.ndarray) -> float:
    """Rms ``error (n, 2)`` px along an axis, modulo the cell and without its mean."""
    turns = error @ np.linalg.inv(cell)
    mean = np.exp(2j * np.pi * turns).mean(axis=0)
    rest = np.angle(np.exp(2j * np.pi * turns) / mean) / (2 * np.pi) @ cell
    return float(np.sqrt((rest**2).mean()))


def _jump(content: np.ndarray, order: np.ndarray, grain: np.ndarray, clear: np.ndarray) -> float:
    """Median jump of the content that is linear in the order parameter, between clear windows next to the boundary."""
    design = np.concatenate([content, np.ones((1, content.shape[1]))]).T
    use = clear.ravel()
    weights = np.linalg.lstsq(design[use], order.ravel()[use], rcond=None)[0]
    z = (design @ weights).reshape(order.shape)
    low, high = np.quantile(z[clear], [0.01, 0.99])
    jumps = []
    for row in range(len(z)):
        left, right = (np.flatnonzero(clear[row] & (grain[row] == k)) for k in (0, 1))
        if len(left) > 4 and len(right) > 4:
            ends = [slice(left[-1] - 2, left[-1] + 1), slice(right[0], right[0] + 3)]
            true = np.diff([order[row, end].mean() for end in ends])[0]
            jumps.append(np.diff([z[row, end].mean() for end in ends])[0] - true)
    return float(abs(np.median(jumps)) / (high - low))
