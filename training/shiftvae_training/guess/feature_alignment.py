"""Rotation and size of isolated features relative to their mean, before any network is trained.

In polar coordinates a rotation is a displacement along the angle, and a phase of each angular harmonic. The first
singular vector of the features' profiles in the strongest common harmonic gives that phase for all features at once;
then every feature is correlated over all angles with the mean of the features turned back. Sizes are projections on the
derivative of the mean with respect to size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from shiftvae_rt.array_types import Float64

__all__ = ["align_features", "cut_posed"]


ANGLES, ROUNDS = 96, 5
#: Bound of the guessed size, as a logarithm.
MOST_SCALE = 0.35


def cut_posed(frame: Float64, positions: Float64, y: Float64, x: Float64, pose: Float64) -> Float64:
    """Crops of posed features, turned and scaled back to the template.

    Parameters
    ----------
    frame
        ``(C, H, W)``.
    positions
        ``(n, 2)`` positions (y, x) of the features, px.
    y, x
        Positions relative to a feature at which pixels are taken, px.
    pose
        ``(n, 2)``: turn in rad, counter-clockwise as displayed, and logarithm of the size.

    Returns
    -------
    ndarray
        Pixels ``(n, C, len(y), len(x))``, interpolated linearly.
    """
    turn, size = pose[:, 0, None, None], np.exp(pose[:, 1, None, None])
    right, down = np.meshgrid(x, y)
    at_x = positions[:, 1, None, None] + size * (right * np.cos(turn) + down * np.sin(turn))
    at_y = positions[:, 0, None, None] + size * (down * np.cos(turn) - right * np.sin(turn))
    return np.stack([ndimage.map_coordinates(c, [at_y, at_x], order=1, mode="nearest") for c in frame], axis=1)


def align_features(
    frames: Sequence[Float64], positions: Sequence[Float64], radius: float, *, fold: int, scale: bool
) -> list[Float64]:
    """Poses ``(n, 2)`` of the features at ``positions (n, 2)`` px of each frame ``(C, H, W)``, see `cut_posed`.

    Parameters
    ----------
    radius
        Radius of a feature, px.
    fold
        Rotational symmetry: a feature looks the same after ``360 / fold`` degrees; 0 if features do not turn.
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
    if fold:  # fix the common origin of the angles: the mean's harmonic of order `fold` points right
        polar = np.concatenate(
            [_polar(f, p, radii, o) for f, p, o in zip(frames, positions, np.split(pose, counts), strict=True)]
        )
        harmonic = np.fft.rfft(polar.mean((0, 1)) * radii[:, None], axis=-1)[:, fold].sum()
        pose[:, 0] += -np.angle(harmonic) / fold
        half = np.pi / fold
        pose[:, 0] = (pose[:, 0] + half) % (2 * half) - half
    return np.split(pose, counts)


def _polar(frame: Float64, positions: Float64, radii: Float64, pose: Float64) -> Float64:
    """Features on circles ``(n, C, radii, angles)``, turned and scaled back; angles run counter-clockwise."""
    angle = 2 * np.pi * np.arange(ANGLES) / ANGLES + pose[:, 0, None, None]
    r = radii[None, :, None] * np.exp(pose[:, 1, None, None])
    y = positions[:, 0, None, None] - r * np.sin(angle)
    x = positions[:, 1, None, None] + r * np.cos(angle)
    return np.stack([ndimage.map_coordinates(c, [y, x], order=1, mode="nearest") for c in frame], axis=1)


def _first_turn(spectrum: NDArray[np.complex128], fold: int) -> Float64:
    """Turn ``(n,)`` of each feature in rad, from the strongest common harmonic that the symmetry allows."""
    best, found = -1.0, np.zeros(len(spectrum))
    for order in range(fold, min(6 * fold, ANGLES // 2), fold):
        profile = spectrum[..., order].reshape(len(spectrum), -1)
        vectors, strength, _ = np.linalg.svd(profile, full_matrices=False)
        if strength[0] / order > best:  # a harmonic of order m leaves m possible turns
            best, found = float(strength[0] / order), -np.angle(vectors[:, 0]) / order
    return found


def _turn(spectrum: NDArray[np.complex128], fold: int) -> Float64:
    """Turn ``(n,)`` of each feature in rad relative to the mean, by correlation over all angles within a period."""
    mean = spectrum.mean(axis=0)
    correlation = np.fft.irfft((spectrum * mean.conj()).sum((1, 2)), n=8 * ANGLES, axis=-1)
    first = correlation[:, : 8 * ANGLES // fold]
    return np.asarray(np.argmax(first, axis=1) * 2 * np.pi / (8 * ANGLES))


def _growth(polar: Float64, radii: Float64) -> Float64:
    """Logarithmic growth ``(n,)`` of features ``(n, radii, angles)``, along the derivative of the mean: -r d/dr."""
    mean = polar.mean(axis=0)
    along = -radii[:, None] * np.gradient(mean, radii, axis=0)
    weight = radii[:, None]
    along = along - (along * weight).sum() / (weight.sum() * along.shape[1])
    return np.asarray(((polar - mean) * along * weight).sum((1, 2)) / (along**2 * weight).sum())
