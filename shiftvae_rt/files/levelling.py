"""Levelling of scanned-probe lines.

The tip's height jumps and drifts from scan line to scan line. The jumps do not belong to the lattice and would dominate
the contrast of every window (a z-score removes the offset of a window, not a jump inside it). The model cannot remove
them, since a window does not see the whole line. So they are removed once, before windows are cut.
Lines from a running microscope must be levelled alike: `level_rows` uses a line and the levelled line above it only, so
levelling bands as they arrive gives exactly the numbers of levelling the whole scan.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["LEVELLED", "level_rows"]

#: Entry in the metadata of a levelled frame.
LEVELLED = "level_rows: median difference of each line to the line above is zero"


def level_rows(rows: ArrayLike, *, above: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Shift each scan line so that the median of its difference to the line above is zero.

    The median of differences is used, not the difference of medians, because it leaves a step edge alone: where a step
    crosses the image at an angle, the median of a line jumps by the step's height once the lower terrace fills half of
    the line.

    The price: a slope along y is removed (along x it stays), and so is anything that is constant along a whole line,
    such as the part of a lattice whose wave vector is exactly vertical.

    Parameters
    ----------
    rows
        ``(n, width)`` heights in any unit, the slow axis first.
    above
        ``(width,)``, the last levelled line of the band before; None at the top of a scan, whose median becomes zero.

    Returns
    -------
    ndarray
        ``(n, width)`` float32, the same unit. NaN stays NaN; a line of NaN alone is skipped by the next one.

    Examples
    --------
    >>> level_rows([[0.0, 1.0, 0.0], [5.0, 6.0, 5.0]]).tolist()
    [[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]]
    """
    heights = np.asarray(rows, dtype=np.float64)
    levelled = heights.astype(np.float32)
    reference = above
    for row, line in enumerate(heights):
        difference = line if reference is None else line - reference
        known = difference[np.isfinite(difference)]
        if known.size:
            # Rounded to float32 before the next line uses it, so that bands and whole scans agree to the last bit.
            levelled[row] = line - np.median(known)
            reference = levelled[row]
    return levelled
