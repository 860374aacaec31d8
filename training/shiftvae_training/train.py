"""Train a shift-VAE on frames: the whole flow on one screen.

::

    frames -> lattice -> first guess -> tiles -> objective -> best on held-out regions -> anchored model
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from shiftvae_rt.errors import FrameError, TrainingError
from shiftvae_rt.manifest import USED_NATS
from shiftvae_rt.windows import window_statistics

from .automatic import Choice, settle
from .calibration import Coverage, calibrate, widen_by_scatter
from .canonical import settle_content, settle_shift
from .class_guess import ClassGuess, make_class_guess
from .constraints import CONSTRAINTS, Constraint
from .family import check_settings, labels_of_frames, make_member
from .feature_guess import FeatureGuess, make_feature_guess
from .first_guess import Guess, make_first_guess
from .lattice import Lattice, find_lattice
from .objective import Objective, Terms
from .sampling import Tiles, TileSampler
from .shift import PlanarShift, Shift, TorusShift
from .shift_vae import Posterior, ShiftVAE

__all__ = ["Settings", "Step", "Trained", "train"]

Frames = list[NDArray[Any]]

#: px between the windows of a tile, and windows along each side of it.
TILE_STRIDE = 4
TILE_SIDE = {1: 8, 2: 4}
#: Pixels of a batch, and the least tiles in it: large windows get fewer tiles a step.
BATCH_PIXELS = {1: 2048, 2: 35_000}
LEAST_TILES = 6
LEARNING_RATE = {"dilated": 8e-3, "narrow": 8e-3, "mlp": 4e-3}
#: Share of the steps over which the first guess lets go.
GUIDED = 0.3
#: The encoder's first content is this much larger than torch draws it: with 1, the variations were so faint in it that
#: the content vanished before it was learned. R2 on the standard scan after 400 steps: 0.93; with 1, nothing.
CONTENT_GAIN = 3.0
#: Weights of the first guess, nats.
GUIDE_SHIFT, GUIDE_CONTENT = 100.0, 50.0
#: ... of turn and size: at 100, the angle was not learned before the decoder had forgotten it.
GUIDE_POSE = 3000.0
#: Held-out tiles are looked at this often; training stops when it has not helped for so many looks.
LOOK_EVERY, PATIENCE = 50, 20
#: Windows on which the posterior deviations are calibrated.
CALIBRATING = 800
#: Frames that set the zero and the unit of the content, or more if they are small: so many pixels.
ZEROING, ZEROING_PIXELS = 8, 100_000
#: A batch has at least so many windows.
LEAST_WINDOWS = 96


@dataclass(frozen=True)
class Settings:
    """How to train.

    Parameters
    ----------
    window
        px; None chooses it, see `automatic`.
    content
        Number of content latents; None chooses it.
    encoder
        One of `networks.ENCODERS`.
    shift
        ``"torus"`` (needs a lattice) or ``"planar"`` (isolated features).
    constraints
        Weights by name, see `constraints`. A weight of ``"smooth"`` that is not given is chosen; 0 switches it off.
    conditions
        Further constraints, such as your own: see docs/constraints.md.
    steps
        Most optimiser steps; training ends earlier when held-out regions stop improving.
    seed
        Of everything that is random.
    threads
        Of torch.
    rotation
        The motif turns: 0 if not, else its symmetry; 1 if it never looks the same, n if it does after ``360 / n``
        degrees. Of isolated features.
    scale
        The motif comes in different sizes. Of isolated features.
    decoder
        ``"template"``, or ``"coordinate"``: the paper's, far slower.
    likelihood
        ``"gaussian"`` with learned noise, ``"poisson"`` for counts, ``"bernoulli"`` on data brought to 0..1.
    kl_shift, kl_content
        Weights of the divergences from the priors: how much the uncertainty of position, and of shape, is worth. They
        set the deviations as trained; the exported ones are calibrated (docs/benchmarks.md).
    classes
        Name of the class of each frame, which the decoder is told and the encoder is not; none by default.
    """

    window: int | None = None
    content: int | None = None
    encoder: str = "dilated"
    shift: str = "torus"
    constraints: dict[str, float] = field(default_factory=lambda: {"displacement": 100.0})
    conditions: tuple[Constraint, ...] = ()
    steps: int = 3000
    seed: int = 0
    threads: int = 1
    rotation: int = 0
    scale: bool = False
    decoder: str = "template"
    likelihood: str = "gaussian"
    kl_shift: float = 1.0
    kl_content: float = 1.0
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """One look at the held-out tiles: losses in nats for a window, noise in units of a window's sd."""

    step: int
    loss: float
    kl_shift: float
    kl_content: float
    noise_sd: float


