"""Train a shift-VAE on frames: the whole flow on one screen.

::

    frames -> lattice -> first guess -> tiles -> objective -> optimised -> anchored and calibrated model
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch

from .constraints import CONSTRAINTS
from .finishing.calibration import Coverage, widen_by_scatter
from .finishing.content_score import ContentScore, score_content
from .finishing.finish import content_of, finish
from .fitting.checkpoint import Checkpoint
from .fitting.course import Step
from .fitting.device import check_device
from .fitting.divide import divide, takes_all_frames
from .fitting.family import check_against_frames, labels_of_frames
from .fitting.objective import Objective
from .fitting.optimise import optimise
from .fitting.prepare import features_of, make_guess, prepare, tile_side
from .fitting.range_check import check_range
from .fitting.settings import Settings
from .fitting.teacher import Teacher
from .fitting.training_state import TrainingState
from .fitting.workers import ALONE, Workers, check_separable
from .guess.automatic import settle
from .guess.feature_guess import FeatureGuess
from .guess.first_guess import Guess
from .guess.grain_guess import GrainGuess
from .lattice.find import Lattice
from .lattice.grains import Grains
from .model.shift_vae import ShiftVAE
from .reservoir import Reservoir
from .sampling import (
    TILE_SIDE,
    TILE_STRIDE,
    Frames,
    TileSampler,
)
from .scans import has_contrast
from .start.head_fit import fit_head
from .training_frames import TrainingFrames

__all__ = ["Trained", "train"]


@dataclass(frozen=True)
class Trained:
    """A trained model and the record of its training.

    Attributes
    ----------
    model
        The model, in canonical form and calibrated.
    settings, choices
        Settings with all automatic choices filled in, and the reasons of those choices.
    lattice
        Lattice of the frames.
    history
        Looks at the held-out tiles.
    seconds
        CPU time.
    windows
        Number of training positions.
    kl_nats, spread
        Information in nats and standard deviation of each reported latent, shift first; see `manifest.Latent`.
    coverage
        Coverage of the posterior deviations before and after calibration.
    started_from
        SHA-256 of the model file whose training was continued; empty for a new model.
    weights, order
        Weights after the last step, before the canonical form and calibration; and the index there of each content
        latent. Training continues from these.
    content_score
        Score of the content beside that of the first guess; None where nothing varies, and without a lattice.
    grains
        Grains of the frames, in the bases of the model; None for a single one.
    prepared
        Numbers of the frames on which the training was prepared.
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
    started_from: str = ""
    weights: Mapping[str, torch.Tensor] = field(default_factory=dict)
    order: tuple[int, ...] = ()
    content_score: ContentScore | None = None
    grains: Grains | None = None
    prepared: tuple[int, ...] = ()


