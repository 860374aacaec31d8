"""Canonical order, sign, zero and unit of the content latents, and unit of the shift, reproducible from run to run.

A VAE determines none of them: any permutation or reflection of the content explains the windows equally well, and a
smoothness constraint shrinks its scale. They are fixed after training by rewriting weights exactly: the model draws and
encodes the same windows as before.

- order: by information, largest first;
- zero and unit: mean and standard deviation over the training windows, so that one unit is one deviation of the sample;
- sign: on a lattice it comes from the first guess (`component_signs`); on the plane, along a positive step the columns
  around the brightest move right or down, or the feature brightens.

A latent in which nothing varies keeps its scale, because rescaling would amplify noise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812 - the name that torch users read

from shiftvae_rt.model.manifest import USED_NATS

from ..model.column_fit import columns_of_cell, fit_columns
from ..model.shift import TorusShift
from ..model.shift_vae import ShiftVAE

__all__ = ["settle_content", "settle_shift"]

#: A relative change of height by 1 counts as much as a move by this many px.
HEIGHT_PX = 10.0
#: Windows are moved by this share of their size in each direction.
MOVED = 0.04
#: Weight of a move down relative to a move right; less than 1, so that a column that moves up and right has a sign.
DOWN = 0.6


@torch.no_grad()
def settle_shift(model: ShiftVAE, tiles: torch.Tensor) -> None:
    """Measure `shift_gain` of a planar shift, so that windows moved by a few px are reported moved by the same number.

    The prior draws every posterior towards 0, by more for less informative windows. The displacement constraint
    prevents this, except where frames are too small to cut neighbouring windows.

    Parameters
    ----------
    model
        A trained model.
    tiles
        ``(n, C, H, W)`` scaled, with a feature near the middle; they are padded with their edge values.

    The rounds of a motif that turns or grows measure its position themselves.
    """
    if isinstance(model.shift, TorusShift) or model.takes_rounds:
        return
    axes, most = model.dimensions, max(1, round(MOVED * max(model.window)))
    sides = (most, most, most, most) if axes == 2 else (most, most, 0, 0)
    wide = F.pad(tiles, sides, mode="replicate")
    first = [(n - w) // 2 for n, w in zip(wide.shape[2:], model.window, strict=True)]

    def reported(*move: int) -> torch.Tensor:
        """Shifts ``(n, 2)`` px of windows cut ``move = (y, x)`` px further on."""
        y, x = (start + step for start, step in zip(first, move, strict=True))
        cut = wide[:, :, y : y + model.window[0], x : x + model.window[1]]
        cut = cut - cut.mean(dim=(-1, -2), keepdim=True)
        _, sd = model.windows(cut, 1)
        return model.shift.mean_px(model.encode(cut, sd, 1)[:, 0, 0].code)

    still, moved = reported(0, 0), []
    for axis in range(2 - axes, 2):
        fore, back = (reported(*(step if axis == i else 0 for i in (0, 1)))[:, axis] for step in (most, -most))
        right = still[:, axis] > 0  # move towards the middle: beyond the range of the prior the shift saturates
        moved.append(torch.where(right, still[:, axis] - fore, back - still[:, axis]))
    model.shift_gain.copy_((most / torch.cat(moved).mean()).clamp(0.5, 2.0))


@torch.no_grad()
def settle_content(
    model: ShiftVAE, content: torch.Tensor, kl_nats: torch.Tensor, *, order: Sequence[int] | None = None
) -> list[int]:
    """Rewrite the weights for canonical content latents.

    Parameters
    ----------
    model
        A trained model; its anchor must be measured afterwards.
    content
        ``(n, m)`` posterior means of windows from all over the training frames.
    kl_nats
        ``(m,)`` information of each content latent, nats.
    order
        Old index of each new latent; None sorts them by information, largest first.

    Returns
    -------
    list of int
        Old index of each new content latent.
    """
    order = [int(i) for i in torch.argsort(-kl_nats, stable=True)] if order is None else list(order)
    if not order:
        return order
    used = kl_nats >= USED_NATS
    zero = torch.where(used, content.mean(0), 0.0)
    unit = torch.where(used, content.std(0).clamp(min=1e-6), 1.0)
    _rewrite(model, zero[order], unit[order], order)
    vary = [] if isinstance(model.shift, TorusShift) else [new for new, old in enumerate(order) if used[old]]
    for index in vary:
        if _direction(model, index) < 0:
            sign = torch.ones(model.content)
            sign[index] = -1.0
            _rewrite(model, torch.zeros(model.content), sign, list(range(model.content)))
    return order


def _rewrite(model: ShiftVAE, zero: torch.Tensor, unit: torch.Tensor, order: list[int]) -> None:
    """Rewrite the weights for new content = (old content in `order` - zero) / unit; `unit` may be negative."""
    last, m = model.encoder.linears[-1], model.content
    first = len(last.bias) - 2 * m
    mean, spread = (slice(first + i * m, first + (i + 1) * m) for i in (0, 1))
    for parameter in (last.weight, last.bias):
        for part in (mean, spread):
            parameter[part] = parameter[part][order]
    last.weight[mean] /= unit[:, None]
    last.bias[mean] = (last.bias[mean] - zero) / unit
    last.bias[spread] -= unit.abs().log()
    model.decoder.rewrite_content(zero, unit, order)


def _direction(model: ShiftVAE, index: int) -> float:
    """Positive when weaker columns move right or down, or the brightest brightens, along latent `index`."""
    step = torch.zeros(3, model.content)
    step[1, index], step[2, index] = -1.0, 1.0

    drawn = model.decoder.template(step).double().mean(1).numpy()
    places, _, radius = columns_of_cell(drawn[0], None, lambda vector: vector)
    columns = fit_columns(drawn[1:], places, radius)
    move = (columns.centre[1] - columns.centre[0]) - (columns.centre[1] - columns.centre[0])[:1]
    growth = np.log(columns.height[1] / columns.height[0])
    votes = np.nansum([move @ [DOWN, 1.0], growth * HEIGHT_PX], axis=1)
    return float(votes[np.argmax(np.abs(votes))])
