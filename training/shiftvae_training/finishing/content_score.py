"""Score of the content of the network beside that of the first guess, without a truth.

The pixels of a frame are split like the squares of a chess board. Both methods see one half alone, with the other
filled from its neighbours; what they find must predict the slow variations of the motif in the half that neither saw,
whose noise is independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import convolve, map_coordinates
from scipy.spatial import cKDTree

from shiftvae_rt.array_types import Float64
from shiftvae_rt.model.manifest import USED_NATS

from ..guess.first_guess import make_first_guess
from ..guess.slow_variations import find_slow_variations
from ..lattice.find import Lattice
from ..model.shift_vae import ShiftVAE

__all__ = ["ContentScore", "score_content"]

#: Largest side of the part of a frame that is used, px; largest number of windows along it.
SIDE, MOST_WINDOWS = 768, 100
#: Number of neighbours in the content whose mean predicts, number of blocks along each axis, and of folds.
NEIGHBOURS, BLOCKS, FOLDS = 25, 4, 5
#: Share of the slow variation by which the network may explain less than the guess without a warning.
BELOW = 0.02
#: Least number of windows for a score.
LEAST = 200


@dataclass(frozen=True)
class ContentScore:
    """Shares of the slow variation that the content predicts in unseen pixels: of the network, and of the guess."""

    network: float
    guess: float

    @property
    def words(self) -> str:
        """Both shares in words."""
        return (
            f"explains {100 * self.network:.1f} % of the slow variation in unseen pixels, the first guess "
            f"{100 * self.guess:.1f} %"
        )

    @property
    def warning(self) -> str:
        """Warning for a network that explains less than the guess, which needs no training; empty if it does not."""
        if self.network >= self.guess - BELOW:
            return ""
        return (
            f"the content explains {100 * self.network:.0f} % of the slow variation of the motif, less than the first "
            f"guess before training ({100 * self.guess:.0f} %): train with more --steps, or on more frames"
        )


@torch.no_grad()
def score_content(
    model: ShiftVAE, frame: NDArray[Any], lattice: Lattice, kl_nats: Sequence[float]
) -> ContentScore | None:
    """Score a trained model on ``frame (C, H, W)``, raw.

    Parameters
    ----------
    model
        A trained model on a lattice.
    frame
        One of its training frames, with contrast.
    lattice
        Its lattice.
    kl_nats
        Information of each reported latent; those of no use predict nothing.

    Returns
    -------
    ContentScore or None
        None if nothing varies above the noise, or the frame has too few windows, as a signal has.
    """
    pixels = np.asarray(frame, np.float64)[:, :SIDE, :SIDE]
    if not model.content:
        return None
    found = find_slow_variations([pixels], lattice)
    varies = np.flatnonzero(found.varies())
    if not len(varies):
        return None
    seen = _from_half(pixels - pixels.mean(axis=(1, 2), keepdims=True))
    stride = 4 * max(1, -(-max(pixels.shape) // (4 * MOST_WINDOWS)))
    mean, _ = model.map_frame(seen.astype(np.float32), stride)
    places = [(n - 1) / 2 + stride * np.arange(count) for n, count in zip(model.window, mean.shape[1:], strict=True)]
    y, x = (values.ravel() for values in np.meshgrid(*places, indexing="ij"))
    at = np.stack([y / found.step[0], x / found.step[1]])
    inside = map_coordinates(found.inside.astype(float), at, order=0, mode="nearest") > 0
    if np.count_nonzero(inside) < LEAST:
        return None
    unseen = np.stack([map_coordinates(found.halves[0][1][i], at[:, inside], order=1) for i in varies])
    first, second = found.scores()
    signal = np.mean(first * second, axis=1)[varies]
    used = [i for i in range(model.first_content, len(mean)) if kl_nats[i] >= USED_NATS]
    scale = np.reshape(model.channel_scale, (-1, 1, 1))
    guess = make_first_guess([seen * scale], lattice, window=model.window, content=model.content)
    contents = [mean.reshape(len(mean), -1)[used].astype(float), guess.targets_at(0, y, x)[1].T]
    fold = _folds(y[inside], x[inside])
    network, guessed = (_explained(c[:, inside], unseen, fold) / float(signal.sum()) for c in contents)
    return ContentScore(*(float(np.clip(share, 0, 1)) for share in (network, guessed)))


def _from_half(pixels: Float64) -> Float64:
    """``pixels (C, H, W)`` with the black squares replaced by the mean of their white neighbours."""
    height, width = pixels.shape[1:]
    white = np.indices((height, width)).sum(axis=0) % 2 == 0
    cross = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]) if height == 1 else np.zeros((3, 3))
    if height > 1:
        cross[[0, 1, 1, 2], [1, 0, 2, 1]] = 1.0
    count = convolve(white.astype(float), cross, mode="constant")
    filled = np.stack([convolve(image * white, cross, mode="constant") for image in pixels]) / np.maximum(count, 1)
    return np.where(white, pixels, filled)


def _folds(y: Float64, x: Float64) -> NDArray[np.int64]:
    """Fold of each place: blocks of the frame, so that neighbours are in one fold."""
    block = [np.minimum((BLOCKS * (v - v.min()) / max(np.ptp(v), 1)).astype(int), BLOCKS - 1) for v in (y, x)]
    return np.asarray((BLOCKS * block[0] + block[1]) % FOLDS)


def _explained(content: Float64, target: Float64, fold: NDArray[np.int64]) -> float:
    """Variance of ``target (k, n)`` that ``content (m, n)`` predicts by its nearest neighbours in the other folds."""
    if not len(content):
        return 0.0
    values = (content / np.maximum(content.std(axis=1, keepdims=True), 1e-12)).T
    left = 0.0
    for k in np.unique(fold):
        known, predicted = fold != k, fold == k
        _, index = cKDTree(values[known]).query(values[predicted], NEIGHBOURS)
        away = target[:, predicted] - target[:, known][:, index].mean(axis=2)
        left += float(np.square(away).sum())
    return float(target.var(axis=1).sum() - left / target.shape[1])
