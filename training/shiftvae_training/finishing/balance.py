"""Uncertainty of the position against uncertainty of the content, and how both grow with the noise of a scan.

The trained model encodes windows that its own decoder drew at known content and shift, with less or more noise than the
scan has; nothing is trained again. The noise is the residual of each window with random signs, as in `calibration`.
The question is from Ziatdinov, Wong, Kalinin, MLST 4 (2023) 045033.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..model.shift_vae import ShiftVAE

__all__ = ["Balance", "balance_under_noise"]

#: Noise levels of the drawn windows, in units of the scan's noise.
NOISE = (0.5, 1.0, 1.5, 2.0, 3.0)
#: Share of a normal distribution within one standard deviation.
ONE = 0.6827


@dataclass(frozen=True)
class Balance:
    """Posterior deviations and true errors at each level of noise.

    Attributes
    ----------
    noise
        ``(k,)`` noise levels, in units of the scan's noise.
    claimed, found
        ``(k, 1 + m)``: median posterior deviation, and the error that 68 % of the windows stay within. The first column
        is the shift, px along one axis; the others are the content latents, each in its unit.
    """

    noise: NDArray[np.float64]
    claimed: NDArray[np.float64]
    found: NDArray[np.float64]


@torch.no_grad()
def balance_under_noise(model: ShiftVAE, windows: Tensor, *, seed: int) -> Balance:
    """Encode the model's drawings of scaled ``windows (n, C, h, w)``, with noise added; `seed` fixes its signs."""
    generator = torch.Generator().manual_seed(seed)
    axes = model.dimensions
    cut, sd = model.windows(windows, 1)
    truth = model.read(windows, sd, 1)[0][:, 0, 0]
    drawn = model.draw(truth)
    left = cut[:, 0, 0] - drawn
    claimed, found = [], []
    for noise in NOISE:
        noisy = drawn + noise * (2.0 * torch.randint(0, 2, left.shape, generator=generator) - 1) * left
        _, noisy_sd = model.windows(noisy, 1)
        mean, deviation = (part[:, 0, 0] for part in model.read(noisy, noisy_sd, 1))
        shift = torch.zeros(len(mean), 2)
        shift[:, 2 - axes :] = (mean - truth)[:, :axes]
        error = [model.shift.wrap_px(shift)[:, 2 - axes :].abs().flatten()]
        error += list((mean - truth)[:, model.first_content :].abs().T)
        claim = [deviation[:, :axes].flatten(), *deviation[:, model.first_content :].T]
        claimed.append([float(c.median()) for c in claim])
        found.append([float(e.quantile(ONE)) for e in error])
    return Balance(np.array(NOISE), np.array(claimed), np.array(found))
