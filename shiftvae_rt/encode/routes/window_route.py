"""Windows one by one, for a network whose first layer is as large as a window.

C++ cuts and normalises the windows; where that takes fewer operations, it computes the first layer for all of them from
the spectra of the frame's lines instead. onnxruntime runs the rest of the network.
"""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...array_types import Float32
from ...errors import ModelFileError
from ...kernels.filter_bank import FilterBank, spectra_pay
from ...kernels.frame_scaling import LEAST_SD
from ...kernels.readout import Readout
from ...kernels.window_grid import WindowGrid
from ...kernels.windows import Normalisation, extract_windows
from ...model.model_file import ModelFile
from ..onnx_graph import OnnxGraph
from .route import RowStream

__all__ = ["WINDOW_GRAPHS", "WindowRoute"]

#: Graphs of a network that takes windows: one for the whole network, or one for a linear first layer and one for the
#: rest.
WINDOW_GRAPHS = ["windows.onnx", "filters.onnx", "features.onnx"]
#: Pixels of windows that go into one run.
WINDOW_PIXELS = 1 << 19
#: Values of a first layer that are held at a time, at least those of as many rows of windows as C++ takes together.
FIRST_LAYER_VALUES = 1 << 20
ROWS_OF_SPECTRA = 12


class WindowRoute:
    """Takes the input of a network from each window, then runs the network, some rows of windows at a time.

    Parameters
    ----------
    model, stride
        The model, and px between windows.
    provider
        Where onnxruntime runs, see `OnnxGraph`.
    """

    def __init__(self, model: ModelFile, stride: int, *, provider: str) -> None:
        manifest, intensity = model.manifest, model.manifest.intensity
        self._stride, self._window = stride, manifest.window
        members = [name for name in WINDOW_GRAPHS if model.has_graph(name)]
        if members not in (WINDOW_GRAPHS[:1], WINDOW_GRAPHS[1:]):
            raise ModelFileError(f"{model.path}: its graphs are of another version: export the model again")
        graphs = [OnnxGraph(model.graph(name), provider=provider) for name in members]
        if len(graphs[-1].output_shape) != 2:
            raise ModelFileError(f"{model.path}: {members[-1]} is of another version: export the model again")
        self._readout: Readout | None = None
        if "readout" in graphs[-1].metadata:
            self._readout = Readout.from_json(graphs[-1].metadata["readout"], f"{model.path}: {members[-1]}")
        # the normalisation of a window of one channel undoes any scaling before it
        scale, normalisation = intensity.channel_scale, intensity.normalisation
        self._scaled = len(scale) > 1 or normalisation == "none"
        self._offset, self._scale = (np.reshape(a, (-1, 1, 1)) for a in (intensity.channel_offset, scale))
        floor = max(intensity.sd_floor, LEAST_SD) / (1 if self._scaled else scale[0])
        self._source: WindowCutter | WindowFilters = WindowCutter(
            (len(scale), *self._window), stride, normalisation, floor
        )
        linear = len(graphs) > 1 and (len(scale) == 1 or normalisation != "minmax")
        if linear and spectra_pay((graphs[0].output_shape[1], len(scale), *self._window), stride):
            filters = self._source.filters(graphs[0])
            bank = FilterBank(filters, stride, normalisation=normalisation, sd_floor=floor)
            self._source, graphs = WindowFilters(bank), graphs[1:]
        self._graphs, self._own = graphs, threading.local()

    def terminate(self) -> None:
        """Make the encoding in another thread fail soon."""
        for graph in self._graphs:
            graph.terminate()

    @property
    def description(self) -> str:
        """Description for people."""
        return f"window by window, {self._source.description}; rows: nothing is encoded twice"

    def encode(self, lines: NDArray[Any], centre: NDArray[np.float64]) -> tuple[Float32, Float32]:
        """Encode lines, see `Route.encode`."""
        if self._scaled:
            lines = (lines - self._offset) * self._scale
            centre = (np.broadcast_to(centre, (len(lines),)) - self._offset[:, 0, 0]) * self._scale[:, 0, 0]
        grid = WindowGrid((lines.shape[1], lines.shape[2]), self._window, self._stride)
        together = min(grid.rows, self._source.rows_together(grid.cols))
        outputs: list[Float32] = []
        for row in range(0, grid.rows, together):
            count = min(together, grid.rows - row)
            values = self._memory(count * grid.cols)
            part = lines[:, row * self._stride : (row + count - 1) * self._stride + self._window[0]]
            self._source.take(part, centre, values[: count * grid.cols].reshape(count, grid.cols, -1))
            found = self._run(values)[:, :, : count * grid.cols]
            outputs.append(found.reshape(*found.shape[:2], count, grid.cols))
        found = outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=2)
        mean, std = found if self._readout is None else self._readout.read(found[0])
        return mean, std

    def rows(self, width: int, centre: NDArray[np.float64]) -> RowStream | None:  # noqa: ARG002 - the protocol's
        """None: a row of windows needs nothing from the row above."""
        return None

    def _run(self, values: Float32) -> Float32:
        """Run the network on ``values (N, ...)`` of N windows: code ``(1, K, N)``, or mean and std ``(2, L, N)``."""
        outputs: list[Float32] = []
        for part in np.array_split(values, -(-len(values) // self._source.together)):
            found: tuple[Float32, ...] = (part,)
            for graph in self._graphs:
                found = graph.run(**{graph.inputs[0]: found[0]})
            outputs.append(np.stack(found))
        return outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=2)

    def _memory(self, count: int) -> Float32:
        """Give this thread's memory for `count` windows, at least two: a product of one row is rounded differently."""
        count, size = max(count, 2), self._source.size
        buffer: Float32 = getattr(self._own, "buffer", np.zeros(0, np.float32))
        if buffer.size < count * size:
            self._own.buffer = buffer = np.zeros(count * size, np.float32)
        return buffer[: count * size].reshape(count, size)


class WindowCutter:
    """Cuts and normalises windows, for a network that takes their pixels."""

    description = "each cut and encoded by itself: sharing would not pay"

    def __init__(self, shape: tuple[int, int, int], stride: int, normalisation: Normalisation, sd_floor: float) -> None:
        self._shape, self._stride = shape, stride
        self._normalisation, self._sd_floor = normalisation, sd_floor
        self.size = math.prod(shape)
        #: Windows that a graph takes in one run: few enough that they are read from the L2 cache.
        self.together = max(4, WINDOW_PIXELS // self.size)

    def rows_together(self, cols: int) -> int:
        """Give the number of rows of `cols` windows that are taken in one call."""
        return max(1, self.together // cols)

    def take(self, lines: NDArray[Any], centre: NDArray[np.float64], out: Float32) -> None:
        """Write the network's input from each window of ``lines (C, H, W)`` to ``out (rows, cols, size)``."""
        extract_windows(
            lines,
            self._shape[1:],
            self._stride,
            normalisation=self._normalisation,
            sd_floor=self._sd_floor,
            centre=centre,
            out=out.reshape(*out.shape[:2], *self._shape),
        )

    def filters(self, graph: OnnxGraph) -> Float32:
        """Give the filters ``(units, C, h, w)`` of a linear layer, from its outputs for single bright pixels."""
        answers = []
        for first in range(0, self.size, 128):
            pixels = np.eye(min(128, self.size - first), self.size, first, dtype=np.float32)
            answers.append(graph.run(**{graph.inputs[0]: pixels})[0])
        found: Float32 = np.concatenate(answers).T.reshape(-1, *self._shape)
        return found


class WindowFilters:
    """Computes the first layer of a network for each window, from the spectra of the lines."""

    description = "the first layer from the spectra of lines, which neighbours share: it saves operations"
    #: As in `WindowCutter`.
    together = 2048

    def __init__(self, bank: FilterBank) -> None:
        self._bank, self.size = bank, bank.units

    def rows_together(self, cols: int) -> int:
        """Give the number of rows of `cols` windows that are taken in one call."""
        blocks = FIRST_LAYER_VALUES // (cols * self.size * ROWS_OF_SPECTRA)
        return max(1, blocks) * ROWS_OF_SPECTRA

    def take(self, lines: NDArray[Any], centre: NDArray[np.float64], out: Float32) -> None:
        """Write the network's input from each window of ``lines (C, H, W)`` to ``out (rows, cols, size)``."""
        self._bank.apply(lines, centre, out)
