"""The objective that training minimises: negative ELBO (evidence lower bound) of the windows, plus constraints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name that torch users read

from ..constraints import Constraint, Pairs, Windows
from ..model.likelihood import Seen
from ..model.pose import Posterior
from ..model.shift_vae import ShiftVAE
from ..noise import noise_like
from ..sampling import Tiles
from .grain_terms import GrainTerms
from .teacher import Teacher, information

__all__ = ["Objective", "Terms"]

#: Number of windows that are drawn of a batch with a teacher, whose windows are much alike.
DRAWN = 32
#: Weight of the squared difference of order latents between windows of a tile, less than a window apart, nats.
SAME_ORDER = 20.0


@dataclass(frozen=True)
class Terms:
    """Terms of the objective, nats per window.

    Attributes
    ----------
    likelihood
        Negative log likelihood.
    kl_shift, kl_content
        KL divergences of the pose and of the content.
    constraints
        Weighted sum of the constraints.
    residual
        Variance of the residual in units of a window's variance; it is not part of the sum.
    """

    likelihood: Tensor
    kl_shift: Tensor
    kl_content: Tensor
    constraints: Tensor
    residual: Tensor

    def total(self, shift_weight: float = 1.0, content_weight: float = 1.0) -> Tensor:
        """Sum to minimise, with weights for the divergences."""
        return self.likelihood + shift_weight * self.kl_shift + content_weight * self.kl_content + self.constraints


class Objective:
    """Negative ELBO with analytic divergences, plus constraints on pairs of windows.

    Parameters
    ----------
    model
        The shift-VAE.
    stride
        px between the windows of a tile.
    constraints
        Constraints on pairs of windows.
    labels
        Class of each training frame, ``(frames,)``; None if the model has no classes.
    teacher
        Teacher of a model that takes rounds: the encoder learns its latents, and the decoder draws windows at them.
        Held-out windows are drawn at what encoder and rounds give.
    grains
        Known grains of the windows; None for a single grain.
    """

    def __init__(
        self,
        model: ShiftVAE,
        stride: int,
        constraints: tuple[Constraint, ...],
        *,
        labels: Tensor | None = None,
        teacher: Teacher | None = None,
        grains: GrainTerms | None = None,
    ) -> None:
        self._model, self._stride, self._constraints, self._labels = model, stride, constraints, labels
        self._teacher, self._grains = teacher, grains

    @property
    def generators(self) -> list[np.random.Generator]:
        """Generators of tiles that it draws itself."""
        return [] if self._grains is None else [self._grains.generator]

    def __call__(self, tiles: Tensor, *, sample: bool = True, source: Tiles | None = None) -> tuple[Terms, Posterior]:
        """Terms for scaled ``tiles (N, C, H, W)``, and the posteriors ``(N, windows, ...)``.

        If `sample` is False the posterior means are decoded, which gives held-out tiles a loss without Monte Carlo
        noise. `source` holds the origins of the tiles, for constraints that need them; without it, all are at the
        origin of frame 0.
        """
        model = self._model
        level = self._window_means(tiles)
        tiles = tiles - tiles.mean(dim=(-1, -2), keepdim=True)
        windows, sd = model.windows(tiles, self._stride)
        grid = model.encode(tiles, sd, self._stride)
        off_label = torch.zeros(())
        if self._grains is not None and source is not None:
            grid, off_label = self._grains(model, grid, source, self._stride)
        posterior = grid.each(lambda part: part.flatten(1, 2))
        seen = model.seen(windows.flatten(0, 2), level.flatten(0, 1), sd.flatten())
        if self._teacher is not None and not sample:
            return self._improved_terms(tiles, sd, seen), posterior
        flat = posterior.each(lambda part: part.flatten(0, 1))
        targets = None if self._teacher is None or source is None else self._teacher.targets(source)
        likelihood, residual = (
            self._likelihood(flat, seen, sample, source)
            if targets is None
            else self._nats_at(targets.latents.flatten(0, 1), seen, DRAWN)
        )
        kl_content = 0.5 * (posterior.mean.square() + (2 * posterior.log_sd).exp() - 1 - 2 * posterior.log_sd).sum(-1)
        kl_pose = model.shift.kl(posterior.code)
        code_penalty = model.shift.code_penalty(posterior.code)
        for latent, code in zip(model.further, posterior.further, strict=True):
            kl_pose, code_penalty = kl_pose + latent.kl(code), code_penalty + latent.code_penalty(code)
        if model.order is not None and posterior.order is not None:
            kl_pose = kl_pose + model.order.kl(posterior.order).sum(-1)
        pairs = self._pairs(posterior, grid.code.shape[1:3], level.mean(-1), source)
        constraints = sum((c.weight * c(pairs) for c in self._constraints), 10.0 * code_penalty.mean())
        if self._teacher is not None and targets is not None:
            constraints = constraints + self._teacher.distance(posterior, targets)
        if self._grains is not None:
            constraints = constraints + off_label
        if model.order is not None and pairs.here.order is not None and pairs.there.order is not None:
            off = model.order.mismatch(pairs.here.order, pairs.there.order, pairs.displacement)
            constraints = constraints + SAME_ORDER * off.mean()
        return Terms(likelihood, kl_pose.mean(), kl_content.mean(), constraints, residual.detach()), posterior

    def _improved_terms(self, tiles: Tensor, sd: Tensor, seen: Seen) -> Terms:
        """Terms of windows drawn at the latents that encoder and rounds give."""
        model = self._model
        model.set_rounds()
        mean, deviation = (part.flatten(0, 2) for part in model.read(tiles, sd, self._stride))
        likelihood, residual = self._nats_at(mean, seen, len(mean))
        nats = information(model, mean, deviation)
        first = model.first_content
        return Terms(likelihood, nats[:first].sum(), nats[first:].sum(), torch.zeros(()), residual.detach())

    def _nats_at(self, latents: Tensor, seen: Seen, most: int) -> tuple[Tensor, Tensor]:
        """Nats and residual of at most `most` of the windows, drawn at reported ``latents (n, L)``."""
        picked = torch.randperm(len(latents))[:most] if most < len(latents) else torch.arange(len(latents))
        seen = Seen(seen.normalised[picked], seen.level[picked], seen.spread[picked])
        content = latents[picked, self._model.first_content :]
        drawing = self._model.decoder(content, self._model.pose_at(latents[picked]))
        return self._model.likelihood.nats(drawing, seen, self._model.noise_sd)

    def _likelihood(
        self, posterior: Posterior, seen: Seen, sample: bool, source: Tiles | None
    ) -> tuple[Tensor, Tensor]:
        """Nats and residual of the windows ``(n, ...)``, or of a random part of them if the decoder is expensive."""
        model, count = self._model, len(posterior.mean)
        label = None
        if self._labels is not None and source is not None:
            label = self._labels[torch.from_numpy(source.frame)].repeat_interleave(count // len(source.frame))
            label = label.to(posterior.mean.device)
        most = model.decoder.most_windows
        if most is not None and count > most:
            picked = torch.randperm(count)[:most] if sample else torch.linspace(0, count - 1, 4 * most).long()
            posterior, label = posterior[picked], None if label is None else label[picked]
            seen = Seen(seen.normalised[picked], seen.level[picked], seen.spread[picked])
        content = posterior.mean
        if sample:
            content = content + posterior.log_sd.exp() * noise_like(content)
        drawing = model.decoder(content, model.pose(posterior, sample=sample), label)
        return model.likelihood.nats(drawing, seen, model.noise_sd)

    def _window_means(self, tiles: Tensor) -> Tensor:
        """Mean ``(N, windows, C)`` of every window in every channel, in the units of the tiles."""
        h, w = self._model.window
        step = (1 if h == 1 else self._stride, self._stride)
        return F.avg_pool2d(tiles, (h, w), step).flatten(2).transpose(1, 2)

    def _pairs(self, posterior: Posterior, grid: torch.Size, level: Tensor, source: Tiles | None) -> Pairs:
        """Pairs of windows of one tile: each window with a partner from one random permutation."""
        y, x = torch.meshgrid(*(torch.arange(n) for n in grid), indexing="ij")
        places = torch.stack([y.flatten(), x.flatten()], -1).float() * self._stride
        partner = torch.randperm(len(places))
        displacement = (places[partner] - places).expand(len(posterior.code), -1, -1)
        windows = self._windows(grid, level, source)
        return Pairs(posterior, posterior[:, partner], displacement, self._model.shift, windows)

    def _windows(self, grid: torch.Size, level: Tensor, source: Tiles | None) -> Windows:
        """Frame, centre and mean ``level (N, w)`` of the windows in a `grid` of rows and columns of all tiles."""
        h, w = self._model.window
        count, windows = level.shape
        places = self._stride * np.indices(tuple(grid)).reshape(2, -1).T + [(h - 1) / 2, (w - 1) / 2]
        frame = np.zeros(count, np.int64) if source is None else source.frame
        centre = np.broadcast_to(places, (count, windows, 2)) if source is None else source.in_frame(places)
        there = torch.from_numpy(frame).to(level.device), torch.from_numpy(centre.copy()).float().to(level.device)
        return Windows(there[0][:, None].expand(-1, windows), there[1], level)
