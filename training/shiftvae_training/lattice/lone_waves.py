"""Which spectral peaks belong to a lattice, and which are single waves that were added to it.

Electrical pick-up adds one plane wave, with its overtones on the same line through the origin. The peaks of a lattice
come in triples that do not lie on one line, (1, 0) + (0, 1) = (1, 1), and so do the satellites of a superlattice, since
they surround the peaks of its parent.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .spectrum import Peaks

__all__ = ["off_one_line", "partnered"]

Floats = NDArray[np.float64]

#: Peaks looked at, strongest first.
MOST_PEAKS = 30
#: The sum of two peaks meets a third when it comes this close, in bins.
MEETS = 0.7
#: Two peaks lie on one line through the origin when one is less than this many bins off the line of the other.
ON_LINE = 1.2


def partnered(peaks: Peaks) -> NDArray[np.bool_]:
    """Find the peaks that are the sum or the difference of two others, none of the three on one line with another.

    Returns
    -------
    ndarray
        bool ``(n,)``.
    """
    bins = peaks.bins
    found = np.zeros(len(bins), dtype=bool)
    use = np.argsort(-peaks.power)[:MOST_PEAKS]
    if len(use) < 3:
        return found
    some = bins[use]
    both = np.concatenate([some, -some])
    mine = np.concatenate([use, use])
    apart = _off_line(both[:, None], both[None])
    first, second = np.nonzero(np.triu(apart))
    total = both[first] + both[second]
    gap = np.abs(total[:, None] - both[None]).max(axis=-1)
    pair, third = np.nonzero(gap < MEETS)
    good = apart[first[pair], third] & apart[second[pair], third]
    for part in (first[pair], second[pair], third):
        found[mine[part[good]]] = True
    return found


def off_one_line(bins: Floats) -> bool:
    """Whether frequencies ``(n, 2)`` in bins are more than one wave and its overtones."""
    if len(bins) < 2:
        return False
    longest = bins[np.argmax(np.hypot(bins[:, 0], bins[:, 1]))]
    return bool(_off_line(bins, longest).any())


def _off_line(first: Floats, second: Floats) -> NDArray[np.bool_]:
    """Whether two vectors do not lie on one line, in bins at the end of the shorter."""
    cross = np.abs(first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0])
    longer = np.maximum(np.hypot(first[..., 0], first[..., 1]), np.hypot(second[..., 0], second[..., 1]))
    return np.asarray(cross > ON_LINE * longer)
