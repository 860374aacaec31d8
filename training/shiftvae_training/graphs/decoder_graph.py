"""The decoder as an ONNX graph: reported latents in, windows out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..model.coordinate_decoder import CoordinateDecoder
from ..model.encoder_weights import LOG_SCALE
from ..model.grain_shift import GrainShift
from ..model.likelihood import Bernoulli
from ..model.shift import TorusShift
from ..model.shift_vae import ShiftVAE
from ..model.template_decoder import TemplateDecoder
from .grain_graph import chosen
from .graph_builder import GraphBuilder

__all__ = ["decoder_graph"]


@torch.no_grad()
def decoder_graph(model: ShiftVAE) -> bytes:
    """Serialised graph: reported ``latents (N, L)`` to ``windows (N, C, h, w)``, in units of a window's deviation.

    A model with K classes has a second input ``class (N, K)``: 1 at the window's class, 0 elsewhere.
    """
    build, decoder = GraphBuilder(), model.decoder
    classes, channels = len(model.classes), len(model.channel_scale)
    content = build.slice("latents", 1, model.first_content) if model.content else ""
    shift = _shift(build, model, content)
    label = "class" if classes else ""
    if isinstance(decoder, CoordinateDecoder):
        drawn = _evaluated(build, decoder, content, _places(build, model, shift), label)
    elif isinstance(decoder, TemplateDecoder) and (model.further or isinstance(model.shift, GrainShift)):
        drawn = _sampled(build, decoder, _template(build, decoder, content, label, shift), _places(build, model, shift))
    elif isinstance(decoder, TemplateDecoder):
        template = _with_order(build, model, decoder, _template(build, decoder, content, label, shift), shift)
        drawn = _cropped(build, decoder, template, shift)
    else:
        raise TypeError(f"no graph for the decoder {type(decoder).__name__}")
    if isinstance(model.likelihood, Bernoulli):
        spread = model.likelihood.spread / (model.likelihood.high - model.likelihood.low)
        share = build.node("Sigmoid", drawn)
        drawn = build.node("Div", share, build.constant(spread.numpy()[:, None, None]))
    drawn = build.node("Sub", drawn, build.node("ReduceMean", drawn, axes=[2, 3], keepdims=1))
    variance = build.node("ReduceMean", build.node("Mul", drawn, drawn), axes=[1, 2, 3], keepdims=1)
    noise = build.constant(float(model.noise_sd) ** 2)
    build.node("Div", drawn, build.node("Sqrt", build.node("Add", variance, noise)), output="windows")
    inputs: dict[str, list[int | str]] = {"latents": ["N", len(model.names)]}
    if classes:
        inputs["class"] = ["N", classes]
    return build.serialise("decoder", inputs, {"windows": ["N", channels, *model.window]})


def _shift(build: GraphBuilder, model: ShiftVAE, content: str) -> str:
    """Shift ``(N, dimensions)`` px as the decoder takes it: without anchor and gain, reduced to the cell."""
    axes = model.dimensions
    if isinstance(model.shift, GrainShift):
        return _grain_shift(build, model, model.shift, content)
    shift = build.node("Sub", build.slice("latents", 1, 0, end=axes), build.constant(model.anchor[2 - axes :].numpy()))
    if content:
        slope = build.constant(model.anchor_slope[:, 2 - axes :].numpy())
        shift = build.node("Sub", shift, build.node("MatMul", content, slope))
    if isinstance(model.shift, TorusShift):  # without its anchor a shift may leave the cell that the template covers
        lattice = model.shift.vectors.numpy()[:, 2 - axes :].astype(np.float64)
        turns = build.node("Round", build.node("MatMul", shift, build.constant(np.linalg.pinv(lattice))))
        return build.node("Sub", shift, build.node("MatMul", turns, build.constant(lattice)))
    return build.node("Div", shift, build.constant(float(model.shift_gain)))


def _grain_shift(build: GraphBuilder, model: ShiftVAE, grains: GrainShift, content: str) -> str:
    """Shift ``(N, 2)`` px as `_shift` gives it, brought from the window's grain to the template of the motif."""
    to_first, lattice = grains.to_first.double().numpy(), grains.vectors.double().numpy()
    label, shift = build.slice("latents", 1, 2, end=3), ""
    for axis in (0, 1):
        along = build.slice("latents", 1, axis, end=axis + 1)
        along = build.node("Mul", along, chosen(build, label, to_first[:, axis]))
        shift = build.node("Add", shift, along) if shift else along
    shift = build.node("Sub", shift, build.constant(model.anchor.numpy()))
    if content:
        shift = build.node("Sub", shift, build.node("MatMul", content, build.constant(model.anchor_slope.numpy())))
    turns = build.node("Round", build.node("MatMul", shift, build.constant(np.linalg.inv(lattice))))
    return build.node("Sub", shift, build.node("MatMul", turns, build.constant(lattice)))


