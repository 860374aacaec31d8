"""The head of an encoder that turns its features, fitted to the first guess on windows of the frames.

A linear map of the turned features gives position and content nearly as the guess does. It is fitted by least squares
and put into the head: a hidden unit for each output, in the linear part of its tanh. The other units start at random.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shiftvae_rt.errors import TrainingError

from ..guess.first_guess import FirstGuess, Guess
from ..model.encoder import TurnedFeatures
from ..model.shift import TorusShift
from ..model.shift_vae import ShiftVAE
from ..sampling import TILE_STRIDE, Tiles, TileSampler

__all__ = ["fit_head"]

#: Least number of windows, and number of tiles that are encoded at once.
WINDOWS, TILES_AT_ONCE = 6400, 32
#: Ridge of the fit, as a share of the variance of a feature.
RIDGE = 1e-3
#: Least standard deviation of a feature, as a share of the largest.
LEAST_SPREAD = 0.01
#: Standard deviation of a hidden unit before its tanh.
LINEAR = 0.3
#: Initial logarithm of all posterior deviations, and factor of the weights that change them.
LOG_SD, LOG_SD_GAIN = -2.0, 0.1


@torch.no_grad()
def fit_head(model: ShiftVAE, guess: Guess, sampler: TileSampler) -> None:
    """Start the head of `model` from the `guess` on training tiles of `sampler`, if its encoder turns its features.

    Raises
    ------
    TrainingError
        for a head without a hidden layer that is wide enough.
    """
    turned, shift = model.encoder.turned, model.shift
    if turned is None or not isinstance(shift, TorusShift):
        return
    layers = model.encoder.linears
    hidden, last = layers[0], layers[-1]
    tile = sampler.held_out(1).pixels.shape[2:]
    inside = math.prod(1 + (n - w) // TILE_STRIDE for n, w in zip(tile, model.window, strict=True))
    parts = []
    for _ in range(-(-WINDOWS // (inside * TILES_AT_ONCE))):
        tiles = sampler.draw(TILES_AT_ONCE)
        features, bases = _turned_features(model, turned, tiles)
        phases, looks = _guessed(shift, guess, tiles, sampler.place_among_first(tiles.frame), model.window)
        left = phases - bases
        parts.append((features, torch.cat([left.cos(), left.sin(), looks], 1)))
    features, targets = (torch.cat(each).double() for each in zip(*parts, strict=True))
    rows, count = _rows(model), targets.shape[1]
    if len(layers) != 2 or hidden.out_features < count:
        raise TrainingError(
            f"expected an encoder with one hidden layer of at least {count} units in its head, got "
            f"{[layer.out_features for layer in layers[:-1]]}: change its family, or let it not measure waves"
        )
    spread, mean = torch.std_mean(features, dim=0)
    spread = spread.clamp(min=LEAST_SPREAD * float(spread.max()))  # the bases have no imaginary part
    x, offset = (features - mean) / spread, targets.mean(0)
    gram = x.T @ x / len(x) + RIDGE * torch.eye(x.shape[1], dtype=x.dtype)
    amounts = torch.linalg.solve(gram, x.T @ (targets - offset) / len(x))  # (features, targets)
    size = (x @ amounts).std(0).clamp(min=1e-6)
    hidden.weight.copy_(hidden.weight / spread)
    hidden.weight[:count] = (LINEAR * amounts / size).T.float() / spread
    hidden.bias.copy_(-hidden.weight.double() @ mean)
    last.weight *= LOG_SD_GAIN
    last.bias.fill_(LOG_SD)
    last.weight[rows] = 0.0
    last.weight[rows, torch.arange(count)] = (size / LINEAR).float()
    last.bias[rows] = offset.float()


def _rows(model: ShiftVAE) -> list[int]:
    """Raw outputs that the guess knows: cosines, sines, order latents, content."""
    code, orders = model.shift.size, 2 * model.orders
    first = code + 3 * model.orders
    return [*range(2 * code // 3), *range(code, code + orders), *range(first, first + model.content)]


def _turned_features(model: ShiftVAE, turned: TurnedFeatures, tiles: Tiles) -> tuple[Tensor, Tensor]:
    """Features ``(n, features)`` of all windows, turned back, and phases ``(n, k)`` by which they were."""
    scaled = torch.from_numpy(tiles.pixels) * torch.tensor(model.channel_scale)[:, None, None]
    scaled = scaled - scaled.mean(dim=(-1, -2), keepdim=True)
    _, sd = model.windows(scaled, TILE_STRIDE)
    features, phases = turned(model.encoder.features(scaled, sd, TILE_STRIDE))
    return features.flatten(0, 2), phases.flatten(0, 2)


def _guessed(
    shift: TorusShift, guess: Guess, tiles: Tiles, frames: NDArray[np.int64], window: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Phases ``(n, k)``, and order latents and content ``(n, m)``, that the guess gives for all windows."""
    places = [(int(f), *centre.T) for f, centre in zip(frames, tiles.window_centres(window), strict=True)]
    moved, content, _ = (np.concatenate(part) for part in zip(*(guess.targets_at(*p) for p in places), strict=True))
    looks = [torch.from_numpy(content).float()]
    if isinstance(guess, FirstGuess) and guess.order is not None:
        order = np.concatenate([guess.order.targets_at(*p) for p in places])
        looks.insert(0, torch.view_as_real(torch.from_numpy(order.astype(np.complex64))).flatten(1))
    return shift.phases_of(torch.from_numpy(moved).float()), torch.cat(looks, 1)
