"""The template decoder: it draws one template per window and crops it at the shift."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that torch users read

from .decoder import Margins, one_hot, places_of_pixels
from .pose import Pose

__all__ = ["TemplateDecoder"]

#: Number of images that make a template a nonlinear function of the content.
BENDS = 16


class TemplateDecoder(nn.Module):
    """Draws a template larger than the window from the content, and crops it at the shift.

    It evaluates one small network per window, where a coordinate decoder evaluates one per pixel. A template is a sum
    of images: for every class a mean and one image per latent, and `BENDS` images with nonlinear weights. The crop
    interpolates linearly between pixels, which makes it differentiable with respect to the shift.

    Parameters
    ----------
    window
        ``(height, width)`` px.
    channels, content
        Number of channels of a window, and of content latents.
    margins
        Size of the template beyond the window.
    classes
        Number of classes of motifs.
    """

    most_windows: int | None = None

    def __init__(
        self, window: tuple[int, int], channels: int, content: int, margins: Margins, *, classes: int = 1
    ) -> None:
        super().__init__()
        self.window, self.content, self.classes = window, content, classes
        self.margin, self.size, self.places = margins.sides, margins.size, margins.places
        self.shape = (channels, *self.size)
        sizes = (content + (classes if classes > 1 else 0), 64, 64, BENDS) if content else ()
        layers = [module for i, o in pairwise(sizes) for module in (nn.Linear(i, o), nn.SiLU())]
        self.hidden = nn.Sequential(*layers) if content else None
        pixels = math.prod(self.shape)
        self.mean = nn.Parameter(torch.zeros(classes, pixels))
        self.linear = nn.Parameter(torch.randn(classes * content, pixels) * 0.05)
        self.bend = nn.Parameter(torch.zeros(BENDS if content else 0, pixels))
        self.order: nn.Parameter | None = None

    def add_order(self, count: int) -> None:
        """Add images of `count` complex order latents: two for each, of the real and the imaginary part."""
        self.order = nn.Parameter(torch.zeros(2 * count, math.prod(self.shape)))

    def template(self, content: Tensor, label: Tensor | None = None) -> Tensor:
        """Templates ``(N, C, height, width)`` for ``content (N, m)``."""
        chosen = one_hot(label, len(content), self.classes)
        parts = [chosen, (chosen[:, :, None] * content[:, None]).flatten(1)]
        if self.hidden is not None:
            parts.append(self.hidden(content if self.classes == 1 else torch.cat([content, chosen], dim=1)))
        images = torch.cat([self.mean, self.linear, self.bend])
        return (torch.cat(parts, dim=1) @ images).view(-1, *self.shape)

    def forward(self, content: Tensor, pose: Pose, label: Tensor | None = None) -> Tensor:
        """Drawings ``(N, C, h, w)`` with the motif shifted, turned and scaled by `pose`."""
        template = self.template(content, label)
        if pose.order is not None and self.order is not None:
            template = template + (pose.order @ self.order).view_as(template)
        if pose.shift_only:
            return self._crop(template, pose.shift_px)
        half = torch.tensor([max(n - 1, 1) / 2 for n in self.size])
        grid = (places_of_pixels(self.window, pose) / half).flip(-1)
        return F.grid_sample(template, grid, align_corners=True, padding_mode="border")

    def start_from(self, mean: Tensor, components: Tensor) -> None:
        """Copy the guessed images, see `Decoder`."""
        self.mean.copy_(mean.flatten(1))
        self.linear.copy_(components.reshape(self.linear.shape))

    def start_order_from(self, images: Tensor) -> None:
        """Copy the guessed images, see `Decoder`."""
        if self.order is not None:
            self.order.copy_(images.flatten(1))

    def rewrite_order(self, unit: Tensor) -> None:
        """Rewrite the images for new amplitudes = old amplitudes / `unit`, ``(m,)`` complex; drawings stay the same."""
        if self.order is not None:  # Re(w T) of T = first image - i times the second
            images = torch.complex(self.order[::2], -self.order[1::2]) * unit[:, None]
            self.order.copy_(torch.stack([images.real, -images.imag], dim=1).flatten(0, 1))

    def rewrite_content(self, zero: Tensor, unit: Tensor, order: list[int]) -> None:
        """Rewrite the images and the first layer of the hidden network, see `Decoder`."""
        linear = self.linear.view(self.classes, self.content, -1)[:, order]
        self.mean.add_((zero[None, None] @ linear)[:, 0])
        self.linear.copy_((linear * unit[:, None]).flatten(0, 1))
        hidden = self.hidden[0] if self.hidden is not None else None
        if isinstance(hidden, nn.Linear):
            weight = hidden.weight[:, order]
            hidden.bias.add_(weight @ zero)
            hidden.weight[:, : self.content] = weight * unit

    def _crop(self, template: Tensor, shift: Tensor) -> Tensor:
        """Windows whose pixel i shows the template at i + margin - shift; shifts are clamped to the margin."""
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
