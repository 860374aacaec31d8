"""Shift-VAEs with random weights whose latents differ from window to window: no training, exact questions."""

from __future__ import annotations

import numpy as np
import torch

from shiftvae_training.fitting.prepare import SD_FLOOR
from shiftvae_training.model.coordinate_decoder import CoordinateDecoder
from shiftvae_training.model.order import Order
from shiftvae_training.model.shift import PlanarShift, Shift, TorusShift
from shiftvae_training.model.shift_vae import Member, ShiftVAE
from shiftvae_training.model.template_decoder import TemplateDecoder

SQUARE = ((10.0, 0.0), (0.0, 10.0))
OBLIQUE = ((9.0, 3.0), (-2.5, 8.0))
LINES = ((4.0, 7.0),)
SIGNAL = ((0.0, 9.0),)
#: Order latents on the square lattice: of a cell doubled along y, and tripled along x.
ORDER = Order(torch.tensor([[0.05, 0.0], [0.0, 1 / 30]]))


def torus(vectors=SQUARE) -> TorusShift:
    return TorusShift(torch.tensor(vectors, dtype=torch.float32))


def random_model(
    family: str = "convolutional",
    window: tuple[int, int] = (16, 16),
    *,
    shift: Shift | None = None,
    content: int = 2,
    channels: int = 1,
    seed: int = 0,
    member: Member | None = None,
) -> ShiftVAE:
    """A model whose every number is random, anchor and decoder included."""
    torch.manual_seed(seed)
    if shift is None:
        shift = torus(SIGNAL if window[0] == 1 else SQUARE)
    scale = tuple(float(s) for s in np.linspace(0.05, 0.1, channels))
    model = ShiftVAE(family, window, scale, shift=shift, content=content, sd_floor=SD_FLOOR, member=member)
    with torch.no_grad():
        for linear in model.encoder.linears:
            linear.weight.mul_(4)
            linear.bias.normal_()
        if isinstance(model.decoder, TemplateDecoder):
            for parameter in (model.decoder.mean, model.decoder.linear, model.decoder.bend):
                parameter.normal_(0, 0.3)
            if model.decoder.order is not None:
                model.decoder.order.normal_(0, 0.3)
        if isinstance(model.decoder, CoordinateDecoder):
            for parameter in model.decoder.parameters():
                parameter.mul_(3)
        if model.encoder.bias is not None:
            model.encoder.bias.normal_(0, 0.2)
        if not model.further:
            model.anchor.copy_(torch.tensor([1.3, -2.1]))
            model.anchor_slope.normal_(0, 0.5)
        if isinstance(model.shift, PlanarShift):
            model.shift_gain.fill_(1.2)
        if window[0] == 1:
            model.anchor[0], model.anchor_slope[:, 0] = 0, 0
        model.noise_sd.fill_(0.4)
    return model.eval()


def counts(shape: tuple[int, int, int], seed: int = 0, level: float = 0.0) -> np.ndarray:
    """A frame ``(C, H, W)`` with structure, float32."""
    y, x = np.ogrid[: shape[1], : shape[2]]
    frame = np.random.default_rng(seed).poisson(60 * (1.2 + np.sin(0.6 * y) * np.cos(0.5 * x)), size=shape)
    return (frame + level).astype(np.float32)
