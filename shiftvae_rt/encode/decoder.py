"""The decoder of a model file: draws windows from latents."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .onnx_graph import OnnxGraph

__all__ = ["Decoder"]

Floats = NDArray[np.float32]


class Decoder:
    """Draws windows from latents; on the CPU, since only a few windows of a frame are drawn.

    Parameters
    ----------
    graph
        Content of ``decoder.onnx``.
    """

    def __init__(self, graph: bytes) -> None:
        self._graph = OnnxGraph(graph)

    def draw(self, latents: Floats) -> Floats:
        """Draw the windows ``(n, C, h, w)`` of ``latents (n, L)``, in units of their standard deviation."""
        return self._graph.run(latents=latents)[0]
