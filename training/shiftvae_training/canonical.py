"""Order, sign, zero and unit of the content latents, the same from run to run.

A VAE leaves all four open: any permutation or reflection of the content explains the windows as well, and a smoothness
condition shrinks its scale. Here they are settled after training by rewriting weights, exactly: the model draws and
encodes the same windows as before.

- order: the latent that says most about a window first;
- zero and unit: mean and standard deviation over the training windows, so that one unit is one deviation of the sample;
- sign: on a lattice the first guess has set it (`component_signs`); on the plane, the columns around the brightest move
  right or down along a positive step, or the feature brightens.

A latent in which nothing varies keeps its scale: it would be noise blown up.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from shiftvae_rt.manifest import USED_NATS

from .column_fit import columns_of_cell, fit_columns
from .shift import TorusShift
from .shift_vae import ShiftVAE

__all__ = ["settle_content"]

#: px that count as much as a relative change of height of 1.
HEIGHT_PX = 10.0
#: Down counts a little less than right, so that a column that moves up and right has a sign too.
DOWN = 0.6


@torch.no_grad()
def settle_content(model: ShiftVAE, content: torch.Tensor, kl_nats: torch.Tensor) -> list[int]:
    """Rewrite the model; return the old index of each new content latent.

    Parameters
    ----------
    model
        A trained model; its anchor must be measured afterwards.
    content
        ``(n, m)`` posterior means of windows all over the training frames.
    kl_nats
        ``(m,)`` information of each content latent.
    """
    order = [int(i) for i in torch.argsort(-kl_nats, stable=True)]
    if not order:
        return order
    used = kl_nats >= USED_NATS
    zero = torch.where(used, content.mean(0), 0.0)
    unit = torch.where(used, content.std(0).clamp(min=1e-6), 1.0)
    _rewrite(model, zero[order], unit[order], order)
    for index in range(0 if isinstance(model.shift, TorusShift) else int(used.sum())):
        if _direction(model, index) < 0:
            sign = torch.ones(model.content)
            sign[index] = -1.0
            _rewrite(model, torch.zeros(model.content), sign, list(range(model.content)))
    return order


def _rewrite(model: ShiftVAE, zero: torch.Tensor, unit: torch.Tensor, order: list[int]) -> None:
    """New content = (old content in `order` - zero) / unit; `unit` may be negative."""
    last, m = model.encoder.linears[-1], model.content
    first = len(last.bias) - 2 * m
    mean, spread = (slice(first + i * m, first + (i + 1) * m) for i in (0, 1))
    for parameter in (last.weight, last.bias):
        for part in (mean, spread):
            parameter[part] = parameter[part][order]
    last.weight[mean] /= unit[:, None]
    last.bias[mean] = (last.bias[mean] - zero) / unit
    last.bias[spread] -= unit.abs().log()
    decoder = model.decoder
    linear = decoder.linear[order]
    decoder.mean.add_(zero @ linear)
    decoder.linear.copy_(linear * unit[:, None])
    hidden = decoder.hidden[0] if decoder.hidden is not None else None
    if isinstance(hidden, nn.Linear):
        weight = hidden.weight[:, order]
        hidden.bias.add_(weight @ zero)
        hidden.weight.copy_(weight * unit)


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