@dataclass(frozen=True)
class Trained:
    """A trained model and how it came about.

    ``kl_nats`` and ``spread`` are for each latent, shift first; see `manifest.Latent`. ``seconds`` is CPU time.
    ``coverage`` says how well the posterior deviations, which `calibrate` has scaled, cover. ``settings`` leave nothing
    open any more, and ``choices`` say why.
    """

    model: ShiftVAE
    settings: Settings
    lattice: Lattice
    history: list[Step]
    seconds: float
    windows: int
    kl_nats: tuple[float, ...]
    spread: tuple[float, ...]
    coverage: tuple[Coverage, ...] = ()
    choices: tuple[str, ...] = ()


def train(frames: Frames, settings: Settings, *, progress: Callable[[Step], None] | None = None) -> Trained:
    """Train on ``frames``, ``(C, H, W)`` each in raw detector units; a signal has height 1.

    Raises
    ------
    LatticeError
        if a torus shift is wanted and no period is found.
    FrameError
        if the frames differ in shape.
    TrainingError, WindowError
        if the frames are too small or without contrast, or the encoder cannot have the window.
    """
    shapes = sorted({frame.shape for frame in frames})
    if len(shapes) != 1:
        raise FrameError(f"expected frames of one shape (channels, height, width), got {shapes}: train on one kind")
    if all(frame.min() == frame.max() for frame in frames):
        raise TrainingError("the frames are constant: the beam is blanked or the wrong dataset was read")
    check_settings(settings, frames)
    started = time.process_time()
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    lattice = find_lattice(frames)
    choice = settle(settings, frames, lattice, reach=TILE_STRIDE * (TILE_SIDE[1 if frames[0].shape[1] == 1 else 2] - 1))
    weights = {"smooth": choice.smooth} | settings.constraints
    settings = replace(settings, window=choice.window, content=choice.content, constraints=weights)
    model, guess = _prepare(frames, lattice, settings, choice)
    reach = TILE_STRIDE * (_tile_side(frames, model.window) - 1)
    tile = (1 if model.dimensions == 1 else model.window[0] + reach, model.window[1] + reach)
    near = None
    if settings.shift == "planar":
        near = [features.tile_places(i, tile) for features, i in _features(guess, range(len(frames)))]
    sampler = TileSampler(frames, tile, seed=settings.seed, places=near)
    constraints = [CONSTRAINTS[name](weight) for name, weight in settings.constraints.items()]
    _, labels = labels_of_frames(settings.classes)
    objective = Objective(model, TILE_STRIDE, (*constraints, *settings.conditions), labels=labels)
    history = _optimise(model, objective, sampler, guess, settings, progress)
    kl_nats, spread = _finish(model, objective, sampler, frames)
    coverage = _calibrate(model, sampler, kl_nats, settings.seed, labels)
    coverage = widen_by_scatter(model, frames, coverage)
    seconds = time.process_time() - started
    why = choice.reasons
    return Trained(model, settings, lattice, history, seconds, sampler.places, kl_nats, spread, coverage, why)


