"""Encoders and decoders in plain torch with the architecture and the names of pyroVED 0.3 and AtomAI 0.8."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import nn


def pyroved_model(
    *,
    inputs: int = 256,
    latents: int = 4,
    content: int = 2,
    axes: int = 2,
    hidden: tuple[int, ...] = (24, 16),
    seed: int = 0,
) -> nn.ModuleDict:
    """`encoder_z` and a spatial `decoder`, as in iVAE."""
    torch.manual_seed(seed)
    coordinates = nn.ModuleDict(
        {"fc_coord": nn.Linear(axes, hidden[0]), "fc_latent": nn.Linear(content, hidden[0], False)}
    )
    decoder = {"coord_latent": coordinates, "fc_layers": dense([hidden[0], *hidden]), "out": nn.Linear(hidden[-1], 1)}
    encoder = {
        "fc_layers": dense([inputs, *hidden]),
        "fc11": nn.Linear(hidden[-1], latents),
        "fc12": nn.Linear(hidden[-1], latents),
    }
    return nn.ModuleDict({"encoder_z": nn.ModuleDict(encoder), "decoder": nn.ModuleDict(decoder)})


def pyroved_encode(
    model: nn.ModuleDict, windows: torch.Tensor, activation=torch.tanh
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation, as ``iVAE.encode`` gives them."""
    encoder = model["encoder_z"]
    x = windows.flatten(1)
    for layer in encoder["fc_layers"]:
        x = layer(x) if isinstance(layer, nn.Linear) else activation(x)
    return encoder["fc11"](x), nn.functional.softplus(encoder["fc12"](x))


def pyroved_draw(model: nn.ModuleDict, places: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """What the decoder draws at ``places (n, pixels, axes)``, ``(n, pixels)``."""
    decoder = model["decoder"]
    first = decoder["coord_latent"]
    x = torch.tanh(first["fc_coord"](places) + first["fc_latent"](z)[:, None])
    return torch.sigmoid(decoder["out"](decoder["fc_layers"](x)))[..., 0]


def atomai_encoder(
    *, inputs: int = 256, latents: int = 2, convolutions: int = 0, axes: int = 2, seed: int = 0
) -> nn.ModuleDict:
    """`encoder_net` of a VAE: dense, or convolutional where there are `convolutions`."""
    torch.manual_seed(seed)
    features = 20
    if convolutions:
        features, layers, kind = 3 * inputs, [], nn.Conv2d if axes == 2 else nn.Conv1d
        for i in range(convolutions):
            layers += [kind(3 if i else 1, 3, kernel_size=3, padding=1), nn.LeakyReLU(0.1)]
        body = {"conv": nn.ModuleDict({"block": nn.Sequential(*layers)})}
    else:
        body = {"dense": dense([inputs, 20, 20])}
    return nn.ModuleDict({**body, "fc11": nn.Linear(features, latents), "fc12": nn.Linear(features, latents)})


def atomai_encode(encoder: nn.ModuleDict, windows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation; ``VAE.encode`` gives the logarithm of the latter."""
    x = (
        encoder["conv"]["block"](windows[:, None]).flatten(1)
        if "conv" in encoder
        else encoder["dense"](windows.flatten(1))
    )
    return encoder["fc11"](x), encoder["fc12"](x).exp()


def dense(sizes: list[int]) -> nn.Sequential:
    """Linear layers, tanh after each."""
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.Tanh()]
    return nn.Sequential(*layers)


def places_of(window: int, turn: float, shift: tuple[float, float], scale: float) -> torch.Tensor:
    """Where pyroVED's decoder looks for each pixel of a window, ``(pixels, 2)``: turned, scaled and moved."""
    down, left = torch.linspace(-1, 1, window), torch.linspace(1, -1, window)
    grid = torch.stack(torch.meshgrid(down, left, indexing="ij"), -1).reshape(-1, 2)
    matrix = torch.tensor([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    return scale * grid @ matrix + torch.tensor(shift)
