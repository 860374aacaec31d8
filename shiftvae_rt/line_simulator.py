"""Line signals with known truth: periodic peaks whose width and asymmetry vary slowly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .array_types import Float32, Float64

__all__ = ["LineCrystal", "SimulatedLine"]


@dataclass(frozen=True)
class SimulatedLine:
    """A line signal with its ground truth: width and asymmetry at every sample, and the peak positions."""

    samples: Float32
    width_px: Float64
    asymmetry: Float64
    peaks_px: Float64
    index: int


@dataclass(frozen=True)
class LineCrystal:
    """A 1D detector: periodic peaks whose width and asymmetry vary slowly along the line, with Gaussian noise.

    Parameters
    ----------
    length
        Samples in a line.
    period_px
        Distance between peaks, px.
    width_px
        Mean Gaussian width, px; it varies by 35 % either way.
    asymmetry
        Largest relative difference between the widths of the two flanks of a peak.
    noise
        Standard deviation of the noise; a peak is 1 high.
    seed
        Seed of the noise and of the slow variations.
    """

    length: int = 4096
    period_px: float = 24.0
    width_px: float = 3.5
    asymmetry: float = 0.4
    noise: float = 0.05
    seed: int = 0

    def line(self, index: int) -> SimulatedLine:
        """Scan line number `index`; the same index always gives the same line."""
        rng = np.random.default_rng([self.seed, index])
        x = np.arange(self.length, dtype=float)
        phase = rng.uniform(0, 2 * np.pi, 2)
        width = self.width_px * (1 + 0.35 * np.sin(2 * np.pi * x / 611.0 + phase[0]))
        asymmetry = self.asymmetry * np.sin(2 * np.pi * x / 397.0 + phase[1])
        peaks = np.arange(-self.period_px, self.length + 2 * self.period_px, self.period_px) + rng.uniform(
            0, self.period_px
        )
        samples = rng.normal(0, self.noise, self.length)
        for peak in peaks:
            away = x - peak
            near = int(np.clip(np.rint(peak), 0, self.length - 1))
            flank = width[near] * (1 + asymmetry[near] * np.sign(away))
            samples += np.exp(-0.5 * (away / flank) ** 2)
        return SimulatedLine(samples.astype(np.float32), width, asymmetry, peaks, index)

    def __iter__(self) -> Iterator[SimulatedLine]:
        """Scan for ever, from line 0."""
        index = 0
        while True:
            yield self.line(index)
            index += 1
