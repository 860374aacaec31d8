"""Weights of a trained encoder and the bounds of its outputs, which the model and the exported graphs share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float32

__all__ = [
    "GRAIN",
    "LEAST_SLOPE",
    "LOG_SCALE",
    "LOG_SD",
    "NO_PHASE",
    "WIDEST_PHASE",
    "EncoderWeights",
    "StemLayer",
    "Turn",
]

#: Largest posterior width of a phase, rad: there the divergence of a wrapped normal from the uniform prior is 0.
WIDEST_PHASE = float(np.sqrt(2 * np.pi / np.e))
#: Bounds of the logarithm of a posterior deviation, and of the logarithm of the scale.
LOG_SD = (-8.0, 2.0)
LOG_SCALE = (-0.5, 0.5)
#: The deviation of a planar shift is that of u times the slope of the shift, at least this share of the slope at 0.
LEAST_SLOPE = 0.05
#: Share of its level that a window must vary by, or rounding is all that float32 convolutions see of it.
GRAIN = 1e-6
#: Squared modulus below which a complex feature has no phase.
NO_PHASE = 1e-30


@dataclass(frozen=True)
class StemLayer:
    """A valid convolution without bias: ``weight (out, in, kh, kw)``, dilated along both axes."""

    weight: Float32
    dilation: int


@dataclass(frozen=True)
class Turn:
    """Integer powers of the lattice's phasors by which features and phases turn.

    The features of a window are complex numbers ``z_j`` (real part, imaginary part, ...), of which the first, one for
    each of the k lattice vectors, are the bases: ``u_b = conj(z_b) / |z_b|``, or 1 where ``|z_b|**2 < 1e-30``. A shift
    of the window turns them all; the head sees ``z_j * prod_b u_b**orders[j, b]``, which no shift turns, and gives
    phases against those of the bases.

    Attributes
    ----------
    orders
        ``(n, k)``, for each feature; -16 to 16, the identity for the bases.
    phases
        ``(k, k)``, for each lattice vector: the head's cosines and sines, as complex numbers, are multiplied by
        ``prod_b u_b**phases[a, b]``; -16 to 16.
    """

    orders: NDArray[np.int64]
    phases: NDArray[np.int64]


@dataclass(frozen=True)
class EncoderWeights:
    """All weights and constants of an encoder.

    Attributes
    ----------
    window
        ``(height, width)`` px; the receptive field of the stem is exactly this.
    stem, stem_relu
        Convolutions on the raw frame; ReLU after each if `stem_relu`.
    head
        1x1 layers ``(weight (out, in), bias (out,))``; tanh between them, none after the last.
    stem_bias
        Bias ``(features,)`` after the division by the standard deviation, followed by tanh; or None.
    lattice
        ``(k, 2)`` lattice vectors in px as (y, x); k = 0 for a planar shift. The head's outputs are, in order:
        scores of the grains and of none ``(K + 1)`` if the model has several; cosines and sines ``(k + k)`` and log
        widths ``(k)`` of the phases, or shift and log sd ``(dimensions each)``;
        those of `Rotation` and `Scale` if the model has them; for each order latent real and
        imaginary part, then their log sd; then mean and log sd of the content.
    planar_prior_px, planar_reach_px
        px per unit of a planar shift at 0, and the soft limit of its range in px; 0 for no limit.
    content
        Number of content latents.
    anchor, anchor_slope
        Offset added to the shift, px: ``(2,)``, and ``(content, 2)`` for each unit of content.
    channel_scale, sd_floor
        Scale of each channel, and the smallest standard deviation (after scaling) of a window that is not constant.
    cells
        ``(K, 2, 2)`` lattice vectors of each grain in px, of which `lattice` is the first; None for a single grain.
    fold, scale_prior
        `Rotation.fold` and `Scale.prior`; 0 if the model has no such latent.
    orders
        Number of order latents, see `Order`.
    turn
        How features and phases turn, for a stem without ReLU; None for features that do not.
    """

    window: tuple[int, int]
    stem: tuple[StemLayer, ...]
    stem_relu: bool
    stem_bias: Float32 | None
    head: tuple[tuple[Float32, Float32], ...]
    lattice: NDArray[np.float64]
    planar_prior_px: float
    content: int
    anchor: NDArray[np.float64]
    anchor_slope: NDArray[np.float64]
    channel_scale: tuple[float, ...]
    sd_floor: float
    planar_reach_px: float = 0.0
    fold: int = 0
    scale_prior: float = 0.0
    orders: int = 0
    cells: NDArray[np.float64] | None = None
    turn: Turn | None = None

    @property
    def scores(self) -> int:
        """Number of scores that tell the grain."""
        return 0 if self.cells is None else len(self.cells) + 1

    @property
    def dimensions(self) -> int:
        """1 for signals, 2 for images."""
        return 1 if self.window[0] == 1 else 2

    @property
    def reported(self) -> int:
        """Number of latents in the graph's outputs."""
        grain_and_pose = bool(self.scores) + bool(self.fold) + bool(self.scale_prior)
        return self.dimensions + grain_and_pose + 2 * self.orders + self.content
