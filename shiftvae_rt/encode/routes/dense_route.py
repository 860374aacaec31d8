"""A convolutional network that slides over the lines of a frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...array_types import Float32
from ...model.model_file import ModelFile
from ..dense_network import DenseNetwork, DenseStream
from .deviations import Deviations
from .route import RowStream

__all__ = ["DenseRoute"]

#: Numbers of a code that are computed before the latents are read from them, while they are still in the cache.
CODE_VALUES = 1 << 17


class DenseRoute:
    """Runs the network in C++, on the CPU.

    Parameters
    ----------
    model, stride
        The model, and px between windows: one of its strides, or a multiple of the largest.
    """

    def __init__(self, model: ModelFile, stride: int) -> None:
        manifest = model.manifest
        self.grid_stride = max(s for s in manifest.strides if stride % s == 0)
        self.step, self.window_height = stride // self.grid_stride, manifest.window[0]
        self.network = DenseNetwork(model, self.grid_stride)
        self.deviations = Deviations(manifest, self.grid_stride)
        self.running: set[DenseStream] = set()

    @property
    def description(self) -> str:
        """Description for people."""
        return (
            f"dense, stride {self.grid_stride}: neighbouring windows share their work; "
            "rows: layers keep their last lines"
        )

    def encode(self, lines: NDArray[Any], centre: NDArray[np.float64]) -> tuple[Float32, Float32]:
        """Encode lines, see `Route.encode`."""
        rows = ((lines.shape[1] - self.window_height) // self.grid_stride) // self.step + 1
        return DenseRows(self, lines.shape[2], centre).push(lines, 0, rows)

    def rows(self, width: int, centre: NDArray[np.float64]) -> RowStream | None:
        """Begin a frame that arrives in parts, see `Route.rows`."""
        return DenseRows(self, width, centre)

    def terminate(self) -> None:
        """Make the encoding in another thread fail soon."""
        for stream in tuple(self.running):
            stream.stop()


class DenseRows:
    """A frame that arrives in parts."""

    def __init__(self, route: DenseRoute, width: int, centre: NDArray[np.float64]) -> None:
        self._route, self._centre = route, centre
        self._stream = route.network.begin(width)
        self._lines_seen = self._rows_seen = 0  # lines of the frame; rows of windows at the network's stride

    @property
    def first_line(self) -> int:
        """First line that the next `push` needs: the first of the next window, or the first new one."""
        return min(self._rows_seen * self._route.grid_stride, self._lines_seen)

    def push(self, lines: NDArray[Any], top: int, rows: int) -> tuple[Float32, Float32]:
        """Encode the next rows of windows, see `RowStream.push`."""
        self._route.running.add(self._stream)
        try:
            return self._push(lines, top, rows)
        finally:
            self._route.running.discard(self._stream)

    def _push(self, lines: NDArray[Any], top: int, rows: int) -> tuple[Float32, Float32]:
        route, readout = self._route, self._route.network.readout
        deviations = route.deviations.of(lines[:, self._rows_seen * route.grid_stride - top :], self._centre)
        skip = -self._rows_seen % route.step  # rows of the network before the first row of the map
        shape = (rows, (deviations.shape[1] - 1) // route.step + 1)
        mean, std = (np.empty((readout.latents, *shape), np.float32) for _ in range(2))
        together = max(1, CODE_VALUES // (readout.planes * deviations.shape[1] * route.step))
        begun = 0  # rows of the network done in this call
        for row in range(0, rows, together):
            until = min(row + together, rows)
            end = skip + (until - 1) * route.step + 1
            last = (self._rows_seen + end - begun - 1) * route.grid_stride + route.window_height
            fresh = lines[:, self._lines_seen - top : last - top]
            code = self._stream.push(fresh, deviations[begun:end])
            self._lines_seen, self._rows_seen = last, self._rows_seen + end - begun
            first = skip + row * route.step - begun
            mean[:, row:until], std[:, row:until] = readout.read(code[:, first :: route.step, :: route.step])
            begun = end
        return mean, std
