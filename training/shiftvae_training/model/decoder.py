"""Protocol of a decoder, and positions relative to the motif, which both decoders need."""

from __future__ import annotations

import math
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name that torch users read

from .pose import Pose

__all__ = ["Decoder", "DecoderName", "Margins", "one_hot", "places_of_pixels"]

DecoderName = Literal["template", "coordinate"]


class Decoder(Protocol):
    """Draws windows from content and pose; the likelihood brings the drawings to a window's units.

    `content` is ``(n, m)``; `label` is the class of each window, int64 ``(n,)``, or None for the first class.

    Attributes
    ----------
    most_windows
        Number of windows of a batch that are drawn, at random; None for all.
    """

    most_windows: int | None

    def __call__(self, content: Tensor, pose: Pose, label: Tensor | None = None) -> Tensor:
        """Drawings ``(n, C, h, w)`` with the motif shifted, turned and scaled by `pose`."""

    def template(self, content: Tensor, label: Tensor | None = None) -> Tensor:
        """Drawings ``(n, C, height, width)`` at `places`, without a pose."""

    def places(self) -> tuple[Tensor, Tensor]:
        """Positions y ``(height,)`` and x ``(width,)`` of a template's pixels relative to the motif, px."""

    def start_from(self, mean: Tensor, components: Tensor) -> None:
        """Initialise with guessed images at `places`.

        ``mean (K, C, height, width)`` and ``components (K, m, C, height, width)`` are of K classes.
        """

    def start_order_from(self, images: Tensor) -> None:
        """Initialise with guessed images ``(2 m, C, height, width)`` of order latents, where the decoder draws them."""

    def rewrite_content(self, zero: Tensor, unit: Tensor, order: list[int]) -> None:
        """Rewrite the weights for new content = (old content in `order` - `zero`) / `unit`; all are ``(m,)``.

        The drawings of corresponding contents stay the same.
        """


class Margins:
    """Size of a template, which is larger than the window, and the positions of its pixels.

    Parameters
    ----------
    window
        ``(height, width)`` px.
    reach
        Largest shift along each axis, ``(y, x)`` px.
    turned
        Whether the motif may turn, so that a window in any direction must fit.
    least_scale
        Size of the smallest motif relative to the template's.

    Attributes
    ----------
    sides
        Margin on each side along y and x, px.
    size
        ``(height, width)`` of a template, px.
    """

    def __init__(
        self, window: tuple[int, int], reach: tuple[float, float], *, turned: bool = False, least_scale: float = 1.0
    ) -> None:
        half = [(n - 1) / 2 + r for n, r in zip(window, reach, strict=True)]
        if turned:
            half = [math.hypot(*half)] * 2
        half = [h / least_scale for h in half]
        self.sides = tuple(0 if n == 1 else math.ceil(h - (n - 1) / 2) + 2 for n, h in zip(window, half, strict=True))
        self.size = tuple(n + 2 * m for n, m in zip(window, self.sides, strict=True))

    def places(self) -> tuple[Tensor, Tensor]:
        """Positions y ``(height,)`` and x ``(width,)`` of the template's pixels relative to the motif, px."""
        y, x = (torch.arange(n) - (n - 1) / 2 for n in self.size)
        return y, x


def places_of_pixels(window: tuple[int, int], pose: Pose) -> Tensor:
    """Positions ``(n, h, w, 2)`` px (y, x) of the pixels of windows in the motif's frame: R(-turn) (r - shift) / scale.

    A turn is counter-clockwise as displayed, with y pointing down. In another grain than the first, the motif's frame
    is that of the first: (r - shift) A_k^-1 A_0.
    """
    y, x = ((torch.arange(n, device=pose.shift_px.device) - (n - 1) / 2) for n in window)
    away_y = y[:, None].expand(*window) - pose.shift_px[:, 0, None, None]
    away_x = x.expand(*window) - pose.shift_px[:, 1, None, None]
    if pose.turn is not None:
        cosine, sine = pose.turn.cos()[:, None, None], pose.turn.sin()[:, None, None]
        away_y, away_x = away_x * sine + away_y * cosine, away_x * cosine - away_y * sine
    places = torch.stack([away_y, away_x], dim=-1)
    if pose.linear is not None:
        places = (places.flatten(1, 2) @ pose.linear).view(places.shape)
    return places if pose.log_scale is None else places * (-pose.log_scale).exp()[:, None, None, None]


def one_hot(label: Tensor | None, count: int, classes: int) -> Tensor:
    """One-hot classes ``(count, classes)`` of `count` windows; a `label` of None is the first class."""
    if classes == 1:
        return torch.ones(count, 1)
    label = torch.zeros(count, dtype=torch.int64) if label is None else label
    return F.one_hot(label, classes).float()
