"""The first layer of a network that sees windows one by one, for all windows of a frame at once (C++ kernels)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..errors import WindowError
from .windows import Normalisation

__all__ = ["FilterBank", "spectra_pay"]

#: Largest spectra of filters: larger ones fit into no cache.
MOST_SPECTRA_BYTES = 64 << 20
#: Least ratio of the operations of products to those of spectra at which spectra are used: transforms reach a smaller
#: share of the multiply-add limit than products do.
LEAST_SAVING = 1.25


class FilterBank:
    """Sums of filter times normalised window, for every window of a frame.

    Filtering a window is a sum, over its lines, of convolutions along the line. These are products of spectra, which
    neighbouring windows share: windows of 32 px at stride 1 take an eleventh of the multiplications.

    Parameters
    ----------
    filters
        ``(units, channels, height, width)``, as large as a window.
    stride
        px between windows: a power of two.
    normalisation, sd_floor
        As for `extract_windows`, `sd_floor` in detector units; ``"minmax"`` takes one channel.

    Raises
    ------
    WindowError
        for a stride that is no power of two or more than half of ``segment_of(width)``, and for a width above 1024.
    """

    def __init__(
        self, filters: NDArray[np.floating], stride: int, *, normalisation: Normalisation, sd_floor: float = 0.0
    ) -> None:
        values = np.array(filters, np.float64, order="C")
        if normalisation == "zscore":  # such windows have no mean that a filter could see
            values -= values.mean(axis=(2, 3), keepdims=True)
        self.units = len(values)
        self._normalisation, self._sd_floor = normalisation, sd_floor
        try:
            self._kernel = _core.FilterBank(values, stride, segment_of(values.shape[3]))
        except ValueError as error:
            raise WindowError(f"filters of shape {values.shape} at stride {stride}: {error}") from error

    def apply(self, lines: NDArray[np.generic], centre: NDArray[np.float64], out: NDArray[np.float32]) -> None:
        """Write the sums of every window in ``lines (C, H, W)`` to ``out (rows, cols, units)``, C-contiguous.

        The lines are of any dtype of `DTYPES` and finite: a NaN spoils every window of its segment. The sums are
        correct to some roundings of float32 whatever the offset and steps of the frame: where a row of a segment has
        more than four times the contrast that one of its windows is divided by, it is computed in float64, which is
        slower. A window's bits depend on the lines that it covers and on the instruction set. ``centre (C,)`` is as for
        `extract_windows`.

        Raises
        ------
        ValueError
            for lines or an output of another shape or layout.
        """
        constants = np.array(np.broadcast_to(centre, (len(lines),)), np.float64)
        self._kernel.apply(lines, self._normalisation, self._sd_floor, constants, out)


def spectra_pay(shape: tuple[int, int, int, int], stride: int) -> bool:
    """Tell whether filters of `shape` take fewer operations as a `FilterBank` than as a product for each window."""
    units, channels, height, width = shape
    segment = segment_of(width)
    if stride & (stride - 1) or 2 * stride > segment or 12 * segment * units * channels * height > MOST_SPECTRA_BYTES:
        return False
    spectra = segment * (2 * channels * height + 5 * math.log2(segment / stride) / stride)
    products = ((segment - width) // stride + 1) * channels * height * width
    return LEAST_SAVING * spectra < products


def segment_of(width: int) -> int:
    """Give the number of pixels of a line that are transformed together: a power of two, at least `width` times 4."""
    return max(8, 1 << (4 * width - 1).bit_length())