def _prepare(frames: Frames, lattice: Lattice, settings: Settings, choice: Choice) -> tuple[ShiftVAE, Guess]:
    """Model with its window, scaling and shift, started from the first guess."""
    dimensions = 1 if frames[0].shape[1] == 1 else 2
    torus = settings.shift == "torus"
    size, content = choice.window, choice.content
    window = (1 if dimensions == 1 else size, size)
    sd = np.stack(
        [
            np.median([window_statistics(f, window, max(1, size // 2))[1][c] for f in frames[:8]])
            for c in range(len(frames[0]))
        ]
    )
    if not (sd > 0).all():
        raise TrainingError("a channel of the frames has no contrast: train on an area with structure")
    scale = tuple(float(1 / s) for s in sd)
    scaled = [frame.astype(np.float64) * np.reshape(scale, (-1, 1, 1)) for frame in frames]

    def make(some: list[NDArray[np.float64]]) -> Guess:
        if torus:
            return make_first_guess(some, lattice, window=window, content=content)
        return make_feature_guess(some, window=window, content=content, fold=settings.rotation, scale=settings.scale)

    _, labels = labels_of_frames(settings.classes)
    guess = make(scaled) if labels is None else make_class_guess(scaled, labels.tolist(), make)
    shift: Shift
    if torus:
        shift = TorusShift(torch.tensor(lattice.vectors, dtype=torch.float32))
    else:
        beside = TILE_STRIDE * (_tile_side(frames, window) - 1) / 2 + 1
        parts = guess.parts if isinstance(guess, ClassGuess) else [guess]
        shift = PlanarShift(dimensions, max(f.reach(beside) for f in parts if isinstance(f, FeatureGuess)))
    level = np.array([frame.mean(axis=(1, 2)) for frame in frames[:8]]).mean(axis=0)
    member = make_member(settings, frames, level, sd)
    model = ShiftVAE(settings.encoder, window, scale, shift=shift, content=content, sd_floor=0.01, member=member)
    _start_from(model, guess)
    return model, guess


def _features(guess: Guess, frames: Iterable[int]) -> Iterator[tuple[FeatureGuess, int]]:
    """For each of `frames`, the guess that knows its features, and the frame's number there."""
    for frame in frames:
        part, number = guess.of(frame) if isinstance(guess, ClassGuess) else (guess, int(frame))
        if isinstance(part, FeatureGuess):
            yield part, number


def _tile_side(frames: Frames, window: tuple[int, int]) -> int:
    """Windows along each side of a tile; 1 where the frames are windows already."""
    return 1 if frames[0].shape[1:] == window else TILE_SIDE[1 if window[0] == 1 else 2]


@torch.no_grad()
def _start_from(model: ShiftVAE, guess: Guess) -> None:
    """Draw the guess into the decoder; let the encoder start with much content, and little noise on it."""
    y, x = (place.double().numpy() for place in model.decoder.places())
    parts = guess.parts if isinstance(guess, ClassGuess) else [guess]
    drawn = [
        model.likelihood.start(*(torch.from_numpy(image).float() for image in part.images(y, x))) for part in parts
    ]
    model.decoder.start_from(torch.stack([d[0] for d in drawn]), torch.stack([d[1] for d in drawn]))
    last = model.encoder.linears[-1]
    at = model.shift.size
    for latent in model.further:  # as wide as its prior, it would be of no use to the decoder, which forgets the guess
        at += latent.size
        last.weight[at - 1] *= 0.1
        last.bias[at - 1] = -2.0
    if model.content:
        last.weight[-2 * model.content : -model.content] *= CONTENT_GAIN
        last.weight[-model.content :] *= 0.1
        last.bias[-model.content :] = -2.0


def _optimise(
    model: ShiftVAE,
    objective: Objective,
    sampler: TileSampler,
    guess: Guess,
    settings: Settings,
    progress: Callable[[Step], None] | None,
) -> list[Step]:
    """Adam with warm-up and cosine decay; the model ends as it was at its best look at the held-out tiles."""
    rate, steps = LEARNING_RATE[settings.encoder], settings.steps
    optimiser = torch.optim.Adam(model.parameters(), lr=rate, betas=(0.9, 0.99))
    scale = torch.tensor(model.channel_scale)[:, None, None]
    unseen = sampler.held_out(sampler.some)
    held_out = torch.from_numpy(unseen.pixels) * scale
    inside = math.prod(1 + (n - w) // TILE_STRIDE for n, w in zip(held_out.shape[2:], model.window, strict=True))
    count = max(LEAST_TILES, BATCH_PIXELS[model.dimensions] // held_out[0, 0].numel(), -(-LEAST_WINDOWS // inside))
    history: list[Step] = []
    best, best_at, best_state = math.inf, 0, model.state_dict()
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate * min((step + 1) / 50, 0.5 + 0.5 * math.cos(math.pi * step / steps))
        tiles = sampler.draw(count)
        terms, posterior = objective(torch.from_numpy(tiles.pixels) * scale, source=tiles)
        loss = terms.total(settings.kl_shift, settings.kl_content * min(1.0, 0.05 + 1.9 * step / steps))
        if step < GUIDED * steps:
            loss = loss + (1 - step / (GUIDED * steps)) * _off_guess(model, guess, tiles, posterior)
        if not torch.isfinite(loss):
            raise TrainingError(f"the loss became {loss.item()} at step {step + 1}: report this scan as a bug")
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch gives it no types
        optimiser.step()
        _follow_noise(model, terms, 0.1 if step > 5 else 1.0)
        if (step + 1) % LOOK_EVERY and step + 1 < steps:
            continue
        look = _look(objective, held_out, unseen, step + 1, model, settings)
        history.append(look)
        if progress is not None:
            progress(look)
        if not math.isfinite(look.loss):
            raise TrainingError(f"the loss became {look.loss} at step {step + 1}: report this scan as a bug")
        if look.loss < best and step > GUIDED * steps:
            best, best_state = look.loss, {k: v.clone() for k, v in model.state_dict().items()}
            best_at = len(history)
        elif step > 0.5 * steps and len(history) - best_at >= PATIENCE:
            break
    model.load_state_dict(best_state)
    return history


def _off_guess(model: ShiftVAE, guess: Guess, tiles: Tiles, posterior: Posterior) -> torch.Tensor:
    """How far shift and content of the windows are from the first guess, weighted, nats."""
    side = round(posterior.mean.shape[1] ** (1 / model.dimensions))
    y, x = np.meshgrid(
        *(np.arange(1 if n == 1 else side) * TILE_STRIDE + (n - 1) / 2 for n in model.window), indexing="ij"
    )
    places = [
        (int(f), y.ravel() + origin[0], x.ravel() + origin[1])
        for f, origin in zip(tiles.frame, tiles.origin, strict=True)
    ]
    wanted = [guess.wanted(*place) for place in places]
    shift, content, weight = (torch.from_numpy(np.stack(part)).float() for part in zip(*wanted, strict=True))
    off_content = (posterior.mean - content).square().sum(-1)
    off_pose = GUIDE_SHIFT * model.shift.miss(posterior.code, shift)
    if model.further:
        poses = [
            features.wanted_pose(i, y, x)
            for (features, i), (_, y, x) in zip(_features(guess, tiles.frame), places, strict=True)
        ]
        turn, size = torch.from_numpy(np.stack(poses)).float().unbind(-1)
        for latent, code in zip(model.further, posterior.further, strict=True):
            off_pose = off_pose + GUIDE_POSE * latent.miss(code, turn if latent.kind == "rotation" else size)
    return (weight * (off_pose + GUIDE_CONTENT * off_content)).mean()


@torch.no_grad()
def _follow_noise(model: ShiftVAE, terms: Terms, share: float) -> None:
    """Maximum-likelihood noise: a running mean of the residual's variance."""
    model.noise_sd.copy_(((1 - share) * model.noise_sd.square() + share * terms.residual).sqrt())


@torch.no_grad()
def _look(
    objective: Objective, held_out: torch.Tensor, source: Tiles, step: int, model: ShiftVAE, settings: Settings
) -> Step:
    sample = settings.likelihood == "bernoulli"  # its posteriors are so wide that means tell little of the bound
    with torch.random.fork_rng(enabled=sample):
        if sample:
            torch.manual_seed(settings.seed)  # the same samples at every look
        terms, _ = objective(held_out, sample=sample, source=source)
    return Step(
        step,
        float(terms.total(settings.kl_shift, settings.kl_content)),
        float(terms.kl_shift),
        float(terms.kl_content),
        float(model.noise_sd),
    )


@torch.no_grad()
def _finish(
    model: ShiftVAE, objective: Objective, sampler: TileSampler, frames: Frames
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Settle shift and content, tie the shift to the brightest column; information and spread of each latent.

    Both on held-out and on fresh tiles.
    """
    tiles, source = _tiles_for_looking(model, sampler)
    _, posterior = objective(tiles, sample=False, source=source)
    content_kl = 0.5 * (posterior.mean.square() + (2 * posterior.log_sd).exp() - 1 - 2 * posterior.log_sd).mean((0, 1))
    shift_kl = float(model.shift.kl(posterior.code).mean()) / model.dimensions
    further_kl = [float(o.kl(code).mean()) for o, code in zip(model.further, posterior.further, strict=True)]
    content_kl = content_kl[settle_content(model, _content_of(model, frames), content_kl)]
    settle_shift(model, tiles)
    _, posterior = objective(tiles, sample=False, source=source)
    content_sd = posterior.mean.std((0, 1)) if model.content else torch.zeros(0)
    model.set_anchor(content_sd)
    mean, _ = model.latents(posterior)
    kl = [*[shift_kl] * model.dimensions, *further_kl, *(float(v) for v in content_kl)]
    return tuple(kl), tuple(float(v) for v in mean.flatten(0, 1).std(0))


def _tiles_for_looking(model: ShiftVAE, sampler: TileSampler) -> tuple[torch.Tensor, Tiles]:
    """Held-out and fresh tiles, scaled: half of each."""
    parts = [sampler.held_out(sampler.some), sampler.draw(sampler.some)]
    tiles = Tiles(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("pixels", "frame", "origin")))
    return torch.from_numpy(tiles.pixels) * torch.tensor(model.channel_scale)[:, None, None], tiles


def _content_of(model: ShiftVAE, frames: Frames) -> torch.Tensor:
    """Content ``(n, m)`` of windows all over a few of the frames, so that its mean is theirs and not that of a draw."""
    parts = []
    for frame in frames[:: -(-len(frames) // max(ZEROING, ZEROING_PIXELS // frames[0].size))]:
        centred = frame - frame.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
        mean, _ = model.map_frame(centred.astype(np.float32), max(4, model.window[1] // 8 * 4))
        parts.append(torch.from_numpy(mean[model.first_content :]).flatten(1).T)
    return torch.cat(parts)


@torch.no_grad()
def _calibrate(
    model: ShiftVAE, sampler: TileSampler, kl_nats: tuple[float, ...], seed: int, labels: torch.Tensor | None
) -> tuple[Coverage, ...]:
    """Make the posterior deviations cover, on windows of held-out and of fresh tiles."""
    tiles, source = _tiles_for_looking(model, sampler)
    cut, _ = model.windows(tiles - tiles.mean(dim=(-1, -2), keepdim=True), TILE_STRIDE)
    windows = cut.flatten(0, 2)
    picked = torch.randperm(len(windows), generator=torch.Generator().manual_seed(seed))[:CALIBRATING]
    used = tuple(kl >= USED_NATS for kl in kl_nats[model.first_content :])
    label = None
    if labels is not None:
        label = labels[torch.from_numpy(source.frame)].repeat_interleave(len(windows) // len(tiles))[picked]
    return calibrate(model, windows[picked], used, seed=seed, label=label)
