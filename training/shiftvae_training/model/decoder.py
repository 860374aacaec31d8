"""What a decoder is, and what both decoders share: places relative to the motif."""

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
    """Draws windows; what it draws is brought to a window's units by the likelihood.

    `content` is ``(n, m)``; `label` is the class of each window, int64 ``(n,)``, or None for the first class.

    Attributes
    ----------
    most_windows
        So many windows of a batch are drawn, at random; None for all of them.
    """

    most_windows: int | None

    def __call__(self, content: Tensor, pose: Pose, label: Tensor | None = None) -> Tensor:
        """Drawings ``(n, C, h, w)`` with the motif posed."""

    def template(self, content: Tensor, label: Tensor | None = None) -> Tensor:
        """Drawings ``(n, C, height, width)`` at `places`, of the motif as it is."""

    def places(self) -> tuple[Tensor, Tensor]:
        """y and x of a template's pixels relative to the motif, px."""

    def start_from(self, mean: Tensor, components: Tensor) -> None:
        """Draw what was guessed: ``mean (K, C, height, width)`` and ``components (K, m, C, height, width)`` of K
        classes at `places`.
        """

    def rewrite_content(self, zero: Tensor, unit: Tensor, order: list[int]) -> None:
        """Draw the same for new content = (old content in `order` - `zero`) / `unit`, each ``(m,)``."""


class Margins:
    """How much larger than the window a template is, ``(y, x)`` px a side; and its places.

    Parameters
    ----------
    window
        ``(height, width)`` px.
    reach
        Largest shift along each axis, ``(y, x)`` px.
    turned
        The motif may turn: a window in any direction fits.
    least_scale
        Size of the smallest motif, against the template's.
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
        """y and x of the template's pixels relative to the motif, px."""
        y, x = (torch.arange(n) - (n - 1) / 2 for n in self.size)
        return y, x


def places_of_pixels(window: tuple[int, int], pose: Pose) -> Tensor:
    """Where the pixels of windows lie in the motif's own frame, ``(n, h, w, 2)`` px (y, x): R(-turn) (r - shift) / s.

    A turn is counter-clockwise as seen, y pointing down.
    """
    y, x = ((torch.arange(n, device=pose.shift_px.device) - (n - 1) / 2) for n in window)
    away_y = y[:, None].expand(*window) - pose.shift_px[:, 0, None, None]
    away_x = x.expand(*window) - pose.shift_px[:, 1, None, None]
    if pose.turn is not None:
        cosine, sine = pose.turn.cos()[:, None, None], pose.turn.sin()[:, None, None]
        away_y, away_x = away_x * sine + away_y * cosine, away_x * cosine - away_y * sine
    places = torch.stack([away_y, away_x], dim=-1)
    return places if pose.log_scale is None else places * (-pose.log_scale).exp()[:, None, None, None]


def one_hot(label: Tensor | None, count: int, classes: int) -> Tensor:
    """Classes of `count` windows as ``(count, classes)``, 0 or 1."""
    if classes == 1:
        return torch.ones(count, 1)
    label = torch.zeros(count, dtype=torch.int64) if label is None else label
    return F.one_hot(label, classes).float()
