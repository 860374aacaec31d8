"""Likelihoods: the distribution of a window's pixels given the decoder's drawing.

Each likelihood brings a drawing to the units of a window, and gives the negative logarithm of the probability of the
window given the drawing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name that torch users read

__all__ = ["Bernoulli", "Gaussian", "Likelihood", "LikelihoodName", "Poisson", "Seen"]

LikelihoodName = Literal["gaussian", "poisson", "bernoulli"]
#: The expected counts of a pixel are at least this share of its window's mean.
LEAST_RATE = 0.05


@dataclass(frozen=True)
class Seen:
    """Observed windows, n windows of C channels.

    Attributes
    ----------
    normalised
        ``(n, C, h, w)``: minus the mean of each channel, divided by the standard deviation over all channels.
    level, spread
        ``(n, C, 1, 1)``: that mean and that deviation in raw detector units.
    """

    normalised: Tensor
    level: Tensor
    spread: Tensor


class Likelihood(Protocol):
    """Interface of a likelihood for objective and export; `drawing` is ``(n, C, h, w)``, from a decoder."""

    def windows(self, drawing: Tensor, noise_sd: Tensor) -> Tensor:
        """Drawn windows ``(n, C, h, w)``, normalised like the windows that the encoder sees."""

    def nats(self, drawing: Tensor, seen: Seen, noise_sd: Tensor) -> tuple[Tensor, Tensor]:
        """Mean negative log likelihood of a window in nats, and the variance of the residual relative to a window's."""

    def start(self, mean: Tensor, components: Tensor) -> tuple[Tensor, Tensor]:
        """Drawings of a guessed motif: ``mean (C, ...)`` and ``components (m, C, ...)`` in a window's deviations."""


@dataclass(frozen=True)
class Gaussian:
    """Normal noise in normalised windows, with one standard deviation for all pixels, estimated during training.

    A drawing is normalised like the encoder's windows: mean 0 in each channel, and variance 1 with the noise added.
    Mean and contrast of a window depend on the part of the cell that it shows; without the normalisation the content
    would have to encode them.
    """

    def windows(self, drawing: Tensor, noise_sd: Tensor) -> Tensor:
        """Drawings with mean 0, and variance 1 with the noise."""
        return _normalised(drawing, noise_sd)

    def nats(self, drawing: Tensor, seen: Seen, noise_sd: Tensor) -> tuple[Tensor, Tensor]:
        """Normal log likelihood of the normalised windows, see `Likelihood`."""
        residual = (self.windows(drawing, noise_sd) - seen.normalised).square().mean()
        pixels = seen.normalised[0].numel()
        nats = pixels * (0.5 * residual / noise_sd.square() + noise_sd.log() + 0.5 * math.log(2 * math.pi))
        return nats, residual

    def start(self, mean: Tensor, components: Tensor) -> tuple[Tensor, Tensor]:
        """The guessed images, unchanged."""
        return mean, components


@dataclass(frozen=True)
class Poisson:
    """Counts with a Poisson distribution.

    The expected counts are the normalised drawing times the window's contrast, plus the window's mean.
    """

    def windows(self, drawing: Tensor, noise_sd: Tensor) -> Tensor:
        """Drawings with mean 0, and variance 1 with the noise."""
        return _normalised(drawing, noise_sd)

    def nats(self, drawing: Tensor, seen: Seen, noise_sd: Tensor) -> tuple[Tensor, Tensor]:
        """Poisson log likelihood of the raw counts, see `Likelihood`."""
        drawn = self.windows(drawing, noise_sd)
        rate = seen.level + seen.spread * drawn
        rate = torch.maximum(rate, LEAST_RATE * seen.level + 1e-3)
        counts = seen.level + seen.spread * seen.normalised
        nats = rate - counts * rate.log() + torch.lgamma(counts + 1)
        return nats.sum((1, 2, 3)).mean(), (drawn - seen.normalised).square().mean()

    def start(self, mean: Tensor, components: Tensor) -> tuple[Tensor, Tensor]:
        """The guessed images, unchanged."""
        return mean, components


@dataclass(frozen=True)
class Bernoulli:
    """Binary cross entropy of every pixel, scaled to 0..1 over the training set and taken as a probability.

    This is not a likelihood of grey values (it is not normalised over them), but customary in the field since pyroVED.
    Its noise does not depend on the detector's and is the largest that 0..1 allows.

    Parameters
    ----------
    low, high
        ``(C,)`` smallest and largest raw value of the training set, for each channel.
    level, spread
        ``(C,)`` typical mean and standard deviation of a window, in raw units.
    """

    low: Tensor
    high: Tensor
    level: Tensor
    spread: Tensor

    def windows(self, drawing: Tensor, noise_sd: Tensor) -> Tensor:
        """Probabilities with mean 0, and variance 1 with the noise, channels weighted by their range."""
        return _normalised(drawing.sigmoid() * _by_channel((self.high - self.low) / self.spread), noise_sd)

    def nats(self, drawing: Tensor, seen: Seen, noise_sd: Tensor) -> tuple[Tensor, Tensor]:
        """Binary cross entropy with soft targets, see `Likelihood`."""
        raw = seen.level + seen.spread * seen.normalised
        share = ((raw - _by_channel(self.low)) / _by_channel(self.high - self.low)).clamp(0, 1)
        nats = F.binary_cross_entropy_with_logits(drawing, share, reduction="none").sum((1, 2, 3)).mean()
        return nats, (self.windows(drawing, noise_sd) - seen.normalised).square().mean().detach()

    def start(self, mean: Tensor, components: Tensor) -> tuple[Tensor, Tensor]:
        """Log odds of the guessed images."""
        width = self.spread / (self.high - self.low)
        extra = (1,) * (mean.ndim - 1)
        share = ((self.level - self.low) / (self.high - self.low)).view(-1, *extra) + width.view(-1, *extra) * mean
        share = share.clamp(0.02, 0.98)
        return share.logit(), components * width.view(-1, *extra) / (share * (1 - share))


def _normalised(drawing: Tensor, noise_sd: Tensor) -> Tensor:
    drawing = drawing - drawing.mean(dim=(-1, -2), keepdim=True)
    return drawing / (drawing.square().mean(dim=(-1, -2, -3), keepdim=True) + noise_sd.square()).sqrt()


def _by_channel(values: Tensor) -> Tensor:
    return values[:, None, None]
