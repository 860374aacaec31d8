"""A convolutional network that slides over a frame (C++ kernels), with the weights of a model file."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..errors import ModelFileError
from ..kernels.frame_scaling import LEAST_SD
from ..kernels.readout import Readout
from ..model.model_file import ModelFile
from .onnx_graph import OnnxGraph

__all__ = ["TOO_FAR_APART", "DenseNetwork", "read_readout"]

MEMBER = "layers.onnx"
TOO_FAR_APART = "neighbouring pixels differ by more than float32 can hold: rescale the frame"


_Power = Annotated[int, msgspec.Meta(ge=-16, le=16)]


class _Turn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Powers of the phasors by which complex features, ``(n, k)``, and phases, ``(k, k)``, turn."""

    orders: list[list[_Power]]
    phases: list[list[_Power]]


class DenseNetwork:
    """The network of a model with what it needs around it: deviations of the windows, and the readout of its code.

    Parameters
    ----------
    model
        Holds the network.
    stride
        px between windows.

    Raises
    ------
    ModelFileError
        if its layers do not fit each other, the readout or the manifest.
    """

    def __init__(self, model: ModelFile, stride: int) -> None:
        layers, manifest = OnnxGraph(model.graph(MEMBER)), model.manifest
        readout, intensity = read_readout(model, layers), manifest.intensity
        try:
            dilations = [int(text) for text in layers.metadata["dilations"].split(",")]
            relu = msgspec.json.decode(layers.metadata["relu"], type=bool)
            turn = msgspec.json.decode(layers.metadata["turn"], type=_Turn | None)
            numbers = [np.ascontiguousarray(value) for value in layers.run()]
            stem, head = numbers[: len(dilations)], numbers[len(dilations) :]
            self._kernel = _core.DenseModel(
                list(zip(stem, dilations, strict=True)),
                relu,
                None if turn is None else (turn.orders, turn.phases),
                list(zip(head[::2], head[1::2], strict=True)),
                stride,
                _core.Readout(**msgspec.structs.asdict(readout)),
                intensity.channel_scale,
                max(intensity.sd_floor, LEAST_SD),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"{model.path}: {MEMBER} is wrong ({error}): export the model again") from error
        if self._kernel.window != manifest.window:
            raise ModelFileError(
                f"{model.path}: {MEMBER} sees windows of {self._kernel.window} px, the manifest says "
                f"{manifest.window}: export the model again"
            )

    def begin(self, width: int, centre: NDArray[np.float64], *, step: int = 1) -> _core.DenseRows:
        """Begin a frame of `width` px, at least the width of a window, whose lines will follow.

        ``centre (C,)`` is as for `window_statistics`. The map takes every `step`-th window, along both axes.
        """
        return _core.DenseRows(self._kernel, width, step, centre)


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
