"""The training loop: Adam on random tiles, with losses on held-out regions along the way."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from shiftvae_rt.errors import TrainingError

from ..guess.first_guess import FirstGuess, Guess
from ..model.encoder_families import ENCODERS
from ..model.pose import Posterior
from ..model.shift_vae import ShiftVAE
from ..sampling import TILE_STRIDE, Tiles, TileSampler
from ..turning import turn_vectors
from .adam import Adam
from .checkpoint import Checkpoint
from .course import Course, Step
from .device import model_on
from .objective import Objective
from .prepare import features_of
from .settings import Settings
from .workers import ALONE, Workers

__all__ = ["optimise"]

#: Number of pixels of a batch by dimension, and its least number of tiles: large windows get fewer tiles per step.
BATCH_PIXELS = {1: 2048, 2: 35_000}
LEAST_TILES = 6
#: Number of tiles of a batch of a model that learns from a teacher.
TAUGHT_TILES = 6
#: Share of the steps over which the weight of the first guess falls to 0 for the mlp, and where frames without a guess
#: follow; else it falls over all steps.
GUIDED = 0.3
#: Initial weights of the first guess of shift and content, nats.
GUIDE_SHIFT, GUIDE_CONTENT = 100.0, 50.0
#: Initial weight of the first guess of the order latents, nats.
GUIDE_ORDER = 50.0
#: Initial weight of the first guess of rotation and scale, nats: with 100, the decoder forgot the angle too early.
GUIDE_POSE = 3000.0
#: Learning rate when the training of a model continues, as a share of the family's.
RATE_AGAIN = 0.3
#: Learning rates of stem and head that start from the guess, as shares of the family's. More lost faint content.
STEM_RATE, HEAD_RATE = 0.1, 0.3
#: Learning rate of the last step, as a share of the largest.
LAST_RATE = 0.5
#: Number of steps between looks at the held-out tiles.
LOOK_EVERY = 100
#: Least number of windows in a batch.
LEAST_WINDOWS = 96


def optimise(
    model: ShiftVAE,
    objective: Objective,
    sampler: TileSampler,
    guess: Guess | None,
    settings: Settings,
    progress: Callable[[Step], None] | None,
    checkpoint: Checkpoint | None = None,
    workers: Workers = ALONE,
) -> list[Step]:
    """Train `model` in place by Adam, with warm-up and cosine decay of the learning rate.

    What is looked at and kept is the average of the weights over the last tenth of the steps, see `WeightAverage`.

    A `guess` of None means that the model is already trained: all terms count from the first step, the learning rate is
    lower, and there is a look before the first step.

    That after the last step is kept. The loss on held-out tiles does not select it: that loss rises slightly while
    the decoder learns the noise of its pixels and the encoder still improves, so that the best look has an encoder far
    from converged. A `KeyboardInterrupt` ends the training early with the model of the best look, where the history
    ends; before the first look it is raised.

    Parameters
    ----------
    model, objective, sampler
        The model, the objective that it minimises, and the sampler of its tiles.
    guess
        First guess, which guides the first steps.
    settings
        Settings of the training.
    progress
        Called with every look.
    checkpoint
        File from which the training goes on, if it is there, and to which it is written.
    workers
        Processes that share the batches, and their device; every one of them ends with the same model.

    Returns
    -------
    list of Step
        All looks at the held-out tiles; the last is that of the model.

    Raises
    ------
    TrainingError
        if the loss is not finite, or for a checkpoint of another training.
    """
    with model_on(workers.device, model):
        return _optimise(model, objective, sampler, guess, settings, progress, checkpoint, workers)


def _optimise(
    model: ShiftVAE,
    objective: Objective,
    sampler: TileSampler,
    guess: Guess | None,
    settings: Settings,
    progress: Callable[[Step], None] | None,
    checkpoint: Checkpoint | None,
    workers: Workers,
) -> list[Step]:
    """Optimise a model that is on the device of `workers`."""
    steps, again = settings.steps, guess is None
    kind = ENCODERS[settings.encoder]
    guided = steps * (1.0 if kind.measures_waves and not sampler.has_further_frames else GUIDED)
    rate = kind.learning_rate * (RATE_AGAIN if again else 1.0)
    optimiser = Adam(model.parameters(), _shares(model))
    scale = torch.tensor(model.channel_scale)[:, None, None]
    unseen = sampler.held_out(sampler.some)
    held_out = torch.from_numpy(unseen.pixels).to(workers.device) * scale
    inside = math.prod(1 + (n - w) // TILE_STRIDE for n, w in zip(held_out.shape[2:], model.window, strict=True))
    count = max(LEAST_TILES, BATCH_PIXELS[model.dimensions] // held_out[0, 0].numel(), -(-LEAST_WINDOWS // inside))
    if model.takes_rounds:
        count = TAUGHT_TILES
    workers.check_batch(count)
    course = Course(model, optimiser, [sampler.random, *objective.generators])
    resumed = checkpoint is not None and checkpoint.restore(course)
    workers.check_together(course.step)

    def look(step: int) -> None:
        with course.average.in_place():
            found = _look(objective, held_out, unseen, step, model, settings)
            if not math.isfinite(found.loss):
                raise TrainingError(f"the loss became {found.loss} at step {step}: report this scan as a bug")
            course.add(found)
        if progress is not None:
            progress(found)

    try:
        if again and not resumed:
            look(0)
        for step in range(course.step, steps):
            decayed = LAST_RATE + (1 - LAST_RATE) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
            sampler.refill(step if again else step - guided)
            with workers.share(sampler.draw(count)) as tiles:
                terms, posterior = objective(torch.from_numpy(tiles.pixels).to(workers.device) * scale, source=tiles)
                warm = 1.0 if again else min(1.0, 0.05 + 1.9 * step / steps)
                loss = terms.total(settings.kl_shift, settings.kl_content * warm)
                if guess is not None and not model.takes_rounds and step < guided:
                    known = replace(tiles, frame=sampler.place_among_first(tiles.frame))
                    loss = loss + (1 - step / guided) * _off_guess(model, guess, known, posterior)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch gives it no types
            loss, residual = workers.average(list(model.parameters()), [loss, terms.residual], count)
            if not torch.isfinite(loss):
                raise TrainingError(f"the loss became {loss.item()} at step {step + 1}: report this scan as a bug")
            optimiser.step(rate * min((step + 1) / 50, decayed))
            _follow_noise(model, residual, 0.1 if again or step > 5 else 1.0)
            course.step = step + 1
            course.average.add(course.step)
            if looking := course.step % LOOK_EVERY == 0 or course.step == steps:
                look(course.step)
            if checkpoint is not None and workers.leads and (looking or checkpoint.is_due()):
                checkpoint.write(course)
        course.average.put()
    except KeyboardInterrupt:
        if not course.history:
            raise
        model.load_state_dict(course.best)
        del course.history[course.best_look + 1 :]
    return course.history


def _shares(model: ShiftVAE) -> list[float]:
    """Share of the learning rate that each parameter has."""
    shares: dict[torch.nn.Parameter, float] = {}
    if model.encoder.turned is not None:
        shares |= dict.fromkeys(model.encoder.stem, STEM_RATE)
        shares |= dict.fromkeys(model.encoder.head.parameters(), HEAD_RATE)
    return [shares.get(parameter, 1.0) for parameter in model.parameters()]


def _off_guess(model: ShiftVAE, guess: Guess, tiles: Tiles, posterior: Posterior) -> torch.Tensor:
    """Weighted squared distance of shift, pose and content of the windows from the first guess, nats."""
    centres = tiles.window_centres(model.window)
    places = [(int(f), *centre.T) for f, centre in zip(tiles.frame, centres, strict=True)]
    shifts, contents, weights = zip(*(guess.targets_at(*place) for place in places), strict=True)
    moved = np.stack(shifts) if tiles.turn is None else turn_vectors(np.stack(shifts), tiles.turn)
    device = posterior.mean.device
    shift = torch.from_numpy(moved).float().to(device)
    content, weight = (torch.from_numpy(np.stack(part)).float().to(device) for part in (contents, weights))
    off_content = (posterior.mean - content).square().sum(-1)
    off_pose = GUIDE_SHIFT * model.shift.distance(posterior.code, shift)
    if model.further:
        poses = [
            features.target_poses_at(i, y, x)
            for (features, i), (_, y, x) in zip(features_of(guess, tiles.frame), places, strict=True)
        ]
        turn, size = torch.from_numpy(np.stack(poses)).float().to(device).unbind(-1)
        if tiles.turn is not None:
            turn = turn + torch.from_numpy(tiles.turn).float().to(device)[:, None]
        for latent, code in zip(model.further, posterior.further, strict=True):
            off_pose = off_pose + GUIDE_POSE * latent.distance(code, turn if latent.kind == "rotation" else size)
    if model.order is not None and posterior.order is not None and isinstance(guess, FirstGuess) and guess.order:
        order = np.stack([guess.order.targets_at(*place) for place in places]).astype(np.complex64)
        off_pose = off_pose + GUIDE_ORDER * model.order.distance(posterior.order, torch.from_numpy(order).to(device))
    return (weight * (off_pose + GUIDE_CONTENT * off_content)).mean()


@torch.no_grad()
def _follow_noise(model: ShiftVAE, residual: torch.Tensor, share: float) -> None:
    """Update the noise, the running maximum-likelihood estimate from the residual's variance."""
    model.noise_sd.copy_(((1 - share) * model.noise_sd.square() + share * residual).sqrt())


@torch.no_grad()
def _look(
    objective: Objective, held_out: torch.Tensor, source: Tiles, step: int, model: ShiftVAE, settings: Settings
) -> Step:
    sample = settings.likelihood == "bernoulli"  # its posteriors are too wide for their means to show the ELBO
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
