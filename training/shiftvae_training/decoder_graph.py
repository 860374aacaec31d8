"""The template decoder in ONNX: reported latents in, windows out."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from .graph_builder import GraphBuilder
from .networks import TemplateDecoder
from .shift import TorusShift
from .shift_vae import ShiftVAE

__all__ = ["decoder_graph"]


@torch.no_grad()
def decoder_graph(model: ShiftVAE) -> bytes:
    """Serialised graph: reported ``latents (N, L)`` to ``windows (N, C, h, w)``, in units of a window's deviation."""
    build, decoder = GraphBuilder(), model.decoder
    axes, content = model.dimensions, model.content
    shift = build.node("Sub", build.slice("latents", 1, 0, end=axes), build.constant(model.anchor[2 - axes :].numpy()))
    values = ""
    if content:
        values = build.slice("latents", 1, axes)
        slope = build.constant(model.anchor_slope[:, 2 - axes :].numpy())
        shift = build.node("Sub", shift, build.node("MatMul", values, slope))
    if isinstance(model.shift, TorusShift):  # without its anchor a shift may leave the cell that the template covers
        lattice = model.shift.vectors.numpy()[:, 2 - axes :].astype(np.float64)
        turns = build.node("Round", build.node("MatMul", shift, build.constant(np.linalg.pinv(lattice))))
        shift = build.node("Sub", shift, build.node("MatMul", turns, build.constant(lattice)))
    template = _template(build, decoder, values, shift)
    last = _weights(build, decoder, 1, build.slice(shift, 1, axes - 1))
    if axes == 2:
        first = _weights(build, decoder, 0, build.slice(shift, 1, 0, end=1))
        template = build.node("MatMul", first, template)
    drawn = build.node("MatMul", template, build.node("Transpose", last, perm=[0, 1, 3, 2]))
    drawn = build.node("Sub", drawn, build.node("ReduceMean", drawn, axes=[2, 3], keepdims=1))
    variance = build.node("ReduceMean", build.node("Mul", drawn, drawn), axes=[1, 2, 3], keepdims=1)
    noise = build.constant(float(model.noise_sd) ** 2)
    build.node("Div", drawn, build.node("Sqrt", build.node("Add", variance, noise)), output="windows")
    inputs: dict[str, list[int | str]] = {"latents": ["N", axes + content]}
    return build.serialise("decoder", inputs, {"windows": ["N", decoder.shape[0], *decoder.window]})


def _template(build: GraphBuilder, decoder: TemplateDecoder, content: str, shift: str) -> str:
    mean = build.constant(decoder.mean.numpy())
    if decoder.hidden is None:  # as many copies as there are windows
        nothing = build.node("Mul", build.slice(shift, 1, 0, end=1), build.constant([[0.0]]))
        flat = build.node("Add", nothing, mean)
    else:
        x = content
        for layer in decoder.hidden:
            if isinstance(layer, nn.Linear):
                x = build.node("MatMul", x, build.constant(layer.weight.numpy().T))
                x = build.node("Add", x, build.constant(layer.bias.numpy()))
            else:
                x = build.node("Mul", x, build.node("Sigmoid", x))
        straight = build.node("MatMul", content, build.constant(decoder.linear.numpy()))
        bent = build.node("MatMul", x, build.constant(decoder.bend.numpy()))
        flat = build.node("Add", build.node("Add", straight, bent), mean)
    return build.node("Reshape", flat, build.constant([-1, *decoder.shape], int))


def _weights(build: GraphBuilder, decoder: TemplateDecoder, axis: int, shift: str) -> str:
    """Interpolation weights ``(N, 1, n, t)`` that crop the template at `shift`: 1 - |distance| where positive."""
    n, margin, t = decoder.window[axis], decoder.margin[axis], decoder.size[axis]
    offset = np.arange(n)[:, None] + margin - np.arange(t)
    shift = build.node("Reshape", shift, build.constant([-1, 1, 1, 1], int))
    if margin:
        shift = build.clip(shift, 1.0 - margin, float(margin))
    away = build.node("Sub", build.constant(offset[None, None]), shift)
    return build.node("Relu", build.node("Sub", build.constant(1.0), build.node("Abs", away)))
