"""First guess for isolated features: their positions and how they differ, before any network is trained.

Features are the local extrema of the smoothed frame that stand out from its background: the bright or the dark ones,
whichever are stronger. The target shift of a window is the vector to the feature nearest to its centre; its target
content is the feature's scores on the principal components of the windows centred on features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from shiftvae_rt.array_types import Float64
from shiftvae_rt.errors import TrainingError

from .feature_alignment import align_features, cut_posed
from .feature_registration import register_features

__all__ = ["FeatureGuess", "make_feature_guess"]


#: An extremum is a feature if it differs from the median by this many median absolute deviations.
STANDS_OUT = 6.0
#: A window has a target if a feature lies within this share of its size from its centre.
WITHIN = 0.3
#: Least number of features from which their variation is estimated.
LEAST_FEATURES = 12


@dataclass(frozen=True)
class FeatureGuess:
    """Features of each frame, with their content and pose.

    Attributes
    ----------
    frames
        ``(C, H, W)`` each.
    window
        ``(height, width)`` px.
    positions
        ``(n, 2)`` px (y, x) for every frame.
    scores
        ``(n, m)`` content of the features of every frame, of unit variance.
    poses
        ``(n, 2)`` turn in rad and logarithm of the size; None if the model has neither rotation nor scale.
    """

    frames: Sequence[Float64]
    window: tuple[int, int]
    positions: list[Float64]
    scores: list[Float64]
    poses: list[Float64] | None = None

    def targets_at(self, frame: int, y: Float64, x: Float64) -> tuple[Float64, Float64, Float64]:
        """Shift ``(n, 2)`` px, content ``(n, m)`` and weight 0 or 1 ``(n,)`` of windows centred at ``y, x (n,)``."""
        shift, nearest = self._nearest(frame, y, x)
        near = (np.abs(shift) <= WITHIN * np.array(self.window)).all(1)
        return shift, self.scores[frame][nearest], near.astype(float)

    def target_poses_at(self, frame: int, y: Float64, x: Float64) -> Float64:
        """Turn in rad and logarithm of the size ``(n, 2)`` of the features nearest to ``y, x (n,)`` px."""
        if self.poses is None:
            return np.zeros((len(y), 2))
        return self.poses[frame][self._nearest(frame, y, x)[1]]

    def reach(self, beside: float) -> float:
        """Largest shift, px, of windows whose centre is at most `beside` px from that of their tile."""
        if self.whole:
            middle = (np.array(self.window) - 1) / 2
            return float(max(np.abs(p - middle).max() for p in self.positions if len(p)) + 1)
        return 0.2 * max(self.window) + beside

    @property
    def whole(self) -> bool:
        """Tell whether every frame is one window."""
        return self.frames[0].shape[1:] == self.window

    def _nearest(self, frame: int, y: Float64, x: Float64) -> tuple[Float64, NDArray[np.int64]]:
        """Vectors ``(n, 2)`` px to the nearest feature, and its index ``(n,)``."""
        away = self.positions[frame][None] - np.stack([y, x], axis=1)[:, None]
        nearest = (away**2).sum(-1).argmin(1)
        return away[np.arange(len(y)), nearest], nearest

    def images(self, y: Float64, x: Float64) -> tuple[Float64, Float64]:
        """Mean ``(C, h, w)`` and components ``(m, C, h, w)`` at ``y (h,), x (w,)`` px from a feature, see `Guess`."""
        poses: Sequence[Float64 | None] = self.poses or [None] * len(self.frames)
        cut = np.concatenate(
            [_cut(f, p, y, x, self.window, o) for f, p, o in zip(self.frames, self.positions, poses, strict=True)]
        )
        scores = np.concatenate(self.scores)
        design = np.concatenate([np.ones((len(scores), 1)), scores], axis=1)
        fit = np.linalg.lstsq(design, cut.reshape(len(cut), -1), rcond=None)[0].reshape(-1, *cut.shape[1:])
        return fit[0], fit[1:]

    def tile_places(self, frame: int, tile: tuple[int, int]) -> NDArray[np.bool_]:
        """Mask ``(H - h + 1, W - w + 1)`` of the first pixels of tiles whose middle lies near a feature."""
        if self.whole:
            return np.ones((1, 1), bool)
        tall, wide = (n - t + 1 for n, t in zip(self.frames[frame].shape[1:], tile, strict=True))
        places = np.zeros((max(tall, 0), max(wide, 0)), bool)
        reach = [max(1, int(0.2 * n)) for n in self.window]
        for position in self.positions[frame]:
            y, x = (round(p - (t - 1) / 2) for p, t in zip(position, tile, strict=True))
            rows = slice(0, 1) if self.window[0] == 1 else slice(max(0, y - reach[0]), max(0, y + reach[0] + 1))
            places[rows, max(0, x - reach[1]) : max(0, x + reach[1] + 1)] = True
        return places


def make_feature_guess(
    frames: Sequence[Float64], *, window: tuple[int, int], content: int, fold: int = 0, scale: bool = False
) -> FeatureGuess:
    """Find the features of frames ``(C, H, W)`` in their first channel.

    With `fold` (see `Rotation`) or `scale` the features are aligned by rotation and scaling, and registered.

    Raises
    ------
    TrainingError
        if fewer than 12 features stand out.
    """
    positions = [_features(frame[0], window) for frame in frames]
    found = sum(len(p) for p in positions)
    if found < LEAST_FEATURES:
        raise TrainingError(
            f"expected at least {LEAST_FEATURES} isolated features, got {found} that stand out: "
            "train on more or larger scans, or choose --window about twice the size of a feature"
        )
    if fold or scale:
        poses = align_features(frames, positions, 0.5 * max(window), fold=fold, scale=scale)
        kinds = (bool(fold), scale)
        positions, poses, scores = register_features(frames, positions, poses, window, content, kinds=kinds)
        return FeatureGuess(frames, window, positions, scores, poses)
    y, x = (np.arange(n, dtype=np.float64) - (n - 1) / 2 for n in window)
    cut = [_cut(frame, p, y, x, window, None).reshape(len(p), -1) for frame, p in zip(frames, positions, strict=True)]
    samples = np.concatenate(cut)
    mean = samples.mean(axis=0)
    _, singular, axes = np.linalg.svd(samples - mean, full_matrices=False)
    axes = axes[:content] * np.where((axes[:content] ** 3).sum(1) < 0, -1, 1)[:, None]
    spread = np.maximum(singular[:content] / np.sqrt(len(samples)), 1e-9)
    scores = [(c - mean) @ axes.T / spread for c in cut]
    return FeatureGuess(frames, window, positions, scores)


def _features(image: Float64, window: tuple[int, int]) -> Float64:
    """Positions ``(n, 2)`` px of the bright or dark extrema, whichever stand out more, away from the edges."""
    sigma = [0.0 if n == 1 else n / 10 for n in window]
    smooth = ndimage.gaussian_filter(image, sigma)
    away = smooth - np.median(smooth)
    away *= 1.0 if abs(away.max()) >= abs(away.min()) else -1.0
    threshold = STANDS_OUT * np.median(np.abs(away))
    size = [1 if n == 1 else max(3, n // 2) for n in window]
    if image.shape == window:  # the frame is one window: it has one feature, wherever it lies
        return np.argwhere(away == away.max())[:1].astype(np.float64)
    peaks = np.argwhere((away == ndimage.maximum_filter(away, size)) & (away > threshold))
    half = np.array([(n - 1) / 2 for n in window])
    inside = ((peaks >= half) & (peaks <= np.array(image.shape) - 1 - half)).all(1)
    return np.asarray(peaks[inside], dtype=np.float64)


def _cut(
    frame: Float64, positions: Float64, y: Float64, x: Float64, window: tuple[int, int], poses: Float64 | None
) -> Float64:
    """Crops ``(n, C, len(y), len(x))`` around `positions`, normalised by the window in their middle."""
    crops = _crops(frame, positions, y, x) if poses is None else cut_posed(frame, positions, y, x, poses)
    middle = crops[:, :, np.abs(y) <= (window[0] - 1) / 2 + 0.5][..., np.abs(x) <= (window[1] - 1) / 2 + 0.5]
    crops = crops - middle.mean(axis=(2, 3), keepdims=True)
    return np.asarray(crops / np.sqrt(middle.var(axis=(2, 3), keepdims=True).mean(axis=1, keepdims=True) + 1e-12))


def _crops(frame: Float64, positions: Float64, y: Float64, x: Float64) -> Float64:
    """Crops ``(n, C, len(y), len(x))`` at the nearest pixels of the frame, without interpolation."""
    rows = np.clip(np.rint(positions[:, :1] + y), 0, frame.shape[1] - 1).astype(int)
    cols = np.clip(np.rint(positions[:, 1:] + x), 0, frame.shape[2] - 1).astype(int)
    return np.asarray(frame[:, rows[:, :, None], cols[:, None, :]].transpose(1, 0, 2, 3))
