"""The encoder network: from a frame or tile to the raw outputs of every window."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that torch users read

from .encoder_families import ENCODERS
from .encoder_weights import StemLayer

__all__ = ["Encoder"]


class Encoder(nn.Module):
    """Encoder of one family, evaluated densely on a frame or tile.

    Parameters
    ----------
    family
        Name of one of `ENCODERS`.
    window
        ``(height, width)`` px.
    channels, outputs
        Number of channels of a frame, and of raw outputs per window.
    """

    def __init__(self, family: str, window: tuple[int, int], channels: int, outputs: int) -> None:
        super().__init__()
        kind = ENCODERS[family]
        self.family, self.window = family, window
        self.plan = kind.stem(window[1])
        before, layers = channels, list[nn.Parameter]()
        for size, _, width in self.plan:
            shape = (width, before, 1 if window[0] == 1 else size, size)
            layers.append(nn.Parameter(kind.start(shape, first=not layers)))
            before = width
        self.stem = nn.ParameterList(layers)
        self.stem_relu = kind.relu
        sizes = [before, *kind.head, outputs]
        self.head = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(sizes))
        self.bias = None if kind.relu else nn.Parameter(torch.zeros(before))

    def forward(self, frame: Tensor, sd: Tensor, stride: int) -> Tensor:
        """Raw outputs ``(N, rows, cols, outputs)`` of ``frame (N, C, H, W)``; ``sd (N, rows, cols)`` of its windows."""
        x, grids = frame, [1, 1]
        # where there is one window along an axis, any stride is the same, and the widest needs least
        widest = math.lcm(*(layer.dilation for layer in self.plan))
        strides = [widest if n == w else stride for n, w in zip(frame.shape[2:], self.window, strict=True)]
        for index, (weight, layer) in enumerate(zip(self.stem_weights(), self.plan, strict=True)):
            later = [layer.dilation for layer in self.plan[index + 1 :]]
            needed = [math.gcd(stride, *later) for stride in strides]  # grid of the output, px
            step = [n // grid for n, grid in zip(needed, grids, strict=True)]
            dilation = [layer.dilation // grid for grid in grids]
            if self.window[0] == 1:
                step[0] = dilation[0] = 1
            x = F.conv2d(x, weight, stride=step, dilation=dilation)
            x, grids = (F.relu(x) if self.stem_relu else x), needed
        x = x.permute(0, 2, 3, 1) / sd[..., None]
        if self.bias is not None:
            x = torch.tanh(x + self.bias)
        for layer_index, linear in enumerate(self.linears):
            x = linear(torch.tanh(x) if layer_index else x)
        return x

    @property
    def linears(self) -> list[nn.Linear]:
        """1x1 layers of the head."""
        return [layer for layer in self.head if isinstance(layer, nn.Linear)]

    def stem_weights(self) -> list[Tensor]:
        """Kernels of the stem; the first are shifted to sum to zero in each channel."""
        first = self.stem[0] - self.stem[0].mean(dim=(2, 3), keepdim=True)
        return [first, *list(self.stem)[1:]]

    def stem_layers(self) -> tuple[StemLayer, ...]:
        """Stem as arrays, for export."""
        return tuple(
            StemLayer(weight.detach().cpu().numpy(), layer.dilation)
            for weight, layer in zip(self.stem_weights(), self.plan, strict=True)
        )
