"""Turns of images by any angle that leave no trace in their noise.

A turn is quarter turns, which move pixels to pixels, and three shears, each a shift of every line by its own distance.
A shift in Fourier space is unitary: white noise stays white, and a motif is turned as if it had been recorded so.
Interpolation would smooth the noise by an amount that depends on the angle (a linear one leaves 0.44 of its power at 45
degrees), and an encoder would read the angle from that instead of from the motif. Source of the shears: Unser,
Thevenaz, Yaroslavsky, IEEE Trans. Image Process. 4 (1995) 1371.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from shiftvae_rt.array_types import Float32, Float64

__all__ = ["margin_of_turns", "turn_images", "turn_vectors"]

#: Border of an image that is faded to its mean, px: the shears are cyclic, and a step there would ring.
FADED = 6


def turn_vectors(vectors: Float64, angle: Float64) -> Float64:
    """Vectors ``(n, ..., 2)`` (y, x), y down, turned by ``angle (n,)`` rad, counter-clockwise as displayed."""
    cosine, sine = (f(angle).reshape(-1, *[1] * (vectors.ndim - 2)) for f in (np.cos, np.sin))
    y, x = vectors[..., 0], vectors[..., 1]
    return np.stack([y * cosine - x * sine, x * cosine + y * sine], axis=-1)


def margin_of_turns(side: int) -> int:
    """Number of pixels around a square of `side` px that its turns need, the faded border included."""
    return math.ceil((math.sqrt(2) - 1) / 2 * side) + FADED


def turn_images(images: Float32, angle: Float64) -> Float32:
    """Square ``images (n, C, side, side)`` turned by ``angle (n,)`` rad about their centres, counter-clockwise.

    Right within ``side / 2 - FADED`` px of the centre; the corners show what lies on the opposite side.
    """
    quarters = np.rint(angle / (np.pi / 2)).astype(int)
    rest = angle - quarters * (np.pi / 2)
    turned = np.stack([np.rot90(image, quarter, (1, 2)) for image, quarter in zip(images, quarters, strict=True)])
    level = turned.mean(axis=(2, 3), keepdims=True)
    side = images.shape[-1]
    ramp = np.ones(side, np.float32)
    ramp[:FADED] = 0.5 - 0.5 * np.cos(np.pi * (np.arange(FADED) + 0.5) / FADED)
    ramp[-FADED:] = ramp[:FADED][::-1]
    turned = (turned - level) * (ramp[:, None] * ramp)
    slope, drop = np.tan(rest / 2), -np.sin(rest)
    for shear, axis in ((slope, 3), (drop, 2), (slope, 3)):
        turned = _shear(turned, shear, axis)
    return np.asarray(turned + level, np.float32)


def _shear(images: NDArray[np.float32], slope: Float64, axis: int) -> NDArray[np.float32]:
    """Shift every line along `axis` by ``slope (n,)`` times its distance from the centre."""
    side = images.shape[-1]
    shift = slope[:, None] * (np.arange(side) - (side - 1) / 2)
    wave = np.exp(-2j * np.pi * shift[:, :, None] * fft.rfftfreq(side)).astype(np.complex64)  # (n, line, frequency)
    if side % 2 == 0:
        wave[..., -1] = 1.0  # a wave of two pixels cannot be shifted by less than one
    wave = wave if axis == 3 else wave.transpose(0, 2, 1)
    spectrum = fft.rfft(images, axis=axis) * wave[:, None]
    return np.asarray(fft.irfft(spectrum, n=side, axis=axis))