def _places(build: GraphBuilder, model: ShiftVAE, shift: str) -> tuple[str, str]:
    """Positions y and x of all pixels in the motif's frame, each ``(N, h, w)`` px; see `decoder.places_of_pixels`."""
    axes = model.dimensions
    grid = np.meshgrid(*[np.arange(n) - (n - 1) / 2 for n in model.window], indexing="ij")

    def latent(x: str, at: int) -> str:
        return build.node("Reshape", build.slice(x, 1, at, end=at + 1), build.constant([-1, 1, 1], int))

    down = latent(shift, 0) if axes == 2 else build.node("Mul", latent(shift, 0), build.constant(0.0))
    if isinstance(model.shift, GrainShift):
        pixels = _turned_pixels(build, model.shift, grid, latent("latents", 2))
    else:
        pixels = [build.constant(each[None]) for each in grid]
    y = build.node("Sub", pixels[0], down)
    x = build.node("Sub", pixels[1], latent(shift, axes - 1))
    for at, further in enumerate(model.further, axes):
        value = latent("latents", at)
        if further.kind == "rotation":
            angle = build.node("Mul", value, build.constant(np.pi / 180))
            cosine, sine = build.node("Cos", angle), build.node("Sin", angle)
            y, x = (
                build.node("Add", build.node("Mul", x, sine), build.node("Mul", y, cosine)),
                build.node("Sub", build.node("Mul", x, cosine), build.node("Mul", y, sine)),
            )
        else:
            times = build.node("Add", build.node("Mul", value, build.constant(0.01)), build.constant(1.0))
            times = build.clip(times, *(float(np.exp(end)) for end in LOG_SCALE))
            y, x = build.node("Div", y, times), build.node("Div", x, times)
    return y, x


def _turned_pixels(build: GraphBuilder, grains: GrainShift, pixels: Sequence[NDArray[Any]], label: str) -> list[str]:
    """Positions y and x ``(N, h, w)`` px of pixels from the window's centre, brought to the template."""
    to_first = grains.to_first.double().numpy()
    places = []
    for axis in (0, 1):
        parts = [
            build.node(
                "Mul", chosen(build, label, to_first[:, i, axis].reshape(-1, 1, 1)), build.constant(pixels[i][None])
            )
            for i in (0, 1)
        ]
        places.append(build.node("Add", *parts))
    return places


def _template(build: GraphBuilder, decoder: TemplateDecoder, content: str, label: str, shift: str) -> str:
    mean = build.constant(decoder.mean.numpy())
    if label:
        mean = build.node("MatMul", label, mean)
    if decoder.hidden is None:  # one copy of the mean for each window
        nothing = build.node("Mul", build.slice(shift, 1, 0, end=1), build.constant([[0.0]]))
        flat = build.node("Add", nothing, mean)
    else:
        x = build.node("Concat", content, label, axis=1) if label else content
        for layer in decoder.hidden:
            if isinstance(layer, nn.Linear):
                x = build.node("MatMul", x, build.constant(layer.weight.numpy().T))
                x = build.node("Add", x, build.constant(layer.bias.numpy()))
            else:
                x = build.node("Mul", x, build.node("Sigmoid", x))
        along = content
        if label:
            each = build.node("Unsqueeze", label, build.constant([2], int))
            each = build.node("Mul", each, build.node("Unsqueeze", content, build.constant([1], int)))
            along = build.node("Reshape", each, build.constant([-1, decoder.classes * decoder.content], int))
        straight = build.node("MatMul", along, build.constant(decoder.linear.numpy()))
        bent = build.node("MatMul", x, build.constant(decoder.bend.numpy()))
        flat = build.node("Add", build.node("Add", straight, bent), mean)
    return build.node("Reshape", flat, build.constant([-1, *decoder.shape], int))


