"""The term of the objective that teaches the network which grain a window belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..model.grain_shift import GrainShift
from ..model.pose import Posterior
from ..model.shift_vae import ShiftVAE
from ..sampling import Tiles, TileSampler

__all__ = ["GrainTerms"]

#: Nats for a nat of cross entropy of the label.
LABEL = 300.0
#: Number of tiles from anywhere in the frames, borders included, as a share of those inside the grains.
BORDERS = 0.25


class GrainTerms:
    """Known labels of windows, and the cross entropy of the network's scores under them.

    All other terms take the label as known, because the tiles lie inside the grains. What a window on a border shows is
    learned from tiles of their own, which serve the label alone.

    Parameters
    ----------
    labels
        Grain of every pixel of each frame, ``(H, W)`` int8, -1 for none.
    borders
        Sampler of tiles from anywhere in the frames.
    """

    def __init__(self, labels: Sequence[NDArray[np.int8]], borders: TileSampler) -> None:
        self._labels, self._borders = labels, borders

    @property
    def generator(self) -> np.random.Generator:
        """Generator of the tiles from anywhere."""
        return self._borders.random

    def __call__(self, model: ShiftVAE, grid: Posterior, source: Tiles, stride: int) -> tuple[Posterior, Tensor]:
        """Posteriors ``(N, rows, cols, ...)`` with the known labels, and the weighted mean cross entropy.

        While gradients are recorded, tiles from anywhere are encoded too.
        """
        shift = model.shift
        if not isinstance(shift, GrainShift):
            raise TypeError(f"expected a model with several grains, got a {type(shift).__name__}")
        label = self._known(model, source, grid.code.shape[1:3], stride)
        losses = [shift.label_loss(grid.code, label).flatten()]
        if torch.is_grad_enabled():
            tiles = self._borders.draw(max(2, round(BORDERS * len(source.frame))))
            pixels = torch.from_numpy(tiles.pixels) * torch.tensor(model.channel_scale)[:, None, None]
            pixels = pixels - pixels.mean(dim=(-1, -2), keepdim=True)
            _, sd = model.windows(pixels, stride)
            code = model.encode(pixels, sd, stride).code
            losses.append(shift.label_loss(code, self._known(model, tiles, code.shape[1:3], stride)).flatten())
        return replace(grid, code=shift.with_label(grid.code, label)), LABEL * torch.cat(losses).mean()

    def _known(self, model: ShiftVAE, source: Tiles, grid: torch.Size, stride: int) -> Tensor:
        """Labels ``(N, rows, cols)`` at the centres of the windows of tiles."""
        rows, cols = (np.arange(n) * stride + side // 2 for n, side in zip(grid, model.window, strict=True))
        found = [
            self._labels[frame][np.ix_(top + rows, left + cols)]
            for frame, (top, left) in zip(source.frame, source.origin, strict=True)
        ]
        return torch.from_numpy(np.stack(found).astype(np.int64))
