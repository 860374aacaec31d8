"""Bring a trained model to its canonical form, and calibrate its deviations.

::

    zero, sign and unit of the content -> anchor of the shift -> information and spread -> deviations that cover
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from shiftvae_rt.model.manifest import USED_NATS

from ..fitting.divide import on_the_lattice
from ..fitting.objective import Objective
from ..fitting.teacher import information, shows_motif
from ..lattice.find import Lattice
from ..model.grain_shift import GrainShift
from ..model.shift_vae import ShiftVAE
from ..sampling import TILE_STRIDE, Frames, Tiles, TileSampler
from .calibration import Coverage, calibrate
from .canonical import settle_content, settle_shift
from .settle_order import settle_order

__all__ = ["Finished", "content_of", "finish"]

#: Number of windows on which the posterior deviations are calibrated.
CALIBRATING = 800
#: Number of frames that set the zero and the unit of the content; small frames are more, with this many pixels in all.
ZEROING, ZEROING_PIXELS = 8, 100_000


@dataclass(frozen=True)
class Finished:
    """Measures of a model that was brought to its canonical form.

    Attributes
    ----------
    kl_nats, spread
        Information in nats and standard deviation of each reported latent, shift first.
    order
        Index of each content latent before they were put in order.
    coverage
        Coverage of the posterior deviations before and after calibration.
    """

    kl_nats: tuple[float, ...]
    spread: tuple[float, ...]
    order: tuple[int, ...]
    coverage: tuple[Coverage, ...]


def finish(
    model: ShiftVAE,
    objective: Objective,
    sampler: TileSampler,
    *,
    content: torch.Tensor | None,
    order: tuple[int, ...] | None,
    seed: int,
    labels: torch.Tensor | None,
) -> Finished:
    """Bring `model` to its canonical form, in place, and calibrate it.

    Parameters
    ----------
    model
        The model after its last step.
    objective, sampler
        Those of its training.
    content
        ``(n, m)``, see `content_of`: sets the zero and the unit of the content. None for a model that takes rounds,
        whose tiles set them.
    order
        Order of the content latents to keep; None finds one.
    seed
        Chooses the windows of the calibration.
    labels
        ``(frames,)`` class of each frame; None without classes.
    """
    if content is None:
        order = _settle_rounds(model, sampler, order)
        coverage = _calibrate(model, sampler, (np.inf,) * len(model.names), seed, labels)
        return Finished(*_measure_rounds(model, sampler), order, coverage)
    kl_nats, spread, order = _settle(model, objective, sampler, content, order)
    return Finished(kl_nats, spread, order, _calibrate(model, sampler, kl_nats, seed, labels))


def content_of(model: ShiftVAE, frames: Frames, lattice: Lattice) -> torch.Tensor:
    """Content ``(n, m)`` of windows from all over a few frames, whose mean has no sampling error."""
    parts, step = [], max(4, model.window[1] // 8 * 4)
    seen = torch.from_numpy(on_the_lattice(frames[0], lattice, model.window)[::step, ::step].copy())
    for frame in frames[:: -(-len(frames) // max(ZEROING, ZEROING_PIXELS // frames[0].size))]:
        centred = frame - frame.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
        mean, _ = model.map_frame(centred.astype(np.float32), step)
        parts.append(torch.from_numpy(mean[model.first_content :])[:, seen].T)
    return torch.cat(parts)


@torch.no_grad()
def _settle(
    model: ShiftVAE, objective: Objective, sampler: TileSampler, content: torch.Tensor, order: tuple[int, ...] | None
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[int, ...]]:
    """Bring shift and content to canonical form and set the anchor.

    ``content (n, m)`` sets zero and unit of the content. Returns information in nats and spread of each reported
    latent, measured on held-out and fresh tiles, and the order of the content latents from `settle_content`.
    """
    tiles, source = _tiles_for_looking(model, sampler)
    _, posterior = objective(tiles, sample=False, source=source)
    content_kl = 0.5 * (posterior.mean.square() + (2 * posterior.log_sd).exp() - 1 - 2 * posterior.log_sd).mean((0, 1))
    shift_kl = float(model.shift.kl(posterior.code).mean()) / model.dimensions
    further_kl = [float(o.kl(code).mean()) for o, code in zip(model.further, posterior.further, strict=True)]
    settled = settle_content(model, content, content_kl, order=order)
    content_kl = content_kl[settled]
    settle_shift(model, tiles)
    _, posterior = objective(tiles, sample=False, source=source)
    model.set_anchor(posterior.mean.flatten(0, 1))
    if order_kl := settle_order(model, posterior):
        further_kl, (_, posterior) = order_kl, objective(tiles, sample=False, source=source)
    mean, _ = model.latents(posterior)
    if isinstance(model.shift, GrainShift):
        further_kl.insert(0, model.shift.information(posterior.code))
    kl = [*[shift_kl] * model.dimensions, *further_kl, *(float(v) for v in content_kl)]
    return tuple(kl), tuple(float(v) for v in mean.flatten(0, 1).std(0)), tuple(settled)


@torch.no_grad()
def _settle_rounds(model: ShiftVAE, sampler: TileSampler, order: tuple[int, ...] | None) -> tuple[int, ...]:
    """Bring the content of a model with rounds to canonical form; gives the order from `settle_content`."""
    model.set_rounds()
    mean, sd = _latents_of_tiles(model, sampler)
    first = model.first_content
    settled = settle_content(model, mean[:, first:], information(model, mean, sd)[first:], order=order)
    model.set_rounds()
    return tuple(settled)


@torch.no_grad()
def _measure_rounds(model: ShiftVAE, sampler: TileSampler) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Information in nats and spread of each reported latent of a calibrated model with rounds."""
    mean, sd = _latents_of_tiles(model, sampler)
    return tuple(information(model, mean, sd).tolist()), tuple(mean.std(0).tolist())


