"""Training in one call, from frames to a model: the flow of ``shiftvae train``, and its Python interface.

::

    frames -> gather_scans -> Settings -> train -> make_model_file -> TrainedModel
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec
import numpy as np
import torch

import shiftvae_rt
from shiftvae_rt.frame import PixelSize

from .constraints import Constraint
from .continuation import check_same_kind, settings_to_go_on
from .export import make_model_file
from .fitting.checkpoint import Checkpoint
from .fitting.course import Step
from .fitting.device import CPU, DeviceName, choose_device
from .fitting.field_rules import Rule, check_field, flag, whole
from .fitting.progress import Progress
from .fitting.settings import MOST_CONTENT, Settings
from .fitting.training_state import unpack_state
from .fitting.workers import ALONE, Workers
from .gather import Given, gather_scans
from .golden import Parity
from .lattice.cell import Cell
from .model.decoder import DecoderName
from .model.likelihood import LikelihoodName
from .model.shift import ShiftName
from .scans import Scans
from .train import Trained, train
from .trained.trained_model import TrainedModel

__all__ = ["Callback", "EncoderName", "Fitted", "fit", "fit_scans"]

#: Function called after every look at the held-out regions; it may raise KeyboardInterrupt to end the training.
Callback: TypeAlias = Callable[[Step], object]
#: Names of the encoder families: those included, or one added to `ENCODERS`.
EncoderName: TypeAlias = Literal["convolutional", "mlp"] | str


@dataclass(frozen=True)
class Fitted:
    """A model, its training, and the parity of its graphs with torch."""

    model: TrainedModel
    trained: Trained
    parity: Parity


def fit(
    frames: Given,
    *,
    pixel_size_nm: PixelSize = None,
    channels: bool = False,
    signals: bool = False,
    window: int | Literal["auto"] = "auto",
    latents: int | Literal["auto"] = "auto",
    encoder: EncoderName = "convolutional",
    shift: ShiftName = "torus",
    cell: Cell = "auto",
    rotation: int = 0,
    scale: bool = False,
    decoder: DecoderName = "template",
    likelihood: LikelihoodName = "gaussian",
    kl_shift: float = 1.0,
    kl_content: float = 1.0,
    constraints: Mapping[str, float] | None = None,
    conditions: Sequence[Constraint] = (),
    classes: Sequence[str] = (),
    steps: int = 1000,
    seed: int = 0,
    threads: int = 1,
    device: DeviceName = "cpu",
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
    start: TrainedModel | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    report: bool = True,
) -> TrainedModel:
    """Train a model on frames, with bitwise the same result as ``shiftvae train``.

    Ctrl-C (in a notebook, "interrupt") ends the training early and keeps the model of the best look at the held-out
    regions; before the first look it raises KeyboardInterrupt. Torch's random state and threads are restored
    afterwards.

    Parameters
    ----------
    frames
        An array in raw detector units, an image ``(H, W)`` or a stack ``(N, H, W)``; a `Frame`; the path of a
        microscope file; or a list of any of these. All frames have one shape.
    pixel_size_nm
        Edge of a pixel of all frames, nm, or ``(y, x)``; None takes it from frames and files.
    channels
        Whether arrays are ``(C, H, W)`` or ``(N, C, H, W)``.
    signals
        Whether arrays and files are 1D: ``(L,)``, or one signal per row ``(N, L)``; with `channels` ``(C, L)`` or
        ``(N, C, L)``.
    window
        Edge of a window, px, at least 4; ``"auto"`` chooses it from the lattice.
    latents
        Number of content latents, 0 to 8; ``"auto"`` chooses it.
    encoder
        ``"convolutional"``, ``"mlp"`` (the network of the paper), or the name of a family added to `ENCODERS`.
    shift
        ``"torus"`` for a lattice; ``"planar"`` for isolated features, one per window, which needs `window`.
    cell
        Which cell is taken where the sample has a superlattice: ``"auto"`` the larger one if its satellites are clear
        all over the frame, without antiphase walls, ``"parent"`` the smaller, ``"super"`` the larger; or two vectors
        (y, x) in px.
    rotation
        Rotational symmetry of features that turn (planar only): 1 for none, n if a feature looks the same after
        ``360 / n`` degrees; 0 if features do not turn.
    scale
        Whether features differ in size (planar only).
    decoder
        ``"template"``, or ``"coordinate"``, the much slower decoder of the paper.
    likelihood
        ``"gaussian"`` with learned noise, ``"poisson"`` for counts, ``"bernoulli"`` for data scaled to 0..1.
    kl_shift, kl_content
        Weights of the KL divergences from the priors, at least 0.
    constraints
        Weights of the named constraints, in addition to ``{"displacement": 100}``; 0 switches one off.
    conditions
        Further constraints: objects with a ``weight``, called with pairs of windows.
    classes
        Name of the class of each frame, on which the decoder is conditioned; none by default.
    steps
        Largest number of optimiser steps.
    seed
        Seed of everything that is random.
    threads
        Number of threads of torch.
    device
        Where the steps run: ``"cpu"``, ``"cuda"``, or ``"auto"``, which takes a GPU where CUDA finds one.
    progress
        Whether to show stages and a progress bar, on stderr or in the notebook.
    callbacks
        Functions that are called with a `Step` after every look at the held-out regions.
    start
        A model whose training is continued. Its own settings (window to likelihood, weights of the divergences) are
        kept and must be left out here; its constraints are kept unless given. Its latents keep their order and sign.
        The frames must have its lattice, pixel size and channels.
    checkpoint
        File in which the training is kept while it goes on. Called again with the same frames and settings, `fit` goes
        on from there, to the same bits as without the interruption. A finished training leaves it.
    report
        Whether the model file holds a report, which takes a few seconds to draw.

    Returns
    -------
    TrainedModel
        The model, with its model file in memory; `TrainedModel.save` writes it.

    Raises
    ------
    TrainingError
        for a setting that is not allowed, with its name; for a device that is not there; for frames that are too small
        or without contrast; for a checkpoint of another training.
    FrameError, DataFileError
        for data that are not frames, or a file that cannot be read.
    LatticeError
        if there is no lattice, or not that of `start`.
    PixelSizeError
        for frames of different pixel sizes, or not that of `start`.
    WindowError
        for a window that the encoder does not support.
    KeyboardInterrupt
        on Ctrl-C before the first look.

    Examples
    --------
    >>> model = fit("scan.dm4", steps=2000)  # doctest: +SKIP
    >>> model.save("scan.svae")  # doctest: +SKIP
    """
    given: dict[str, Any] = {
        "window": _unless_auto("window", window, whole(4)),
        "content": _unless_auto("latents", latents, whole(0, MOST_CONTENT)),
        "encoder": encoder,
        "shift": shift,
        "cell": cell,
        "rotation": rotation,
        "scale": scale,
        "decoder": decoder,
        "likelihood": likelihood,
        "kl_shift": kl_shift,
        "kl_content": kl_content,
        "constraints": {} if constraints is None else constraints,
        "conditions": tuple(conditions) if isinstance(conditions, list) else conditions,
        "classes": tuple(classes) if isinstance(classes, list) else classes,
        "steps": steps,
        "seed": seed,
        "threads": threads,
    }
    for name, value in {"channels": channels, "signals": signals, "progress": progress, "report": report}.items():
        check_field(name, value, flag())
    check_field("callbacks", callbacks, Rule("a list of functions", _are_functions))
    check_field("start", start, Rule("a model as fit and load give it, or None", _is_start))
    settings = Settings(**given) if start is None else settings_to_go_on(start, Settings(**given))
    if start is None:
        settings = replace(settings, constraints=Settings().constraints | settings.constraints)
    shown, workers = Progress(settings.steps, shown=progress), Workers(device=choose_device(device))
    with shown:
        shown.stage("reading the frames ...")
        scans = gather_scans(frames, pixel_size_nm=pixel_size_nm, channels=channels, signals=signals)
        file = None if checkpoint is None else Path(checkpoint)
        more: dict[str, Any] = {"callbacks": callbacks, "start": start, "checkpoint": file, "report": report}
        return fit_scans(scans, settings, progress=shown, workers=workers, **more).model


def fit_scans(
    scans: Scans,
    settings: Settings,
    *,
    progress: Progress,
    callbacks: Sequence[Callback] = (),
    start: TrainedModel | None = None,
    checkpoint: Path | None = None,
    workers: Workers = ALONE,
    report: bool = True,
) -> Fitted:
    """Train on scans and make the model file in memory; for errors see `fit`.

    Parameters
    ----------
    scans, settings
        Training data and settings; to continue a training, settings from `settings_to_go_on`.
    progress
        Shows stages and looks.
    callbacks, start, checkpoint, report
        See `fit`.
    workers
        Processes that share the batches; all but the first end when the model is optimised.
    """
    state, threads = None, torch.get_num_threads()
    if start is not None:
        check_same_kind(scans, start)
        state = unpack_state(start.file)
        scans = replace(scans, pixel_size_nm=scans.pixel_size_nm or start.file.manifest.pixel_size_nm)

    def look(step: Step) -> None:
        progress.step(step)
        for callback in callbacks:
            callback(step)

    with progress, torch.random.fork_rng(devices=[] if workers.device == CPU else [workers.device]):
        try:
            file = None if checkpoint is None else Checkpoint(checkpoint, _digest(scans, settings, start, workers))
            trained = train(
                scans.frames,
                settings,
                start=state,
                checkpoint=file,
                workers=workers,
                progress=look,
                stage=progress.stage,
            )
            trained = replace(trained, started_from="" if start is None else start.file.sha256)
            progress.stage(f"comparing the exported model with torch{', drawing the report' if report else ''} ...")
            shown = [scans.frames[number] for number in trained.prepared]
            model, parity = make_model_file(
                trained, shown, sources=scans.sources, pixel_size_nm=scans.pixel_size_nm, report=report
            )
        finally:
            torch.set_num_threads(threads)
    return Fitted(TrainedModel(model), trained, parity)


def _digest(scans: Scans, settings: Settings, start: TrainedModel | None, workers: Workers) -> str:
    """SHA-256 of all that a training depends on: frames, settings, the model that it starts from, device, versions."""
    given = {field.name: getattr(settings, field.name) for field in fields(settings)}
    given["conditions"] = [(type(condition).__name__, condition.weight) for condition in settings.conditions]
    versions = shiftvae_rt.__version__, str(torch.__version__), np.__version__
    every = given, scans.sources, "" if start is None else start.file.sha256, versions, workers.device.type
    return hashlib.sha256(msgspec.json.encode(every)).hexdigest()


def _unless_auto(name: str, value: object, rule: Rule) -> object:
    """None for "auto"; else `value`, checked by the rule."""
    check_field(name, value, Rule(f"'auto' or {rule.expected}", lambda v: v == "auto" or rule.accepts(v)))
    return None if value == "auto" else value


def _are_functions(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(callable(each) for each in value)


def _is_start(value: object) -> bool:
    return value is None or isinstance(value, TrainedModel)
