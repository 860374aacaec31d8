"""A convolutional network that slides over the lines of a frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import _core
from ...array_types import Float32
from ...errors import FrameError
from ...model.model_file import ModelFile
from ..dense_network import TOO_FAR_APART, DenseNetwork

__all__ = ["DenseRoute"]


class DenseRoute:
    """Runs the network in C++, on the CPU: the code that the C library runs too.

    Parameters
    ----------
    model, stride
        The model, and px between windows: one of its strides, or a multiple of the largest.
    """

    def __init__(self, model: ModelFile, stride: int) -> None:
        manifest = model.manifest
        self._grid_stride = max(s for s in manifest.strides if stride % s == 0)
        self._stride, self._window_height = stride, manifest.window[0]
        self._network = DenseNetwork(model, self._grid_stride)
        self._running: set[_core.DenseRows] = set()

    @property
    def description(self) -> str:
        """Description for people."""
        return (
            f"dense, stride {self._grid_stride}: neighbouring windows share their work; "
            "rows: layers keep their last lines"
        )

    def encode(self, lines: NDArray[Any], centre: NDArray[np.float64]) -> tuple[Float32, Float32]:
        """Encode lines, see `Route.encode`."""
        rows = (lines.shape[1] - self._window_height) // self._stride + 1
        needed = (rows - 1) * self._stride + self._window_height
        return self.rows(lines.shape[2], centre).push(lines[:, :needed], 0, rows)

    def rows(self, width: int, centre: NDArray[np.float64]) -> DenseRows:
        """Begin a frame that arrives in parts, see `Route.rows`."""
        step = self._stride // self._grid_stride
        return DenseRows(self._network.begin(width, centre, step=step), self._running)

    def terminate(self) -> None:
        """Make the encoding in another thread fail soon."""
        for stream in tuple(self._running):
            stream.stop()


class DenseRows:
    """A frame that arrives in parts. Each layer keeps the last lines that it needs, so nothing is computed twice."""

    def __init__(self, kernel: _core.DenseRows, running: set[_core.DenseRows]) -> None:
        self._kernel, self._running = kernel, running

    @property
    def first_line(self) -> int:
        """First line that the next `push` needs: the first of the next window, or the first new one."""
        return self._kernel.first_line

    def push(self, lines: NDArray[Any], top: int, rows: int) -> tuple[Float32, Float32]:
        """Encode the next rows of windows, see `RowStream.push`.

        The bits of a window depend on the lines that it covers, on its first column, and on the instruction set.

        Raises
        ------
        FrameError
            for differences between pixels that are beyond float32.
        RuntimeError
            if it is terminated.
        """
        shape = (self._kernel.latents, rows, self._kernel.cols)
        mean, std = np.empty(shape, np.float32), np.empty(shape, np.float32)
        self._running.add(self._kernel)
        try:
            finite = self._kernel.push(lines, top, mean, std)
        finally:
            self._running.discard(self._kernel)
        if not finite:
            raise FrameError(TOO_FAR_APART)
        return mean, std