def train(
    frames: Frames,
    settings: Settings,
    *,
    start: TrainingState | None = None,
    checkpoint: Checkpoint | None = None,
    workers: Workers = ALONE,
    progress: Callable[[Step], None] | None = None,
    stage: Callable[[str], None] | None = None,
) -> Trained:
    """Train on ``frames``, ``(C, H, W)`` each in raw detector units; a signal has height 1.

    Parameters
    ----------
    frames
        Training data. Of many frames some are read to prepare the training, and the others while it goes on, see
        `TrainingFrames.sample` and `Reservoir`.
    settings
        Settings of the model and its training.
    start
        State from which to continue; its model is changed, and `settings` are those of it. Its latents keep their
        order.
    checkpoint
        File to go on from, if it is there, and to write while the model is optimised.
    workers
        Processes that share the batches of the optimiser, and their device. All but the first end with it.
    progress
        Called with every look at the held-out tiles.
    stage
        Called with words for the user: what begins, and what was found.

    Raises
    ------
    LatticeError
        for a torus shift, if no period is found, or another one than that of `start`.
    FrameError
        if the frames differ in shape.
    TrainingError, WindowError
        if the frames are too small or without contrast, or the encoder does not support the window.
    KeyboardInterrupt
        on Ctrl-C before the first look at the held-out tiles. Later, Ctrl-C ends the training early with the model of
        the best look.
    """
    every = TrainingFrames.of(frames)
    say = stage or (lambda _: None)
    check_range(every.limits)
    check_against_frames(settings, every)
    known = None if start is None else start.model
    prepared = every.sample(settings.seed)
    if takes_all_frames(settings, known):
        prepared = list(range(len(every)))
    frames = [every[number] for number in prepared]
    lit = [frame for frame in frames if has_contrast(frame)]
    started = time.process_time()
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    say("finding the lattice ...")
    area = divide(frames, lit, settings, known)
    if area.grains is not None and len(frames) < len(every):  # they are labelled in every frame
        prepared, frames = list(range(len(every))), every[:]
        lit = [frame for frame in frames if has_contrast(frame)]
        area = divide(frames, lit, settings, known)
    say(f"found: {area.lattice.reason}")
    say("choosing window and latents ...")
    reach = TILE_STRIDE * (TILE_SIDE[1 if frames[0].shape[1] == 1 else 2] - 1)
    choice = settle(settings, area.plain, area.first, reach=reach)
    weights = {"smooth": choice.smooth} | settings.constraints
    settings = replace(settings, window=choice.window, content=choice.content, constraints=weights)
    if start is None:
        say(f"chosen: window {choice.window} px, {choice.content} content latent{'s' * (choice.content != 1)}")
    say("placing the first guess ..." if start is None else "going on from a trained model ...")
    guess: Guess | None = None
    if start is None:
        area = area.with_room(frames, choice.window + reach)
        model, guess = prepare(frames, area.lattice, settings, choice, grains=area.grains, limits=every.limits)
        features = guess
    else:
        model, features = start.model, None
        if settings.shift == "planar":
            features = make_guess(frames, area.lattice, settings, (model.window, model.content, model.channel_scale))
    reach = TILE_STRIDE * (tile_side(frames, model.window) - 1)
    tile = (1 if model.dimensions == 1 else model.window[0] + reach, model.window[1] + reach)
    near = area.places(every, tile)
    if features is not None and settings.shift == "planar":
        near = [part.tile_places(i, tile) for part, i in features_of(features, range(len(frames)))]
    kept = Reservoir(every, prepared, seed=settings.seed)
    sampler = TileSampler(kept, tile, seed=settings.seed, places=near, turned=settings.rotation > 0)
    constraints = [CONSTRAINTS[name](weight) for name, weight in settings.constraints.items()]
    _, labels = labels_of_frames(settings.classes, known=model.classes)
    teacher = None
    if model.takes_rounds and isinstance(features, FeatureGuess):
        teacher = Teacher(model, features)
    conditions, terms = (*constraints, *settings.conditions), area.terms(sampler, near)
    objective = Objective(model, TILE_STRIDE, conditions, labels=labels, teacher=teacher, grains=terms)
    taught, several = teacher is not None, area.grains is not None
    check_separable(workers, settings, model.decoder, taught=taught, grains=several)
    check_device(workers.device, taught=taught, grains=several)
    if guess is not None:
        fit_head(model, guess, sampler)
    say(f"training, {settings.steps} steps ...")
    history = optimise(model, objective, sampler, guess, settings, progress, checkpoint, workers)
    if not workers.leads:
        sys.exit()  # the first process does what is left
    why = choice.reasons if not isinstance(guess, GrainGuess) else (*choice.reasons, guess.words)
    if (last := history[-1].step) < settings.steps:
        why = (*why, f"stopped early: the model of step {last} of {settings.steps}, the best on held-out regions")
        say(why[-1])
    say("calibrating the uncertainties ...")
    left = {name: value.clone() for name, value in model.state_dict().items()}
    done = finish(
        model,
        objective,
        sampler,
        content=None if teacher is not None else content_of(model, area.plain, area.first),
        order=None if start is None else start.order,
        seed=settings.seed,
        labels=labels,
    )
    kl_nats, spread, order = done.kl_nats, done.spread, done.order
    coverage = widen_by_scatter(model, lit, done.coverage)
    score = score_content(model, lit[0], area.first, kl_nats) if settings.shift == "torus" else None
    seconds = time.process_time() - started
    result = Trained(model, settings, area.lattice, history, seconds, sampler.places, kl_nats, spread, coverage, why)
    result = replace(result, weights=left, order=order, content_score=score, grains=area.grains)
    return replace(result, prepared=tuple(prepared))