def _latents_of_tiles(model: ShiftVAE, sampler: TileSampler) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and sd ``(n, L)`` of windows of held-out and fresh tiles that show the motif."""
    tiles, _ = _tiles_for_looking(model, sampler)
    _, deviation = model.windows(tiles, TILE_STRIDE)
    mean, sd = (part.flatten(0, 2) for part in model.read(tiles, deviation, TILE_STRIDE))
    seen = shows_motif(sd)
    return mean[seen], sd[seen]


def _tiles_for_looking(model: ShiftVAE, sampler: TileSampler) -> tuple[torch.Tensor, Tiles]:
    """Held-out and fresh tiles, scaled: half of each."""
    parts = [sampler.held_out(sampler.some), sampler.draw(sampler.some)]
    tiles = Tiles(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("pixels", "frame", "origin")))
    return torch.from_numpy(tiles.pixels) * torch.tensor(model.channel_scale)[:, None, None], tiles


@torch.no_grad()
def _calibrate(
    model: ShiftVAE, sampler: TileSampler, kl_nats: tuple[float, ...], seed: int, labels: torch.Tensor | None
) -> tuple[Coverage, ...]:
    """Calibrate the posterior deviations on windows of held-out and fresh tiles."""
    tiles, source = _tiles_for_looking(model, sampler)
    cut, _ = model.windows(tiles - tiles.mean(dim=(-1, -2), keepdim=True), TILE_STRIDE)
    windows = cut.flatten(0, 2)
    if model.rounds is not None:
        windows = windows[shows_motif(model.read(windows, torch.ones(len(windows), 1, 1), 1)[1][:, 0, 0])]
    picked = torch.randperm(len(windows), generator=torch.Generator().manual_seed(seed))[:CALIBRATING]
    used = tuple(kl >= USED_NATS for kl in kl_nats[model.first_content :])
    label = None
    if labels is not None:
        label = labels[torch.from_numpy(source.frame)].repeat_interleave(len(windows) // len(tiles))[picked]
    return calibrate(model, windows[picked], used, seed=seed, label=label)
