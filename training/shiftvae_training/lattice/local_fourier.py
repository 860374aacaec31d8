"""Local Fourier coefficients of a frame: amplitude and phase of its harmonics around every point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64

__all__ = ["LocalFourier", "local_fourier"]

Complex = NDArray[np.complex128]


@dataclass(frozen=True)
class LocalFourier:
    """Fourier coefficients on a coarse grid over one frame.

    Attributes
    ----------
    coefficients
        complex128 ``(C, n, rows, cols)``, in units of the local standard deviation.
    step
        px between grid points, ``(y, x)``.
    places
        ``(2, rows, cols)``: y and x of the grid points, px.
    """

    coefficients: Complex
    step: tuple[int, int]
    places: Float64


def local_fourier(frame: Float64, harmonics: Float64, sigma: float) -> LocalFourier:
    """Demodulate ``frame (C, H, W)`` at each of ``harmonics (n, 2)`` cycles per px, under a Gaussian of `sigma` px.

    The frame is transformed once; for every harmonic the few bins under the Gaussian are taken and transformed back on
    a coarse grid. The Gaussian is normalised over the part of it that lies within the frame.
    """
    _, height, width = frame.shape
    coarse = max(1, int(sigma / 2))
    step = (1 if height == 1 else coarse, coarse)
    cells = tuple(1 if n == 1 else -(-(n + int(4 * sigma)) // s) for n, s in zip((height, width), step, strict=True))
    padded = (cells[0] * step[0], cells[1] * step[1])
    rows, cols = -(-height // step[0]), -(-width // step[1])

    def smooth(spectrum: Complex, g: Float64) -> Complex:
        bins = [np.fft.fftfreq(c, 1 / c).astype(int) for c in cells]
        at = [np.rint(g[i] * padded[i]).astype(int) + bins[i] for i in (0, 1)]
        away = [at[i] / padded[i] - g[i] for i in (0, 1)]
        gauss = [
            np.exp(-2 * (np.pi * sigma * a) ** 2) if n > 1 else np.ones(1)
            for a, n in zip(away, (height, width), strict=True)
        ]
        crop = spectrum[np.ix_(at[0] % padded[0], at[1] % padded[1])] * gauss[0][:, None] * gauss[1]
        field = np.fft.ifft2(crop)[:rows, :cols] * (cells[0] * cells[1] / (padded[0] * padded[1]))
        turn = [
            np.exp(2j * np.pi * (np.rint(g[i] * padded[i]) / padded[i] - g[i]) * step[i] * np.arange(n))
            for i, n in ((0, rows), (1, cols))
        ]
        return np.asarray(field * turn[0][:, None] * turn[1])

    zero = np.zeros(2)
    weight = np.maximum(smooth(np.fft.fft2(np.ones((height, width)), padded), zero).real, 1e-9)
    centred = frame - frame.mean(axis=(1, 2), keepdims=True)
    coefficients, variance = [], np.zeros((rows, cols))
    for channel in centred:
        spectrum = np.fft.fft2(channel, padded)
        mean = smooth(spectrum, zero).real / weight
        variance += np.maximum(smooth(np.fft.fft2(channel**2, padded), zero).real / weight - mean**2, 0) / len(centred)
        coefficients.append(np.stack([smooth(spectrum, g) / weight for g in harmonics]))
    spread = np.sqrt(np.maximum(variance, 1e-6 * variance.mean() + 1e-30))
    places = np.stack(np.meshgrid(np.arange(rows) * step[0], np.arange(cols) * step[1], indexing="ij")).astype(float)
    return LocalFourier(np.stack(coefficients) / spread, step, places)
