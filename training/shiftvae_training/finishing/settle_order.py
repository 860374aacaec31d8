"""Canonical unit and phase of the order latents, fixed by rewriting weights exactly, as `canonical` does for content.

- unit: one is the order that a tenth of the training windows exceed, so that 1 stands for well ordered domains;
- phase: for an order of N cells, the amplitude in the frame of the reported motif has the phase of a multiple of 1/N
  turn, as far as the windows agree: antiphase domains of a doubled cell lie at 0 and 180 degrees.
"""

from __future__ import annotations

import torch

from ..model.pose import Posterior
from ..model.shift_vae import ShiftVAE
from ..model.template_decoder import TemplateDecoder

__all__ = ["settle_order"]

#: Share of the training windows whose order is below 1.
WELL_ORDERED = 0.9
#: Largest number of cells of an order that is in step with the lattice.
MOST_CELLS = 12


@torch.no_grad()
def settle_order(model: ShiftVAE, posterior: Posterior) -> list[float]:
    """Rewrite the weights for canonical order latents, and give the information of each in nats.

    Parameters
    ----------
    model
        A trained model on a lattice, with its anchor set; unchanged without order latents.
    posterior
        Posteriors ``(..., n)`` of windows from all over the training frames.

    Returns
    -------
    list of float
        Information of each reported order latent: both parts of an amplitude have half of its.
    """
    if model.order is None or posterior.order is None:
        return []
    nats = model.order.kl(posterior.order).flatten(0, -2).mean(0)
    amplitude = model.order.mean(posterior.order).flatten(0, -2)
    shift = model.latents(posterior)[0][..., :2].flatten(0, -2)
    seen = model.order.turned(amplitude, shift)
    unit = torch.ones(model.order.count, dtype=torch.complex64)
    for index, vector in enumerate(model.order.vectors):
        cells = _cells(model, vector)
        phase = (seen[:, index] ** cells).mean().angle() / cells
        size = amplitude[:, index].abs().quantile(WELL_ORDERED).clamp(min=1e-6)
        unit[index] = torch.polar(size, phase)
    _rewrite(model, unit)
    return [float(n) / 2 for n in nats for _ in range(2)]


def _cells(model: ShiftVAE, vector: torch.Tensor) -> int:
    """Number of cells after which the wave of a superlattice vector is in step with the lattice again."""
    turns = model.weights().lattice @ vector.double().numpy()
    known = (n for n in range(1, MOST_CELLS + 1) if abs(n * turns - (n * turns).round()).max() < 1e-3)
    return next(known, 1)


def _rewrite(model: ShiftVAE, unit: torch.Tensor) -> None:
    """Rewrite the weights for new amplitudes = old amplitudes / `unit`, ``(m,)`` complex."""
    if model.order is None:
        return
    last, first, count = model.encoder.linears[-1], model.shift.size, model.order.count
    mean, width = slice(first, first + 2 * count), slice(first + 2 * count, first + model.order.size)
    for parameter in (last.weight, last.bias):
        rows = parameter[mean]
        new = torch.complex(rows[::2], rows[1::2]) / unit.view(-1, *[1] * (parameter.ndim - 1))
        parameter[mean] = torch.stack([new.real, new.imag], dim=1).flatten(0, 1)
    last.bias[width] -= unit.abs().log()
    if isinstance(model.decoder, TemplateDecoder):
        model.decoder.rewrite_order(unit)
