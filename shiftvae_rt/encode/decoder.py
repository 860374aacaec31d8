"""The decoder of a model file: draws windows from latents."""

from __future__ import annotations

from ..array_types import Float32
from .onnx_graph import OnnxGraph

__all__ = ["Decoder"]


class Decoder:
    """Draws windows from latents; on the CPU, since only a few windows of a frame are drawn.

    Parameters
    ----------
    graph
        Content of ``decoder.onnx``.
    """

    def __init__(self, graph: bytes) -> None:
        self._graph = OnnxGraph(graph)

    def draw(self, latents: Float32) -> Float32:
        """Draw the windows ``(n, C, h, w)`` of ``latents (n, L)``, in units of their standard deviation."""
        return self._graph.run(latents=latents)[0]
