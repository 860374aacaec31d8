"""Motifs of columns for the rounds: their constants, and windows with known latents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from shiftvae_training.model.rounds import Rounds, make_rounds


@dataclass(frozen=True)
class Case:
    """A motif: whether it turns (its `fold`), grows, how many contents and channels it has, and its window."""

    fold: int = 0
    grows: bool = False
    content: int = 1
    channels: int = 1
    window: tuple[int, int] = (26, 26)


CASES = {
    "turns": Case(fold=1),
    "grows": Case(grows=True),
    "turns and grows": Case(fold=1, grows=True, window=(28, 24)),
    "turns, two of content": Case(fold=1, content=2),
    "three-fold, grows, two channels": Case(fold=3, grows=True, channels=2),
    "turns, no content": Case(fold=1, content=0),
}


def motif(case: Case, y: Tensor, x: Tensor, content: Tensor) -> Tensor:
    """Images ``(n, C, ...)`` at ``y, x (n, ...)`` px from the motif, for ``content (n, m)``."""
    if case.fold > 1:
        columns = [(6.5, 2 * np.pi * k / case.fold, 0.7) for k in range(case.fold)]
    else:
        columns = [(6.5, 0.0, 0.7), (5.0, 1.9, 0.5)]
    planes = []
    for channel in range(case.channels):
        image = torch.exp(-(y**2 + x**2) / (2 * 2.2**2)) * (1 + 0.25 * channel)
        for k, (away, angle, height) in enumerate(columns):
            at_y, at_x = -away * np.sin(angle), away * np.cos(angle)
            tall = torch.full((len(y), 1, 1), height)
            if case.content and (k == 0 or case.fold > 1):
                tall = tall + 0.2 * content[:, 0].view(-1, 1, 1)
            elif case.content > 1:
                tall = tall + 0.2 * content[:, 1].view(-1, 1, 1)
            image = image + tall * torch.exp(-((y - at_y) ** 2 + (x - at_x) ** 2) / (2 * 2.2**2))
        planes.append(image)
    return 2.0 * torch.stack(planes, 1)


def rounds_of(case: Case) -> Rounds:
    """Rounds for a decoder that draws the motif."""
    places = tuple(torch.arange(2 * n, dtype=torch.float32) - (2 * n - 1) / 2 for n in case.window)
    y, x = torch.meshgrid(*places, indexing="ij")
    steps = torch.cat([torch.zeros(1, case.content), torch.eye(case.content), -torch.eye(case.content)])
    drawn = motif(case, y.expand(len(steps), -1, -1), x.expand(len(steps), -1, -1), steps)
    change = (drawn[1 : 1 + case.content] - drawn[1 + case.content :]) / 2
    return make_rounds(case.window, places, torch.cat([drawn[:1], change]), fold=case.fold, grows=case.grows)


def draw_windows(case: Case, *, noise: float, away: float = 1.5, count: int = 60) -> tuple[Tensor, Tensor, Tensor]:
    """Normalised windows ``(n, C, h, w)``, their latents ``(n, L)``, and rough ones within the reach of the rounds."""
    random = torch.Generator().manual_seed(0)

    def uniform(most: float) -> Tensor:
        return most * (2 * torch.rand(count, 1, generator=random) - 1)

    shift = torch.cat([uniform(away), uniform(away)], 1)
    pose, off = [], [0.8 * torch.sign(uniform(1.0)), uniform(0.8)]
    if case.fold:
        pose.append(uniform(180 / case.fold))
        off.append(uniform(12.0))
    if case.grows:
        pose.append(uniform(12.0))
        off.append(uniform(5.0))
    content = torch.cat([uniform(1.0) for _ in range(case.content)], 1) if case.content else torch.zeros(count, 0)
    latents = torch.cat([shift, *pose, content], 1)
    rough = torch.cat([latents[:, : 2 + len(pose)] + torch.cat(off, 1), 0 * content], 1)
    y, x = torch.meshgrid(*(torch.arange(n) - (n - 1) / 2 for n in case.window), indexing="ij")
    y, x = (v - shift[:, i, None, None] for i, v in enumerate((y, x)))
    if case.fold:
        angle = torch.deg2rad(latents[:, 2, None, None])
        y, x = y * angle.cos() + x * angle.sin(), x * angle.cos() - y * angle.sin()
    if case.grows:
        size = 1 + latents[:, 1 + len(pose), None, None] / 100
        y, x = y / size, x / size
    windows = motif(case, y, x, content)
    windows = windows + noise * torch.randn(windows.shape, generator=random)
    windows = windows - windows.mean((2, 3), keepdim=True)
    return windows / windows.square().mean((1, 2, 3), keepdim=True).sqrt(), latents, rough
