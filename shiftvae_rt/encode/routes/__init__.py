"""The ways from lines of a frame to latents, and the rule that chooses one.

- `DenseRoute`: a convolutional network slides over the frame, in C++; neighbouring windows share their work.
- `GraphRoute`: the same network as one graph of onnxruntime, on any of its processors.
- `WindowRoute`: windows one by one, for a network whose first layer is as large as a window (the mlp).
- `RefinedRoute`: the latents of one of these, improved on each window, for a motif that turns or differs in size.

All but `GraphRoute` give a window the same bits whether its lines come with the whole frame, in a band or row by row.
"""

from __future__ import annotations

from ...errors import ProviderError
from ...model.model_file import ModelFile
from .dense_route import DenseRoute
from .graph_route import GraphRoute
from .refined_route import ROUNDS_GRAPH, RefinedRoute
from .route import Route, RowStream
from .window_route import WINDOW_GRAPHS, WindowRoute

__all__ = [
    "DenseRoute",
    "GraphRoute",
    "RefinedRoute",
    "Route",
    "RowStream",
    "WindowRoute",
    "choose_route",
    "usual_provider",
]


def usual_provider(model: ModelFile) -> str:
    """Give the provider on the CPU that gives a window the same bits in whole frames and in parts.

    It is ``"native"`` for a network that the C++ core runs, ``"onnxruntime"`` for a network over single windows.
    """
    return "onnxruntime" if any(model.has_graph(name) for name in WINDOW_GRAPHS) else "native"


def choose_route(model: ModelFile, stride: int, *, provider: str) -> Route:
    """Choose the route for a model by its graphs, and by the provider that runs them."""
    route = _network_route(model, stride, provider)
    return RefinedRoute(model, stride, route) if model.has_graph(ROUNDS_GRAPH) else route


def _network_route(model: ModelFile, stride: int, provider: str) -> Route:
    if usual_provider(model) == "native":
        return DenseRoute(model, stride) if provider == "native" else GraphRoute(model, stride, provider=provider)
    if provider == "native":
        raise ProviderError(
            f"{model.path}: its network looks at windows one by one, and the C++ core has none of that kind: use the "
            "provider onnxruntime, or leave the provider out"
        )
    return WindowRoute(model, stride, provider=provider)
