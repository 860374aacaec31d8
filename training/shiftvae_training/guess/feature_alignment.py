"""How far isolated features are turned, and how large they are, against their own mean: before any network is trained.

In polar coordinates a turn is a displacement along the angle: of the strongest harmonic that all features share it is
a phase, which the first singular vector of the features' profiles reads off for all of them at once; then every feature
is correlated with the mean of those turned back, over all angles. Sizes are read off along the derivative of the mean
with respect to size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["align_features", "cut_posed"]

Floats = NDArray[np.float64]

ANGLES, ROUNDS = 96, 5
#: Largest size that is guessed, as a logarithm.
MOST_SCALE = 0.35


def cut_posed(frame: Floats, positions: Floats, y: Floats, x: Floats, pose: Floats) -> Floats:
    """Pixels ``(n, C, len(y), len(x))`` of ``frame (C, H, W)`` at places `y`, `x` in the frames of motifs at
    ``positions (n, 2)`` px with ``pose (n, 2)``: turn counter-clockwise as seen, rad, and logarithm of the size.
    """
    turn, size = pose[:, 0, None, None], np.exp(pose[:, 1, None, None])
    right, down = np.meshgrid(x, y)
    at_x = positions[:, 1, None, None] + size * (right * np.cos(turn) + down * np.sin(turn))
    at_y = positions[:, 0, None, None] + size * (down * np.cos(turn) - right * np.sin(turn))
    return np.stack([ndimage.map_coordinates(c, [at_y, at_x], order=1, mode="nearest") for c in frame], axis=1)


def align_features(
    frames: Sequence[Floats], positions: Sequence[Floats], radius: float, *, fold: int, scale: bool
) -> list[Floats]:
    """Poses ``(n, 2)`` of the features at ``positions (n, 2)`` px of each frame ``(C, H, W)``, see `cut_posed`.

    Parameters
    ----------
    radius
        px around a feature that belong to it.
    fold
        A feature looks the same after ``1 / fold`` of a turn; 0 if features do not turn.
    scale
        Whether features differ in size.
    """
    counts = np.cumsum([len(p) for p in positions])[:-1]
    pose = np.zeros((sum(len(p) for p in positions), 2))
    radii = np.linspace(radius / 12, radius, 12)
    for index in range(ROUNDS):
        polar = np.concatenate(
            [_polar(f, p, radii, o) for f, p, o in zip(frames, positions, np.split(pose, counts), strict=True)]
        )
        if fold:
            flat = (polar - polar.mean((1, 2, 3), keepdims=True)) * radii[:, None]
            spectrum = np.fft.rfft(flat, axis=-1)
            pose[:, 0] += _first_turn(spectrum, fold) if index == 0 else _turn(spectrum, fold)
        if scale and index:
            pose[:, 1] += _growth(polar.mean(1), radii)
            pose[:, 1] = np.clip(pose[:, 1] - pose[:, 1].mean(), -MOST_SCALE, MOST_SCALE)
    if fold:  # the mean's own harmonic points to the right
        polar = np.concatenate(
            [_polar(f, p, radii, o) for f, p, o in zip(frames, positions, np.split(pose, counts), strict=True)]
        )
        harmonic = np.fft.rfft(polar.mean((0, 1)) * radii[:, None], axis=-1)[:, fold].sum()
        pose[:, 0] += -np.angle(harmonic) / fold
        half = np.pi / fold
        pose[:, 0] = (pose[:, 0] + half) % (2 * half) - half
    return np.split(pose, counts)


def _polar(frame: Floats, positions: Floats, radii: Floats, pose: Floats) -> Floats:
    """Features on circles ``(n, C, radii, angles)``, turned and zoomed back; angles run counter-clockwise as seen."""
    angle = 2 * np.pi * np.arange(ANGLES) / ANGLES + pose[:, 0, None, None]
    r = radii[None, :, None] * np.exp(pose[:, 1, None, None])
    y = positions[:, 0, None, None] - r * np.sin(angle)
    x = positions[:, 1, None, None] + r * np.cos(angle)
    return np.stack([ndimage.map_coordinates(c, [y, x], order=1, mode="nearest") for c in frame], axis=1)


def _first_turn(spectrum: NDArray[np.complex128], fold: int) -> Floats:
    """Turn of each feature from the phase of its strongest shared harmonic that the symmetry allows."""
    best, found = -1.0, np.zeros(len(spectrum))
    for order in range(fold, min(6 * fold, ANGLES // 2), fold):
        profile = spectrum[..., order].reshape(len(spectrum), -1)
        vectors, strength, _ = np.linalg.svd(profile, full_matrices=False)
        if strength[0] / order > best:  # a harmonic of order m leaves m turns open
            best, found = float(strength[0] / order), -np.angle(vectors[:, 0]) / order
    return found


def _turn(spectrum: NDArray[np.complex128], fold: int) -> Floats:
    """Turn of each feature against the mean of all, by correlation over all angles within a period."""
    mean = spectrum.mean(axis=0)
    correlation = np.fft.irfft((spectrum * mean.conj()).sum((1, 2)), n=8 * ANGLES, axis=-1)
    first = correlation[:, : 8 * ANGLES // fold]
    return np.asarray(np.argmax(first, axis=1) * 2 * np.pi / (8 * ANGLES))


def _growth(polar: Floats, radii: Floats) -> Floats:
    """Growth of each feature ``(n, radii, angles)`` in size, along the derivative of the mean: -r d/dr."""
    mean = polar.mean(axis=0)
    along = -radii[:, None] * np.gradient(mean, radii, axis=0)
    weight = radii[:, None]
    along = along - (along * weight).sum() / (weight.sum() * along.shape[1])
    return np.asarray(((polar - mean) * along * weight).sum((1, 2)) / (along**2 * weight).sum())
