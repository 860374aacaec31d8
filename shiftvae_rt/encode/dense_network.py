"""A convolutional network that slides over a frame (C++ kernels), with the weights of a model file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..array_types import Float32
from ..errors import FrameError, ModelFileError
from ..kernels.readout import Readout
from ..model.model_file import ModelFile
from .onnx_graph import OnnxGraph

__all__ = ["TOO_FAR_APART", "DenseNetwork", "DenseStream", "read_readout"]

MEMBER = "layers.onnx"
TOO_FAR_APART = "neighbouring pixels differ by more than float32 can hold: rescale the frame"


class DenseNetwork:
    """The network of a model, for windows at one stride.

    Parameters
    ----------
    model
        Holds the network.
    stride
        px between windows.

    Attributes
    ----------
    readout
        Reads the latents from the code that the network gives.

    Raises
    ------
    ModelFileError
        if its layers do not fit each other, the readout or the manifest.
    """

    def __init__(self, model: ModelFile, stride: int) -> None:
        layers, manifest = OnnxGraph(model.graph(MEMBER)), model.manifest
        self.readout = read_readout(model, layers)
        try:
            dilations = [int(text) for text in layers.metadata["dilations"].split(",")]
            numbers = [np.ascontiguousarray(value) for value in layers.run()]
            stem, head = numbers[: len(dilations)], numbers[len(dilations) :]
            self._kernel = _core.DenseNetwork(
                list(zip(stem, dilations, strict=True)), list(zip(head[::2], head[1::2], strict=True)), stride
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"{model.path}: {MEMBER} is wrong ({error}): export the model again") from error
        found = (self._kernel.channels, self._kernel.window)
        if found != (manifest.channels, manifest.window):
            raise ModelFileError(
                f"{model.path}: {MEMBER} sees {found[0]} channel(s) and windows of {found[1]} px, the manifest says "
                f"{manifest.channels} and {manifest.window}: export the model again"
            )
        if self._kernel.planes != self.readout.planes:
            raise ModelFileError(
                f"{model.path}: {MEMBER} gives {self._kernel.planes} planes, expected {self.readout.planes}: "
                "export the model again"
            )

    def begin(self, width: int) -> DenseStream:
        """Begin a frame of `width` px, at least the width of a window, whose lines will follow."""
        return DenseStream(_core.DenseStream(self._kernel, width), self._kernel.planes)


class DenseStream:
    """A frame whose lines arrive. Each layer keeps the last lines that it needs, so nothing is computed twice."""

    def __init__(self, kernel: _core.DenseStream, planes: int) -> None:
        self._kernel, self._planes = kernel, planes

    def push(self, lines: NDArray[Any], deviations: Float32) -> Float32:
        """Give the code ``(planes, rows, cols)`` of the windows that the next ``lines (C, n, W)`` complete.

        ``deviations (rows, cols)`` are the standard deviations of these windows. The bits of a window depend on the
        lines that it covers, on its first column, and on the instruction set.

        Raises
        ------
        FrameError
            for differences between pixels that are beyond float32.
        ValueError
            for lines of another shape or dtype than those before, or deviations of another shape.
        RuntimeError
            after `stop`.
        """
        code = np.empty((self._planes, *deviations.shape), np.float32)
        if not self._kernel.push(lines, np.ascontiguousarray(deviations), code):
            raise FrameError(TOO_FAR_APART)
        return code

    def stop(self) -> None:
        """Make the `push` that runs in another thread fail soon, or else the next one."""
        self._kernel.stop()


def read_readout(model: ModelFile, layers: OnnxGraph | None = None) -> Readout:
    """Give the readout of a model's dense network, from the metadata of its `layers`.

    Raises
    ------
    ModelFileError
        if there is none, or it is wrong.
    """
    metadata = (layers or OnnxGraph(model.graph(MEMBER))).metadata
    if "readout" not in metadata:
        raise ModelFileError(f"{model.path}: {MEMBER} has no readout: export the model again")
    return Readout.from_json(metadata["readout"], f"{model.path}: {MEMBER}")
