"""The decoder of an imported model as an ONNX graph: reported latents in, windows out."""

from __future__ import annotations

import numpy as np

from ..graphs.graph_builder import GraphBuilder
from .foreign import ForeignModel
from .functions import cosine_and_sine
from .layers import activate, array, linear

__all__ = ["decoder_graph"]


def decoder_graph(model: ForeignModel) -> bytes | None:
    """Graph from reported ``latents (N, L)`` to ``windows (N, 1, h, w)`` in the package's intensity, or None."""
    decoder = model.decoder
    if decoder is None:
        return None
    build = GraphBuilder()
    z = build.slice("latents", 1, len(model.names) - model.content)
    if decoder.coordinates is None or decoder.content is None:
        x = z
    else:
        shared = build.node("MatMul", z, build.constant(array(decoder.content).T))
        x = linear(build, decoder.coordinates, _coordinates(build, model))
        x = build.node("Add", x, build.node("Unsqueeze", shared, build.constant([1], np.int64)))
        x = build.node("Tanh", x)
    for layer in decoder.dense:
        x = activate(build, decoder.activation, linear(build, layer, x))
    x = linear(build, decoder.out, x)
    if decoder.sigmoid:
        x = build.node("Sigmoid", x)
    build.node("Reshape", x, build.constant([-1, 1, *model.window], np.int64), output="windows")
    return build.serialise("decoder", {"latents": ["N", len(model.names)]}, {"windows": ["N", 1, *model.window]})


def _coordinates(build: GraphBuilder, model: ForeignModel) -> str:
    """Inputs ``(N, h w, axes)`` of a coordinate decoder: the window's grid, turned, scaled and moved."""
    h, w = model.window
    grid = np.stack(np.meshgrid(np.linspace(-1, 1, h), np.linspace(1, -1, w), indexing="ij"), -1).reshape(h * w, 2)
    grid = grid[:, 2 - model.axes :]
    names, letters = list(model.names), model.invariances

    def latent(name: str) -> str:
        at = names.index(name)
        return build.node("Reshape", build.slice("latents", 1, at, end=at + 1), build.constant([-1, 1, 1], np.int64))

    if "t" in letters:
        parts = []
        for name, sign, n in (("dy", -1.0, h), ("dx", 1.0, w)):
            if name in names:
                parts.append(build.node("Mul", latent(name), build.constant(sign * 2 / (n - 1))))
        origin = build.node("Concat", *parts, axis=2) if len(parts) > 1 else parts[0]
        places = build.node("Add", build.constant(grid[None]), origin)  # relative to the motif, in the window's axes
    else:
        copies = build.node("Mul", latent(names[0]), build.constant(0.0))  # one copy for each window
        places = build.node("Add", build.constant(grid[None]), copies)
    if "r" in letters:
        turn = build.node("Mul", latent("phi"), build.constant(np.pi / 180))
        cos, sin = cosine_and_sine(build, turn)
        first, second = (build.slice(places, 2, i, end=i + 1) for i in (0, 1))
        along = build.node("Sub", build.node("Mul", first, cos), build.node("Mul", second, sin))
        across = build.node("Add", build.node("Mul", first, sin), build.node("Mul", second, cos))
        places = build.node("Concat", along, across, axis=2)
    if "s" in letters:
        larger = build.node("Mul", latent("scale"), build.constant(0.01))
        places = build.node("Div", places, build.node("Add", larger, build.constant(1.0)))
    return places
