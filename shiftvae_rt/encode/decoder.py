"""The decoder of a model file: draws what the model makes of its latents."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .onnx_graph import OnnxGraph

__all__ = ["Decoder"]

Floats = NDArray[np.float32]


class Decoder:
    """Draws windows, on the CPU: a few a frame.

    Parameters
    ----------
    graph
        Content of ``decoder.onnx``.
    """

    def __init__(self, graph: bytes) -> None:
        self._graph = OnnxGraph(graph)

    def draw(self, latents: Floats) -> Floats:
        """Windows ``(n, C, h, w)`` in units of their deviation, of reported latents ``(n, L)``."""
        return self._graph.run(latents=latents)[0]
