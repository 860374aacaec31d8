"""Constraint on rotation and scale: a window transformed by a known amount must be reported so, by that amount."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name that torch users read

from ..model.decoder import places_of_pixels
from ..model.pose import Pose
from ..model.posterior import Posterior
from ..model.shift_vae import ShiftVAE

__all__ = ["transformation_mismatch"]

#: Largest zoom applied, as a logarithm.
ZOOM = 0.15


def transformation_mismatch(model: ShiftVAE, tiles: Tensor, grid: Posterior, stride: int) -> Tensor:
    """Mean violation over tiles: squared chord of the angle, squared errors of scale, shift and content in prior units.

    Each tile is turned by a random multiple of 90 degrees and zoomed at random about the centre of its middle window.
    Multiples of 90 degrees map pixels to pixels: at other angles interpolation leaves traces in the noise, from which
    an encoder learned to read the angle instead of from the motif.

    Parameters
    ----------
    model
        A model with a planar shift, and rotation or scale.
    tiles
        ``(N, C, H, W)`` scaled.
    grid
        Posteriors ``(N, rows, cols, ...)`` of all windows of the tiles.
    stride
        px between the windows.
    """
    count, kinds = len(tiles), [latent.kind for latent in model.further]
    turn = torch.randint(4, (count,)) * (math.pi / 2) if "rotation" in kinds else torch.zeros(count)
    zoom = (2 * torch.rand(count) - 1) * ZOOM if "scale" in kinds else torch.zeros(count)
    row, col = (n // 2 for n in grid.mean.shape[1:3])
    here = grid[:, row, col]
    places = places_of_pixels(model.window, Pose(torch.zeros(count, 2), turn, zoom))
    size = torch.tensor(tiles.shape[2:], dtype=torch.float32)
    middle = torch.tensor([row * stride, col * stride]) + (torch.tensor(model.window) - 1) / 2
    at = (places + middle - (size - 1) / 2) / ((size - 1) / 2).clamp(min=0.5)
    changed = F.grid_sample(tiles, at.flip(-1), align_corners=True, padding_mode="border")
    changed = changed - changed.mean(dim=(-1, -2), keepdim=True)
    _, sd = model.windows(changed, 1)
    there = model.encode(changed, sd, 1)[:, 0, 0]
    y, x = model.shift.mean_px(here.code).unbind(-1)
    moved = torch.stack([y * turn.cos() - x * turn.sin(), x * turn.cos() + y * turn.sin()], -1) * zoom.exp()[:, None]
    off = model.shift.distance(there.code, moved) + (here.mean - there.mean).square().sum(-1)
    for latent, one, other in zip(model.further, here.further, there.further, strict=True):
        off = off + latent.mismatch(one, other, turn if latent.kind == "rotation" else zoom)
    return off.mean()
