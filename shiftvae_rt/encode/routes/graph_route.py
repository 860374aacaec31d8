"""A convolutional network over lines of a frame as one graph of onnxruntime, on a GPU or on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...array_types import Float32
from ...errors import FrameError
from ...kernels.frame_scaling import LEAST_SD, window_deviations
from ...kernels.windows import difference_frame
from ...model.model_file import ModelFile
from ..dense_network import TOO_FAR_APART, read_readout
from ..onnx_graph import OnnxGraph
from .route import RowStream

__all__ = ["GraphRoute"]


class GraphRoute:
    """Runs the network on the differences between pixels and the standard deviations of windows.

    Parameters
    ----------
    model, stride
        The model, and px between windows: one of its strides, or a multiple of the largest.
    provider
        See `OnnxGraph`.
    """

    def __init__(self, model: ModelFile, stride: int, *, provider: str) -> None:
        manifest = model.manifest
        self._grid_stride = max(s for s in manifest.strides if stride % s == 0)
        self._step, self._window = stride // self._grid_stride, manifest.window
        self._channel_scale = manifest.intensity.channel_scale
        self._floor = max(manifest.intensity.sd_floor, LEAST_SD)
        self._graph = OnnxGraph(model.graph(f"dense_s{self._grid_stride}.onnx"), provider=provider)
        self._readout = read_readout(model)

    @property
    def description(self) -> str:
        """Description for people."""
        return (
            f"dense graph, stride {self._grid_stride}: neighbouring windows share their work; "
            "rows: lines above are encoded again"
        )

    def encode(self, lines: NDArray[Any], centre: NDArray[np.float64]) -> tuple[Float32, Float32]:
        """Encode lines, see `Route.encode`."""
        differences, finite = difference_frame(lines)
        if not finite:
            raise FrameError(TOO_FAR_APART)
        if self._window[0] == 1:  # a signal has no line above
            differences = np.ascontiguousarray(differences[::2])
        sd = window_deviations(
            lines,
            self._window,
            self._grid_stride,
            centre=centre,
            channel_scale=self._channel_scale,
            sd_floor=self._floor,
        )
        (code,) = self._graph.run(differences=differences[np.newaxis], sd=sd[np.newaxis, np.newaxis])
        return self._readout.read(code[0, :, :: self._step, :: self._step])

    def rows(self, width: int, centre: NDArray[np.float64]) -> RowStream | None:  # noqa: ARG002 - the protocol's
        """Give None: encoding the lines above again costs less than keeping state on the device."""
        return None

    def terminate(self) -> None:
        """Make the encoding in another thread fail soon."""
        self._graph.terminate()
