"""The two encoder families and the template decoder.

Both encoders share one shape, which makes them exact when they slide over a frame (see `encoder_graph`): a stem of
valid convolutions without bias whose first layer sums to zero, a division by the window's standard deviation, then 1x1
layers.

- ``dilated``: four or five small dilated convolutions with ReLU; neighbouring windows share their work.
- ``mlp``: one convolution as large as the window, the dense network of the paper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that torch users read

from shiftvae_rt.errors import WindowError

from .encoder_graph import StemLayer

__all__ = ["ENCODERS", "HEAD_WIDTH", "Encoder", "TemplateDecoder", "stem_plan", "stem_widths"]

ENCODERS = ("dilated", "mlp")
#: Channels between the 1x1 layers of the head.
HEAD_WIDTH = {"dilated": 64, "mlp": 128}
#: Images by which a template bends away from a straight line in the content.
BENDS = 16


def stem_plan(family: str, window: int) -> list[tuple[int, int]]:
    """Kernel size and dilation of each stem layer; their receptive field is exactly `window` px.

    Raises
    ------
    WindowError
        if the family cannot have this window: dilated needs a multiple of 4, at least 8 px; mlp at least 4 px.
    """
    if family == "mlp":
        if window < 4:
            raise WindowError(f"the mlp encoder needs a window of at least 4 px, got {window}")
        return [(window, 1)]
    if window % 4 or window < 8:
        raise WindowError(f"the dilated encoder needs a window that is a multiple of 4 px, at least 8, got {window}")
    plan, rest, dilation = [(4, 1)], window - 4, 2
    while rest:  # each 3-tap layer of dilation d adds 2 d: double d while what is left allows it
        while rest % (2 * dilation):
            dilation //= 2
        plan.append((3, dilation))
        rest -= 2 * dilation
        dilation = min(dilation * 2, 8) if rest >= 4 * dilation else dilation
    return [plan[0], *sorted(plan[1:], key=lambda layer: layer[1])]


def stem_widths(family: str, layers: int) -> list[int]:
    """Channels of each stem layer: 16 where values lie dense, then 32, a whole block of most processors.

    The last has 64: with 32 a frame takes two thirds of the time, but one seed in five misplaced the motif by 0.2 px.
    """
    return [128] if family == "mlp" else [16, *[32] * (layers - 2), 64]


class Encoder(nn.Module):
    """Frame or tile in, raw outputs for every window out.

    Parameters
    ----------
    family
        ``"dilated"`` or ``"mlp"``.
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
            taps = size if window[0] == 1 else size * size
            gain = math.sqrt((1 if family == "mlp" else 2) / (before * taps))
            layers.append(nn.Parameter(torch.randn(width, before, 1 if window[0] == 1 else size, size) * gain))
            before = width
        self.stem = nn.ParameterList(layers)
        self.stem_relu = family == "dilated"
        sizes = [before, HEAD_WIDTH[family], outputs]
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


class TemplateDecoder(nn.Module):
    """Draws a template larger than the window from the content, and crops it where the shift says.

    A template costs one small network for each window, against one for each pixel in a coordinate decoder. It is a sum
    of a few images: a mean, one for each latent, and some that bend the straight line they span. The crop interpolates
    linearly between pixels, so that it can be differentiated in the shift.

    Parameters
    ----------
    window
        ``(height, width)`` px.
    channels, content
        Of a window; number of content latents.
    reach
        Largest shift along each axis, ``(y, x)`` px; the template is wider than the window by this and 2 px a side.
    """

    def __init__(self, window: tuple[int, int], channels: int, content: int, reach: Sequence[float]) -> None:
        super().__init__()
        self.window = window
        self.margin = tuple(0 if n == 1 else math.ceil(r) + 2 for n, r in zip(window, reach, strict=True))
        self.size = tuple(n + 2 * m for n, m in zip(window, self.margin, strict=True))
        self.shape = (channels, *self.size)
        sizes = (content, 64, 64, BENDS) if content else ()
        layers = [module for i, o in pairwise(sizes) for module in (nn.Linear(i, o), nn.SiLU())]
        self.hidden = nn.Sequential(*layers) if content else None
        pixels = math.prod(self.shape)
        self.mean = nn.Parameter(torch.zeros(1, pixels))
        self.linear = nn.Parameter(torch.randn(content, pixels) * 0.05)
        self.bend = nn.Parameter(torch.zeros(BENDS if content else 0, pixels))

    def template(self, content: Tensor) -> Tensor:
        """Templates ``(N, C, height, width)`` for ``content (N, m)``."""
        parts = [content.new_ones(len(content), 1), content]
        if self.hidden is not None:
            parts.append(self.hidden(content))
        images = torch.cat([self.mean, self.linear, self.bend])
        return (torch.cat(parts, dim=1) @ images).view(-1, *self.shape)

    def forward(self, content: Tensor, shift: Tensor, noise_sd: Tensor) -> Tensor:
        """Windows ``(N, C, h, w)`` with the motif at ``shift (N, 2)`` px from the centre.

        Normalised as the encoder's windows are: mean 0 in each channel, and variance 1 once noise of ``noise_sd ()``
        joins it. Mean and contrast of a window depend on which part of the cell it shows; without this, the content has
        to say so.
        """
        drawn = self._crop(self.template(content), shift)
        drawn = drawn - drawn.mean(dim=(-1, -2), keepdim=True)
        return drawn / (drawn.square().mean(dim=(-1, -2, -3), keepdim=True) + noise_sd.square()).sqrt()

    def _crop(self, template: Tensor, shift: Tensor) -> Tensor:
        """Window pixel i shows the template at i + margin - shift; a shift beyond the margin stops at its edge."""
        channels, height, width = self.shape
        most = torch.tensor([float(max(2 * m - 1, 0)) for m in self.margin], device=shift.device)
        first = (torch.tensor(self.margin, device=shift.device) - shift).clamp(min=torch.zeros_like(most), max=most)
        whole = first.detach().floor().long()
        part = (first - whole)[:, :, None, None, None]
        sides = [n if n == 1 else n + 1 for n in self.window]
        y, x = (whole[:, axis, None] + torch.arange(n, device=shift.device) for axis, n in enumerate(sides))
        place = (y[:, :, None] * width + x[:, None, :]).flatten(1)[:, None].expand(-1, channels, -1)
        cut = template.flatten(2).gather(2, place).view(-1, channels, *sides)
        if height > 1:
            cut = torch.lerp(cut[:, :, :-1], cut[:, :, 1:], part[:, 0])
        return torch.lerp(cut[..., :-1], cut[..., 1:], part[:, 1])

    def places(self) -> tuple[Tensor, Tensor]:
        """y and x of the template's pixels relative to the motif, px."""
        y, x = (torch.arange(t) - m - (n - 1) / 2 for n, m, t in zip(self.window, self.margin, self.size, strict=True))
        return y, x
