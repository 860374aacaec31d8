"""Calibration of the posterior standard deviations: they are scaled until they cover known errors.

A VAE's posterior is often too narrow. After training, windows are drawn by the decoder at known content and shift,
noise is added, and they are encoded again. The noise is the residual of the real window with random signs, so that it
has the detector's distribution, bright columns noisier than the background, and includes what the model does not
describe. Signs are drawn twice, for single pixels and for squares of the size of a column, and the larger deviations
are kept: noise shows more with the first, because the encoder has already fitted much of what squares hold; wrong
columns show more with the second. Source: the wild bootstrap, Wu, Ann. Statist. 14 (1986) 1261.

Errors that depend on the part of the cell in a window occur without noise. They appear where the shifts scatter about a
smooth lattice by more than the noise explains, see `consistency`, and widen the deviations of the shift.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_cdt
from torch import Tensor

from ..model.grain_shift import GrainShift, grain_codes
from ..model.shift import TorusShift
from ..model.shift_vae import ShiftVAE
from .consistency import position_scatter

__all__ = ["Coverage", "calibrate", "scale_deviations", "widen_by_scatter"]

#: Shares of a normal distribution within one and two standard deviations.
ONE, TWO = 0.6827, 0.9545
#: Number of draws of the noise for each window.
DRAWS = 4
#: Largest number of frames whose shifts are compared with a smooth lattice, and px between their windows.
FRAMES, STRIDE = 4, 4
#: Largest side of the part of a frame that is used, px.
SIDE = 1024


@dataclass(frozen=True)
class Coverage:
    """Shares of the truth within one and two posterior deviations, before and after scaling by `temperature`.

    The latent ``shift`` stands for all shift latents together. The shares are measured on other windows than those that
    set the temperature. `scatter` is a further factor of the shift's deviations, and 1 for all other latents.
    """

    latent: str
    temperature: float
    before: tuple[float, float]
    after: tuple[float, float]
    scatter: float = 1.0

    @property
    def scale(self) -> float:
        """Total factor of the deviations."""
        return self.temperature * self.scatter


@torch.no_grad()
def calibrate(
    model: ShiftVAE, windows: Tensor, used: tuple[bool, ...], *, seed: int, label: Tensor | None = None
) -> tuple[Coverage, ...]:
    """Scale the model's posterior deviations to their nominal coverage, and measure it.

    Parameters
    ----------
    model
        A trained model with its anchor set; the last biases of its encoder are changed.
    windows
        ``(n, C, h, w)`` scaled windows, or in units of their deviation. Those of even index set the temperature, the
        others test it.
    used
        ``(m,)`` which content latents vary; the others are not scaled.
    seed
        Seed of the noise.
    label
        ``(n,)`` class of each window, for a model with classes.
    """
    drawn = [
        _scores(model, windows, label, side, torch.Generator().manual_seed(seed)) for side in (1, _column_px(model))
    ]
    axes = model.dimensions
    chosen = [*[latent.kind in ("rotation", "scale") for latent in model.reported[: model.first_content]], *used]
    groups = {"shift": list(range(axes))}
    if model.order is not None:  # both parts of an amplitude share a deviation
        groups |= {f"w{i + 1}": [axes + 2 * i, axes + 2 * i + 1] for i in range(model.order.count)}
    groups |= {name: [i] for i, name in enumerate(model.names) if chosen[i]}
    found = []
    for name, columns in groups.items():
        candidates = [_coverage(name, scores[:, :, columns].abs()) for scores in drawn]
        found.append(max(candidates, key=lambda coverage: coverage.temperature))
        scale_deviations(model, columns, found[-1].temperature)
    return tuple(found)


def widen_by_scatter(
    model: ShiftVAE, frames: list[NDArray[Any]], coverage: tuple[Coverage, ...]
) -> tuple[Coverage, ...]:
    """Widen the shift's deviations where shifts scatter about the smooth lattice of raw ``frames (C, H, W)`` by more.

    The model and `coverage` are unchanged without a lattice, or if the frames are too small for a measurement.
    """
    if not isinstance(model.shift, TorusShift) or model.further:
        return coverage
    factors, axes = [], model.dimensions
    for frame in frames[:: -(-len(frames) // FRAMES)]:
        part = frame[:, :SIDE, :SIDE]
        centred = part - part.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
        found, found_std = model.map_frame(centred.astype(np.float32), STRIDE)
        mean, std = (a[:axes].astype(np.float64) for a in (found, found_std))
        for square, lattice in _squares(model.shift, found):
            inside = mean[square], std[square]
            factors.append(position_scatter(*inside, lattice, window=model.window, stride=STRIDE))
    known = [factor for factor in factors if factor is not None]
    if not known or np.median(known) <= 1:
        return coverage
    scatter = float(np.median(known))
    with torch.no_grad():
        scale_deviations(model, list(range(axes)), scatter)
    return tuple(replace(c, scatter=scatter) if c.latent == "shift" else c for c in coverage)


def _squares(shift: TorusShift, mean: NDArray[Any]) -> list[tuple[tuple[slice, ...], NDArray[Any]]]:
    """Parts of a map that show one lattice, and its vectors: the whole map, or the largest square in each grain."""
    if not isinstance(shift, GrainShift):
        return [(np.s_[:, :, :], shift.vectors.numpy())]
    squares: list[tuple[tuple[slice, ...], NDArray[Any]]] = []
    for number, cell in enumerate(shift.cells.numpy()):
        room = distance_transform_cdt(np.pad(mean[2] == number, 1), "chessboard")[1:-1, 1:-1]
        row, col = np.unravel_index(room.argmax(), room.shape)
        half = int(room.max()) - 1
        if half >= 0:
            squares.append((np.s_[:, row - half : row + half + 1, col - half : col + half + 1], cell))
    return squares


def _coverage(name: str, scores: Tensor) -> Coverage:
    """Coverage from ``scores (n, DRAWS, columns)``: those of even index set the temperature, the others test it."""
    setting, testing = (scores[i::2].flatten() for i in (0, 1))
    temperature = float((setting.quantile(ONE) * setting.quantile(TWO) / 2).sqrt().clamp(0.1, 50))
    before, after = (
        (float((testing < t).float().mean()), float((testing < 2 * t).float().mean())) for t in (1.0, temperature)
    )
    return Coverage(name, temperature, before, after)


@torch.no_grad()
def _scores(model: ShiftVAE, windows: Tensor, label: Tensor | None, side: int, generator: torch.Generator) -> Tensor:
    """Errors ``(n, DRAWS, L)`` of the reported latents in units of their deviations; `side` px have one sign."""
    cut, sd = model.windows(windows, 1)
    truth = model.read(windows, sd, 1)[0][:, 0, 0]
    drawn = model.draw(truth, label)
    left = cut[:, 0, 0] - drawn
    scores = []
    for _ in range(DRAWS):
        noisy = drawn + _signs(left.shape, side, generator) * left
        _, noisy_sd = model.windows(noisy, 1)
        mean, deviation = (part[:, 0, 0] for part in model.read(noisy, noisy_sd, 1))
        error = mean - truth
        axes = model.dimensions
        shift = torch.zeros(len(error), 2)
        shift[:, 2 - axes :] = error[:, :axes]
        error[:, :axes] = model.shift.wrap_px(shift, grain_codes(model.shift, truth))[:, 2 - axes :]
        for column, latent in enumerate(model.further, model.first_content - len(model.further)):
            if latent.period is not None:
                error[:, column] -= latent.period * torch.round(error[:, column] / latent.period)
        scores.append(error / deviation)
    return torch.stack(scores, dim=1)


def _column_px(model: ShiftVAE) -> int:
    """Approximate size of a column, px: a third of the shortest period; without a lattice, an eighth of the window."""
    if isinstance(model.shift, TorusShift):
        return max(1, round(float(model.shift.vectors.norm(dim=1).min()) / 3))
    return max(1, model.window[1] // 8)


def _signs(shape: torch.Size, side: int, generator: torch.Generator) -> Tensor:
    """Random signs for squares of `side` px in images of shape ``(n, C, h, w)``, on a grid with a random origin."""
    squares = [-(-length // side) + 1 for length in shape[2:]]
    signs = 2.0 * torch.randint(0, 2, (*shape[:2], *squares), generator=generator) - 1
    top, left = torch.randint(0, side, (2,), generator=generator).tolist()
    wide = signs.repeat_interleave(side, 2).repeat_interleave(side, 3)
    return wide[:, :, top : top + shape[2], left : left + shape[3]]


def scale_deviations(model: ShiftVAE, columns: list[int], temperature: float) -> None:
    """Multiply the posterior deviations of the latents `columns` by `temperature`, in the rounds or, without these,
    through the biases of their logarithms.

    `columns` are indices of reported latents: all of the shift, or one other.
    """
    if model.rounds is not None:
        model.rounds = model.rounds.widened(columns, temperature)
        return
    bias, axes = model.encoder.linears[-1].bias, model.dimensions
    factor = torch.tensor(temperature).log()
    if columns[0] < axes:
        widths = len(model.shift.vectors) if isinstance(model.shift, TorusShift) else axes
        bias[model.shift.size - widths : model.shift.size] += factor
    elif columns[0] < model.first_content and model.order is not None:
        bias[model.shift.size + 2 * model.order.count + (columns[0] - axes) // 2] += factor
    elif columns[0] < model.first_content:
        bias[model.shift.size + sum(latent.size for latent in model.further[: columns[0] - axes + 1]) - 1] += factor
    else:
        bias[len(bias) - model.content + columns[0] - model.first_content] += factor
