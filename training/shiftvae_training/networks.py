"""The encoder families.

They share one shape, which makes them exact when they slide over a frame (see `encoder_graph`): a stem of
valid convolutions without bias whose first layer sums to zero, a division by the window's standard deviation, then 1x1
layers.

- ``dilated``: four or five small dilated convolutions with ReLU; neighbouring windows share their work.
- ``narrow``: fewer, of half the width at the end: the first sees 8 x 8 px, and the others need its output at every
  fourth px only. Less than half the time of ``dilated``, a little more noise in the maps.
- ``mlp``: one convolution as large as the window, the dense network of the paper.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that torch users read

from shiftvae_rt.errors import WindowError

from .encoder_weights import StemLayer

__all__ = ["ENCODERS", "HEAD_WIDTHS", "Encoder", "stem_plan", "stem_widths"]

ENCODERS = ("dilated", "narrow", "mlp")
#: Largest dilation; a 1x1 layer has it too, and so asks for no finer grid than the largest stride does.
WIDEST = 8
#: Edge of the first layer of the stem, px; the dilation of the next is half of it.
FIRST = {"dilated": 4, "narrow": 8}
#: Channels of the last layer of the stem.
STEM_WIDTH = {"dilated": 64, "narrow": 32, "mlp": 128}
#: Channels between the 1x1 layers of the head. That of ``narrow`` is one layer: its hidden one is the last of the stem,
#: without bias and before the division, which saves an eighth of the time.
HEAD_WIDTHS = {"dilated": (64,), "narrow": (), "mlp": (128,)}


def stem_plan(family: str, window: int) -> list[tuple[int, int]]:
    """Kernel size and dilation of each stem layer; their receptive field is exactly `window` px.

    Raises
    ------
    WindowError
        if the family cannot have this window: dilated needs a multiple of 4, at least 8 px, narrow at least 12 px; mlp
        at least 4 px.
    """
    if family == "mlp":
        if window < 4:
            raise WindowError(f"the mlp encoder needs a window of at least 4 px, got {window}")
        return [(window, 1)]
    first = FIRST[family]
    if window % 4 or window < first + 4:
        asked = f"a window that is a multiple of 4 px, at least {first + 4}"
        raise WindowError(f"the {family} encoder needs {asked}, got {window}")
    odd = [(2, 4)] if window % first else []  # two taps for what three taps of dilation 4 step over
    plan, rest, dilation = [(first, 1), *odd], window - first - 4 * len(odd), first // 2
    while rest:  # each 3-tap layer of dilation d adds 2 d: double d while what is left allows it
        while rest % (2 * dilation):
            dilation //= 2
        plan.append((3, dilation))
        rest -= 2 * dilation
        dilation = min(dilation * 2, WIDEST) if rest >= 4 * dilation else dilation
    plan = [plan[0], *sorted(plan[1:], key=lambda layer: layer[1])]
    return plan if HEAD_WIDTHS[family] else [*plan, (1, WIDEST)]


def stem_widths(family: str, layers: int) -> list[int]:
    """Channels of each stem layer: 16 where values lie dense, then 32, a whole block of most processors."""
    return [128] if family == "mlp" else [16, *[32] * (layers - 2), STEM_WIDTH[family]]


class Encoder(nn.Module):
    """Frame or tile in, raw outputs for every window out.

    Parameters
    ----------
    family
        One of `ENCODERS`.
    window
        ``(height, width)`` px.
    channels, outputs
        Of a frame; raw numbers for a window.
    """

    def __init__(self, family: str, window: tuple[int, int], channels: int, outputs: int) -> None:
        super().__init__()
        self.family, self.window = family, window
        self.plan = stem_plan(family, window[1])
        widths = stem_widths(family, len(self.plan))
        before, layers = channels, []
        for (size, _), width in zip(self.plan, widths, strict=True):
            kernel = (1 if window[0] == 1 else size, size)
            if family == "mlp":
                layers.append(nn.Parameter(torch.randn(width, before, *kernel) / math.sqrt(before * math.prod(kernel))))
            else:
                layers.append(nn.Parameter(_as_if_linear(width, before, kernel, first=not layers)))
            before = width
        self.stem = nn.ParameterList(layers)
        self.stem_relu = family != "mlp"
        sizes = [before, *HEAD_WIDTHS[family], outputs]
        self.head = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(sizes))
        self.bias = nn.Parameter(torch.zeros(before)) if family == "mlp" else None

    def forward(self, frame: Tensor, sd: Tensor, stride: int) -> Tensor:
        """Raw ``(N, rows, cols, outputs)`` of ``frame (N, C, H, W)``, whose windows have ``sd (N, rows, cols)``."""
        x, grid = frame, 1
        for index, (weight, layer) in enumerate(zip(self.stem_weights(), self.plan, strict=True)):
            wanted = math.gcd(stride, *[dilation for _, dilation in self.plan[index + 1 :]])
            step, dilation = wanted // grid, layer[1] // grid
            flat = self.window[0] == 1
            x = F.conv2d(x, weight, stride=(1 if flat else step, step), dilation=(1 if flat else dilation, dilation))
            x, grid = (F.relu(x) if self.stem_relu else x), wanted
        x = x.permute(0, 2, 3, 1) / sd[..., None]
        if self.bias is not None:
            x = torch.tanh(x + self.bias)
        for layer_index, linear in enumerate(self.linears):
            x = linear(torch.tanh(x) if layer_index else x)
        return x

    @property
    def linears(self) -> list[nn.Linear]:
        """The 1x1 layers of the head."""
        return [layer for layer in self.head if isinstance(layer, nn.Linear)]

    def stem_weights(self) -> list[Tensor]:
        """Kernels of the stem, the first made to sum to zero over each channel of a window."""
        first = self.stem[0] - self.stem[0].mean(dim=(2, 3), keepdim=True)
        return [first, *list(self.stem)[1:]]

    def stem_layers(self) -> tuple[StemLayer, ...]:
        """The stem as numbers, for export."""
        return tuple(
            StemLayer(weight.detach().cpu().numpy(), dilation)
            for weight, (_, dilation) in zip(self.stem_weights(), self.plan, strict=True)
        )


def _as_if_linear(width: int, before: int, kernel: tuple[int, int], *, first: bool) -> Tensor:
    """Kernels ``(width, before, *kernel)`` with which ReLU layers in a row start as a linear map that keeps variance.

    Every channel has another with the opposite sign, so that what ReLU cuts from one the other keeps, and the next
    layer takes their difference (Balduzzi et al. 2017, "looks linear"). The phases of a lattice are linear in the
    window: they are there from the first step, and the content is not lost while they are learned.
    """
    inputs = before if first else before // 2
    half = nn.init.orthogonal_(torch.empty(width // 2, inputs * math.prod(kernel))).view(-1, inputs, *kernel)
    signed = half if first else torch.cat([half, -half], dim=1)
    return torch.cat([signed, -signed])
