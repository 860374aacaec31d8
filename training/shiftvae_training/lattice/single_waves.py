"""Separate the spectral peaks of a lattice from single waves, such as electrical pick-up.

Pick-up adds one plane wave, with its overtones on the same line through the origin. The peaks of a lattice come in
triples that do not lie on one line, (1, 0) + (0, 1) = (1, 1), and so do the satellites of a superlattice, since they
surround the peaks of its parent.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64

from .spectrum import Peaks

__all__ = ["off_one_line", "partnered"]


#: Largest number of peaks used, strongest first.
MOST_PEAKS = 30
#: The sum of two peaks meets a third when it comes this close, in bins.
MEETS = 0.7
#: Two peaks lie on one line through the origin when one is less than this many bins off the line of the other.
ON_LINE = 1.2


def partnered(peaks: Peaks) -> NDArray[np.bool_]:
    """Find the peaks that are the sum or the difference of two others, with no two of the three on one line.

    Returns
    -------
    ndarray
        bool ``(n,)``: the peaks with such partners.
    """
    bins = peaks.bins
    found = np.zeros(len(bins), dtype=bool)
    use = np.argsort(-peaks.power)[:MOST_PEAKS]
    if len(use) < 3:
        return found
    signed = np.concatenate([bins[use], -bins[use]])
    peak = np.concatenate([use, use])
    apart = _off_line(signed[:, None], signed[None])
    first, second = np.nonzero(np.triu(apart))
    total = signed[first] + signed[second]
    gap = np.abs(total[:, None] - signed[None]).max(axis=-1)
    pair, third = np.nonzero(gap < MEETS)
    good = apart[first[pair], third] & apart[second[pair], third]
    for part in (first[pair], second[pair], third):
        found[peak[part[good]]] = True
    return found


def off_one_line(bins: Float64) -> bool:
    """Tell whether frequencies ``bins (n, 2)`` are more than one wave and its overtones."""
    if len(bins) < 2:
        return False
    longest = bins[np.argmax(np.hypot(bins[:, 0], bins[:, 1]))]
    return bool(_off_line(bins, longest).any())


def _off_line(first: Float64, second: Float64) -> NDArray[np.bool_]:
    """Tell whether vectors ``(..., 2)`` in bins do not lie on one line: the shorter ends off the line of the longer."""
    cross = np.abs(first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0])
    longer = np.maximum(np.hypot(first[..., 0], first[..., 1]), np.hypot(second[..., 0], second[..., 1]))
    return np.asarray(cross > ON_LINE * longer)