def _with_order(build: GraphBuilder, model: ShiftVAE, decoder: TemplateDecoder, template: str, shift: str) -> str:
    """Templates with the order of a superlattice, whose amplitudes are turned into the frame of the motif."""
    if model.order is None or decoder.order is None:
        return template
    turns = build.node("MatMul", shift, build.constant(2 * np.pi * model.order.vectors.numpy().T.astype(np.float64)))
    cosine, sine = build.node("Cos", turns), build.node("Sin", turns)
    real, imaginary = (build.slice("latents", 1, 2 + part, 2, end=model.first_content) for part in (0, 1))
    parts = (
        build.node("Sub", build.node("Mul", real, cosine), build.node("Mul", imaginary, sine)),
        build.node("Add", build.node("Mul", real, sine), build.node("Mul", imaginary, cosine)),
    )
    images = [build.node("MatMul", p, build.constant(decoder.order.numpy()[i::2])) for i, p in enumerate(parts)]
    drawn = build.node("Add", *images)
    return build.node("Add", template, build.node("Reshape", drawn, build.constant([-1, *decoder.shape], int)))


def _cropped(build: GraphBuilder, decoder: TemplateDecoder, template: str, shift: str) -> str:
    axes = 1 if decoder.window[0] == 1 else 2
    last = _weights(build, decoder, 1, build.slice(shift, 1, axes - 1))
    if axes == 2:
        first = _weights(build, decoder, 0, build.slice(shift, 1, 0, end=1))
        template = build.node("MatMul", first, template)
    return build.node("MatMul", template, build.node("Transpose", last, perm=[0, 1, 3, 2]))


def _weights(build: GraphBuilder, decoder: TemplateDecoder, axis: int, shift: str) -> str:
    """Interpolation weights ``(N, 1, n, t)`` that crop the template at `shift`: 1 - |distance| where positive."""
    n, margin, t = decoder.window[axis], decoder.margin[axis], decoder.size[axis]
    offset = np.arange(n)[:, None] + margin - np.arange(t)
    shift = build.node("Reshape", shift, build.constant([-1, 1, 1, 1], int))
    if margin:
        shift = build.clip(shift, 1.0 - margin, float(margin))
    away = build.node("Sub", build.constant(offset[None, None]), shift)
    return build.node("Relu", build.node("Sub", build.constant(1.0), build.node("Abs", away)))


def _sampled(build: GraphBuilder, decoder: TemplateDecoder, template: str, places: tuple[str, str]) -> str:
    half = [max(n - 1, 1) / 2 for n in decoder.size]
    sides = [
        build.node("Unsqueeze", build.node("Div", place, build.constant(h)), build.constant([3], int))
        for place, h in zip(places, half, strict=True)
    ]
    grid = build.node("Concat", sides[1], sides[0], axis=3)
    return build.node("GridSample", template, grid, align_corners=1, padding_mode="border", mode="bilinear")


def _evaluated(
    build: GraphBuilder, decoder: CoordinateDecoder, content: str, places: tuple[str, str], label: str
) -> str:
    sides = [
        build.node("Unsqueeze", build.node("Div", place, build.constant(max(n - 1, 1) / 2)), build.constant([3], int))
        for place, n in zip(places, decoder.window, strict=True)
    ]
    x = build.node("MatMul", build.node("Concat", *sides, axis=3), build.constant(decoder.from_place.weight.numpy().T))
    x = build.node("Add", x, build.constant(decoder.from_place.bias.numpy()))
    inputs = [name for name in (content, label) if name]
    if decoder.from_content is None:  # one copy for each window
        x = build.node("Add", x, build.node("Mul", sides[0], build.constant(0.0)))
    else:
        joined = build.node("Concat", *inputs, axis=1) if len(inputs) > 1 else inputs[0]
        joined = build.node("MatMul", joined, build.constant(decoder.from_content.weight.numpy().T))
        x = build.node("Add", x, build.node("Unsqueeze", joined, build.constant([1, 2], int)))
    for layer in decoder.linears:
        x = build.node("MatMul", build.node("Tanh", x), build.constant(layer.weight.numpy().T))
        x = build.node("Add", x, build.constant(layer.bias.numpy()))
    return build.node("Transpose", x, perm=[0, 3, 1, 2])
