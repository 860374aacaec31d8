"""The member of the model family that settings describe, and its check against the frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shiftvae_rt.errors import FrameError, TrainingError

from ..model.likelihood import Bernoulli, Gaussian, Likelihood, Poisson
from ..model.pose import PoseLatent
from ..model.rotation import Rotation
from ..model.scale import Scale
from ..model.shift_vae import Member
from ..training_frames import TrainingFrames

if TYPE_CHECKING:
    from .settings import Settings

__all__ = ["check_against_frames", "labels_of_frames", "make_member"]

#: Prior standard deviation of the logarithm of the motif's size.
SCALE_PRIOR = 0.1


def check_against_frames(settings: Settings, frames: TrainingFrames) -> None:
    """Check that `settings` suit the frames.

    Raises
    ------
    TrainingError
        for a rotation with signals.
    FrameError
        for negative values with a Poisson likelihood, or a number of classes other than of frames.
    """
    if settings.rotation and frames.shape[1] == 1:
        raise TrainingError(
            f"expected images for rotation={settings.rotation}, got signals, which do not turn: leave rotation out"
        )
    if settings.classes and len(settings.classes) != len(frames):
        raise FrameError(f"expected a class for each of {len(frames)} frames, got {len(settings.classes)}")
    if settings.likelihood == "poisson" and frames.limits.min() < 0:
        raise FrameError("expected counts of at least 0 for the poisson likelihood, got values below 0: use gaussian")


def labels_of_frames(classes: tuple[str, ...], known: tuple[str, ...] = ()) -> tuple[tuple[str, ...], Tensor | None]:
    """Names of the classes by first appearance, and the class of each frame, int64; None without classes.

    `known` are the classes of a model whose training continues: their order is kept.

    Raises
    ------
    TrainingError
        for a class that is not among the known ones, and for frames without a class where some are known.
    """
    names = known or tuple(dict.fromkeys(classes))
    if (known and not set(classes) <= set(known)) or (known and not classes):
        raise TrainingError(f"expected a class of {', '.join(known)} for each frame, got {classes}")
    return names, torch.tensor([names.index(c) for c in classes]) if names else None


def make_member(
    settings: Settings, limits: NDArray[np.float64], level: NDArray[np.float64], spread: NDArray[np.float64]
) -> Member:
    """Member of the family that `settings` describe.

    ``limits (N, C, 2)`` are those of all frames, and ``level, spread (C,)`` the typical mean and standard deviation of
    a window, in raw units.
    """
    further: list[PoseLatent] = [Rotation(settings.rotation)] if settings.rotation else []
    if settings.scale:
        further.append(Scale(SCALE_PRIOR))
    likelihood: Likelihood = Gaussian()
    if settings.likelihood == "poisson":
        likelihood = Poisson()
    elif settings.likelihood == "bernoulli":
        ends = limits[..., 0].min(axis=0), limits[..., 1].max(axis=0)
        likelihood = Bernoulli(*(torch.tensor(np.asarray(v, np.float32)) for v in (*ends, level, spread)))
    names, _ = labels_of_frames(settings.classes)
    return Member(tuple(further), settings.decoder, likelihood, names)
