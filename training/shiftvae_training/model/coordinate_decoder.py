"""The coordinate decoder of the paper: a network evaluated at the position of every pixel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .decoder import Margins, one_hot, places_of_pixels
from .pose import Pose

__all__ = ["CoordinateDecoder"]

WIDTH = 128
#: Standard deviation of the first layer's weights, per half window: with torch's own, not even the mean motif is
#: learned.
SLOPES = 5.0
#: Steps, points per step and learning rate of the regression on the first guess.
FITTING, POINTS, FITTING_RATE = 600, 2048, 1e-2


class CoordinateDecoder(nn.Module):
    """Coordinate network: tanh(Wc r + Wz z), two tanh layers of 128, one output per channel, at each position r.

    It is smooth and needs no grid, but evaluates a network for each pixel of a window, so only few windows of a batch
    are drawn. Sources: Bepler et al., arXiv 1909.11663; Ziatdinov, Wong, Kalinin, MLST 4 (2023) 045033.

    Parameters
    ----------
    window
        ``(height, width)`` px; the network's positions are in units of half of it.
    channels, content
        Number of channels of a window, and of content latents.
    margins
        Size of the template beyond the window.
    classes
        Number of classes of motifs.
    """

    most_windows: int | None = 32

    def __init__(
        self, window: tuple[int, int], channels: int, content: int, margins: Margins, *, classes: int = 1
    ) -> None:
        super().__init__()
        self.window, self.channels, self.content, self.classes = window, channels, content, classes
        self.places = margins.places
        self.from_place = nn.Linear(2, WIDTH)
        self._spread_out()
        inputs = content + (classes if classes > 1 else 0)
        self.from_content = nn.Linear(inputs, WIDTH, bias=False) if inputs else None
        self.layers = nn.ModuleList([nn.Linear(WIDTH, o) for o in (WIDTH, WIDTH, channels)])

    @torch.no_grad()
    def _spread_out(self) -> None:
        """Initialise the first layer so that its tanh steps lie anywhere in the template, in any direction."""
        nn.init.normal_(self.from_place.weight, std=SLOPES)
        half = torch.stack([axis.abs().max() for axis in self.places()]) / self._unit()
        where = (2 * torch.rand(WIDTH, 2) - 1) * half
        self.from_place.bias.copy_(-(self.from_place.weight * where).sum(1))

    def _unit(self) -> Tensor:
        return torch.tensor([max(n - 1, 1) / 2 for n in self.window])

    def draw(self, content: Tensor, places: Tensor, label: Tensor | None = None) -> Tensor:
        """Values ``(N, ..., C)`` at ``places (N or 1, ..., 2)`` px from the motif."""
        if self.classes > 1:
            content = torch.cat([content, one_hot(label, len(content), self.classes)], dim=1)
        x = self.from_place(places / self._unit()).expand(len(content), *places.shape[1:-1], WIDTH)
        if self.from_content is not None:
            x = x + self.from_content(content).view(len(content), *[1] * (places.ndim - 2), WIDTH)
        x = torch.tanh(x)
        for layer in self.linears[:-1]:
            x = torch.tanh(layer(x))
        values: Tensor = self.linears[-1](x)
        return values

    @property
    def linears(self) -> list[nn.Linear]:
        """Layers after the first."""
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    def forward(self, content: Tensor, pose: Pose, label: Tensor | None = None) -> Tensor:
        """Drawings ``(N, C, h, w)`` with the motif shifted, turned and scaled by `pose`."""
        return self.draw(content, places_of_pixels(self.window, pose), label).movedim(-1, 1)

    def template(self, content: Tensor, label: Tensor | None = None) -> Tensor:
        """Drawings ``(N, C, height, width)`` at `places`."""
        places = torch.stack(torch.meshgrid(*self.places(), indexing="ij"), dim=-1)
        return self.draw(content, places[None], label).movedim(-1, 1)

    @torch.enable_grad()
    def start_from(self, mean: Tensor, components: Tensor) -> None:
        """Regress the network on the guessed images, at random positions and contents."""
        places = torch.stack(torch.meshgrid(*self.places(), indexing="ij"), dim=-1).flatten(0, 1)
        images = torch.cat([mean[:, None], components], dim=1).flatten(3).float()  # (K, 1 + m, C, places)
        optimiser = torch.optim.Adam(self.parameters(), lr=FITTING_RATE)
        for step in range(FITTING):
            for group in optimiser.param_groups:
                group["lr"] = FITTING_RATE * (1 - step / FITTING)
            label = torch.randint(self.classes, (16,))
            content = torch.randn(16, self.content)
            picked = torch.randint(len(places), (POINTS // 16,))
            weights = torch.cat([torch.ones(16, 1), content], dim=1)
            target = torch.einsum("nj,njcp->npc", weights, images[label][..., picked])
            loss = (self.draw(content, places[None, picked], label) - target).square().mean()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch gives it no types
            optimiser.step()

    def start_order_from(self, images: Tensor) -> None:
        """Nothing: this decoder draws no order."""

    def rewrite_content(self, zero: Tensor, unit: Tensor, order: list[int]) -> None:
        """Rewrite the first layer, see `Decoder`."""
        if self.from_content is None:
            return
        weight = self.from_content.weight[:, order]
        self.from_place.bias.add_(weight @ zero)
        self.from_content.weight[:, : self.content] = weight * unit
