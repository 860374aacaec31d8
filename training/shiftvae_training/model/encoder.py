"""The encoder network: from a frame or tile to the raw outputs of every window."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that torch users read

from .encoder_families import ENCODERS
from .encoder_weights import NO_PHASE, StemLayer, Turn

__all__ = ["Encoder", "TurnedFeatures"]


class TurnedFeatures(nn.Module):
    """Complex features of windows, turned back by the phases that the first of them tell; see `Turn`."""

    orders: Tensor
    phases: Tensor

    def __init__(self, turn: Turn) -> None:
        super().__init__()
        self.register_buffer("orders", torch.from_numpy(turn.orders))
        self.register_buffer("phases", torch.from_numpy(turn.phases))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features ``(..., 2 n)`` that no shift changes, and the phases ``(..., k)`` of the lattice, rad."""
        real, imaginary = features[..., ::2], features[..., 1::2]
        k = self.orders.shape[1]
        nothing = real[..., :k].square() + imaginary[..., :k].square() < NO_PHASE
        bases = -torch.atan2(imaginary[..., :k], torch.where(nothing, 1.0, real[..., :k]))
        turn = bases @ self.orders.T.to(bases.dtype)
        cosine, sine = turn.cos(), turn.sin()
        turned = torch.stack([real * cosine - imaginary * sine, real * sine + imaginary * cosine], -1)
        return turned.flatten(-2), bases @ self.phases.T.to(bases.dtype)


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
    turn
        How features and phases turn, for a stem without ReLU; None for features that do not. The first outputs are the
        cosines and sines of the phases.
    """

    def __init__(
        self, family: str, window: tuple[int, int], channels: int, outputs: int, turn: Turn | None = None
    ) -> None:
        super().__init__()
        kind = ENCODERS[family]
        self.family, self.window = family, window
        self.plan = kind.stem(window[1], 0 if turn is None else len(turn.orders))
        before, layers = channels, list[nn.Parameter]()
        for size, _, width in self.plan:
            shape = (width, before, 1 if window[0] == 1 else size, size)
            layers.append(nn.Parameter(kind.start(shape, first=not layers)))
            before = width
        self.stem = nn.ParameterList(layers)
        self.stem_relu = kind.relu and turn is None
        sizes = [before, *kind.head, outputs]
        self.head = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(sizes))
        self.bias = None if kind.relu else nn.Parameter(torch.zeros(before))
        self.turned = None if turn is None else TurnedFeatures(turn)

    def forward(self, frame: Tensor, sd: Tensor, stride: int) -> Tensor:
        """Raw outputs ``(N, rows, cols, outputs)`` of ``frame (N, C, H, W)``; ``sd (N, rows, cols)`` of its windows."""
        x = self.features(frame, sd, stride)
        if self.turned is None:
            return self._outputs(x if self.bias is None else torch.tanh(x + self.bias))
        x, phases = self.turned(x)
        k, raw = phases.shape[-1], self._outputs(x)
        cosine, sine, c, s = raw[..., :k], raw[..., k : 2 * k], phases.cos(), phases.sin()
        return torch.cat([cosine * c - sine * s, cosine * s + sine * c, raw[..., 2 * k :]], -1)

    def features(self, frame: Tensor, sd: Tensor, stride: int) -> Tensor:
        """Output ``(N, rows, cols, features)`` of the stem, in units of the windows' deviations ``sd``."""
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
        return x.permute(0, 2, 3, 1) / sd[..., None]

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

    def turn(self) -> Turn | None:
        """Turn of features and phases, for export; None if there is none."""
        return None if self.turned is None else Turn(self.turned.orders.numpy(), self.turned.phases.numpy())

    def _outputs(self, x: Tensor) -> Tensor:
        """Raw outputs of the head, from features ``x (..., features)``."""
        for index, linear in enumerate(self.linears):
            x = linear(torch.tanh(x) if index else x)
        return x
