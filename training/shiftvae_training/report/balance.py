"""The balance of uncertainty in position against uncertainty in shape, and how both grow as a scan gets noisier.

A trained model is asked about windows that it drew itself, at known content and shift, with less and more than their
own noise: nothing is trained anew. The noise is what the decoder leaves of each window, with random signs, as in
`calibration`. Source of the question: Ziatdinov, Wong, Kalinin, MLST 4 (2023) 045033.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..model.shift_vae import ShiftVAE

__all__ = ["Balance", "balance_under_noise"]

#: Noise of the windows that are asked about, in units of the scan's own.
NOISE = (0.5, 1.0, 1.5, 2.0, 3.0)
#: Share of a normal distribution within one standard deviation.
ONE = 0.6827


@dataclass(frozen=True)
class Balance:
    """What the model claims and what it does at each level of noise.

    Attributes
    ----------
    noise
        ``(k,)`` in units of the scan's own noise.
    claimed, found
        ``(k, 1 + m)``: median posterior deviation, and the error that 68 % of the windows stay within. First of the
        shift, px along an axis; then of every content latent, in its unit.
    """

    noise: NDArray[np.float64]
    claimed: NDArray[np.float64]
    found: NDArray[np.float64]


@torch.no_grad()
def balance_under_noise(model: ShiftVAE, windows: Tensor, *, seed: int) -> Balance:
    """Encode what `model` draws of scaled ``windows (n, C, h, w)``, with noise; `seed` is of its signs."""
    generator = torch.Generator().manual_seed(seed)
    axes = model.dimensions
    cut, sd = model.windows(windows, 1)
    known = model.encode(windows, sd, 1)[:, 0, 0]
    drawn, (truth, _) = model.draw(known), model.latents(known)
    left = cut[:, 0, 0] - drawn
    claimed, found = [], []
    for noise in NOISE:
        noisy = drawn + noise * (2.0 * torch.randint(0, 2, left.shape, generator=generator) - 1) * left
        _, noisy_sd = model.windows(noisy, 1)
        mean, deviation = model.latents(model.encode(noisy, noisy_sd, 1)[:, 0, 0])
        shift = torch.zeros(len(mean), 2)
        shift[:, 2 - axes :] = (mean - truth)[:, :axes]
        error = [model.shift.wrap_px(shift)[:, 2 - axes :].abs().flatten()]
        error += list((mean - truth)[:, model.first_content :].abs().T)
        claim = [deviation[:, :axes].flatten(), *deviation[:, model.first_content :].T]
        claimed.append([float(c.median()) for c in claim])
        found.append([float(e.quantile(ONE)) for e in error])
    return Balance(np.array(NOISE), np.array(claimed), np.array(found))
