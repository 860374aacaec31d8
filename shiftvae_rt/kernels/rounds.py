"""Rounds that improve the latents of motifs that turn or differ in size (C++ kernels).

Each round samples a window in the motif's frame and takes one Gauss-Newton step of the decoder, see
docs/decisions/turning-motifs.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from .. import _core
from ..array_types import Float32
from ..errors import ModelFileError

__all__ = [
    "LEAST_GAIN",
    "LEAST_SHARE",
    "MOST_CONTENT",
    "MOST_STEP",
    "ROUNDS",
    "SEEN",
    "SIZES",
    "Rounds",
]

#: Number of rounds.
ROUNDS = 3
#: Largest step of a round: px, rad, logarithm of the size, units of the content.
MOST_STEP = (1.5, 0.3, 0.1, 3.0)
#: Bound of the content, in its units, and bounds of the size relative to the decoder's template.
MOST_CONTENT, SIZES = 6.0, (math.exp(-0.5), math.exp(0.5))
#: Explained share of a window's variance up to which a round takes no step, and from which it takes a whole one.
SEEN = (0.1, 0.4)
#: Least contrast relative to the decoder's drawing, and least share of the motif within the window, that are divided
#: by.
LEAST_GAIN, LEAST_SHARE = 0.1, 0.05


class Rounds:
    """Constants of the rounds of a model: p points in the motif's frame, and the motif there.

    Parameters
    ----------
    arrays
        Float32, by name. ``points (2, p)``: y, then x, px from the motif. ``motif (1 + m, C, p)``: the motif, and its
        change for a unit of each content latent. ``inverse (L, C, p)``: steps of the latents for a residual: px in the
        motif's frame, rad, logarithm of the size, content. ``deviation (L,)``: standard deviations of these for a
        residual of variance 1.
    window
        ``(height, width)`` px.
    period
        Period of the rotation, degrees; 0 without rotation.
    grows
        Whether the motif has a size.

    Raises
    ------
    ModelFileError
        for arrays that do not fit each other.
    """

    def __init__(self, arrays: Mapping[str, Float32], *, window: tuple[int, int], period: float, grows: bool) -> None:
        try:
            self._kernel = _core.Rounds(**arrays, window=window, period=period, grows=grows)
        except (TypeError, ValueError) as error:
            raise ModelFileError(f"the rounds of the model are wrong ({error}): export the model again") from error

    def improve(self, windows: Float32, mean: Float32) -> tuple[Float32, Float32]:
        """Improve latents.

        Parameters
        ----------
        windows
            ``(n, C, h, w)``, each of mean 0 and standard deviation 1, or 0 everywhere.
        mean
            ``(L, n)``: reported latents of these windows, from the encoder.

        Returns
        -------
        tuple of ndarray
            Mean and standard deviation ``(L, n)``. The values of a window depend on no other window, and not on the
            instruction set.
        """
        improved = np.array(mean, np.float32, order="C")
        sd = np.empty_like(improved)
        self._kernel.improve(np.ascontiguousarray(windows), improved, sd)
        return improved, sd
