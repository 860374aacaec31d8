"""What training minimises: the negative evidence lower bound of the windows, and the constraints."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name that torch users read

from .constraints import Constraint, Pairs, Windows
from .sampling import Tiles
from .shift_vae import Posterior, ShiftVAE

__all__ = ["Objective", "Terms"]


@dataclass(frozen=True)
class Terms:
    """Nats for a window: likelihood of the residual, divergences of shift and content, constraints.

    ``residual`` is the variance of what the decoder leaves, in units of a window's variance.
    """

    likelihood: Tensor
    kl_shift: Tensor
    kl_content: Tensor
    constraints: Tensor
    residual: Tensor

    def total(self, content_weight: float = 1.0) -> Tensor:
        """The sum to minimise."""
        return self.likelihood + self.kl_shift + content_weight * self.kl_content + self.constraints


class Objective:
    """The evidence lower bound with a Gaussian likelihood, analytic divergences, and constraints on pairs of windows.

    Parameters
    ----------
    model
        The shift-VAE.
    stride
        px between the windows of a tile.
    constraints
        Terms on pairs.
    """

    def __init__(self, model: ShiftVAE, stride: int, constraints: tuple[Constraint, ...]) -> None:
        self._model, self._stride, self._constraints = model, stride, constraints

    def __call__(self, tiles: Tensor, *, sample: bool = True, source: Tiles | None = None) -> tuple[Terms, Posterior]:
        """Terms for scaled ``tiles (N, C, H, W)``, and the posteriors ``(N, windows, ...)``.

        With `sample` False the posterior means are decoded: the loss without Monte-Carlo noise, for held-out tiles.
        `source` says where the tiles were cut, for constraints that ask; without it, at the origin of frame 0.
        """
        model = self._model
        brightness = tiles.mean(1)
        tiles = tiles - tiles.mean(dim=(-1, -2), keepdim=True)
        windows, sd = model.windows(tiles, self._stride)
        grid = model.encode(tiles, sd, self._stride)
        posterior = Posterior(*(part.flatten(1, 2) for part in (grid.code, grid.mean, grid.log_sd)))
        windows = windows.flatten(0, 2)
        if sample:
            content = posterior.mean + posterior.log_sd.exp() * torch.randn_like(posterior.mean)
            shift = model.shift.sample_px(posterior.code)
        else:
            content, shift = posterior.mean, model.shift.mean_px(posterior.code)
        drawn = model.decoder(content.flatten(0, 1), shift.flatten(0, 1), model.noise_sd)
        residual = (drawn - windows).square().mean()
        pixels = windows[0].numel()
        noise = model.noise_sd
        likelihood = pixels * (0.5 * residual / noise.square() + noise.log() + 0.5 * math.log(2 * math.pi))
        kl_content = 0.5 * (posterior.mean.square() + (2 * posterior.log_sd).exp() - 1 - 2 * posterior.log_sd).sum(-1)
        pairs = self._pairs(posterior, grid.code.shape[1:3], brightness, source)
        constraints = sum(
            (c.weight * c(pairs) for c in self._constraints), 10.0 * model.shift.unruly(posterior.code).mean()
        )
        terms = Terms(
            likelihood, model.shift.kl(posterior.code).mean(), kl_content.mean(), constraints, residual.detach()
        )
        return terms, posterior

    def _pairs(self, posterior: Posterior, grid: torch.Size, brightness: Tensor, source: Tiles | None) -> Pairs:
        """Every window with another of its tile, by one random permutation."""
        y, x = torch.meshgrid(*(torch.arange(n) for n in grid), indexing="ij")
        places = torch.stack([y.flatten(), x.flatten()], -1).float() * self._stride
        partner = torch.randperm(len(places))
        displacement = (places[partner] - places).to(posterior.code.device)
        displacement = displacement.expand(len(posterior.code), -1, -1)
        windows = self._windows(places, brightness, source)
        return Pairs(posterior, posterior[:, partner], displacement, self._model.shift, windows)

    def _windows(self, places: Tensor, brightness: Tensor, source: Tiles | None) -> Windows:
        """Where the windows at ``places (w, 2)`` of all tiles lie, and their mean of ``brightness (N, H, W)``."""
        h, w = self._model.window
        step = (1 if h == 1 else self._stride, self._stride)
        mean = F.avg_pool2d(brightness[:, None], (h, w), step).flatten(1)
        count = len(brightness)
        origin = torch.zeros(count, 2) if source is None else torch.from_numpy(source.origin).float()
        frame = torch.zeros(count, dtype=torch.int64) if source is None else torch.from_numpy(source.frame)
        centre = origin[:, None] + places + torch.tensor([(h - 1) / 2, (w - 1) / 2])
        return Windows(frame[:, None].expand(-1, len(places)), centre, mean)
