"""The model before its first step: scaling and shift from the frames, both networks from the first guess."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from shiftvae_rt.errors import TrainingError
from shiftvae_rt.kernels.windows import window_statistics

from ..guess.automatic import Choice
from ..guess.class_guess import ClassGuess, make_class_guess
from ..guess.feature_guess import FeatureGuess, make_feature_guess
from ..guess.first_guess import Guess, make_first_guess
from ..lattice.find import Lattice
from ..model.shift import PlanarShift, Shift, TorusShift
from ..model.shift_vae import ShiftVAE
from ..sampling import TILE_SIDE, TILE_STRIDE, Frames, places_within
from ..scans import has_contrast
from .family import labels_of_frames, make_member
from .settings import Settings

__all__ = ["features_of", "make_guess", "prepare", "tile_side"]

#: The encoder's first content is this much larger than torch draws it: with 1, the variations were so faint in it that
#: the content vanished before it was learned. R2 on the standard scan after 400 steps: 0.93; with 1, nothing.
CONTENT_GAIN = 3.0
#: A window that varies by this share of a typical one, or less, is constant. What is above it is encoded as it is,
#: whatever its scale: so counts that became 0..1 (8 bits: 1/255, 16 bits: 1/65535) give the same map.
SD_FLOOR = 2e-6
#: Frames that set the scaling.
SCALING = 8


def prepare(frames: Frames, lattice: Lattice, settings: Settings, choice: Choice) -> tuple[ShiftVAE, Guess]:
    """Model with its window, scaling and shift, started from the first guess."""
    dimensions = 1 if frames[0].shape[1] == 1 else 2
    size, content = choice.window, choice.content
    window = (1 if dimensions == 1 else size, size)
    some = [frame for frame in frames if has_contrast(frame)]
    some = some[:: -(-len(some) // SCALING)]
    sd = np.array(
        [_typical_sd([frame[c : c + 1] for frame in some], window, lattice.where) for c in range(len(some[0]))]
    )
    scale = tuple(float(1 / s) for s in sd)
    guess = make_guess(frames, lattice, settings, (window, content, scale))
    shift: Shift
    if settings.shift == "torus":
        shift = TorusShift(torch.tensor(lattice.vectors, dtype=torch.float32))
    else:
        beside = TILE_STRIDE * (tile_side(frames, window) - 1) / 2 + 1
        parts = guess.parts if isinstance(guess, ClassGuess) else [guess]
        shift = PlanarShift(dimensions, max(f.reach(beside) for f in parts if isinstance(f, FeatureGuess)))
    level = np.array([frame.mean(axis=(1, 2)) for frame in some]).mean(axis=0)
    member = make_member(settings, frames, level, sd)
    model = ShiftVAE(settings.encoder, window, scale, shift=shift, content=content, sd_floor=SD_FLOOR, member=member)
    _start_from(model, guess)
    return model, guess


def make_guess(
    frames: Frames, lattice: Lattice, settings: Settings, model: tuple[tuple[int, int], int, tuple[float, ...]]
) -> Guess:
    """Say where the motif sits in ``frames (C, H, W)``, raw, and how it varies, before anything is trained.

    `model` is what is known of the model: window ``(height, width)`` px, number of content latents, scale of each
    channel.
    """
    window, content, channel_scale = model
    scaled = [frame.astype(np.float64) * np.reshape(channel_scale, (-1, 1, 1)) for frame in frames]

    def make(some: list[NDArray[np.float64]]) -> Guess:
        if settings.shift == "torus":
            return make_first_guess(some, lattice, window=window, content=content)
        return make_feature_guess(some, window=window, content=content, fold=settings.rotation, scale=settings.scale)

    _, labels = labels_of_frames(settings.classes)
    return make(scaled) if labels is None else make_class_guess(scaled, labels.tolist(), make)


def features_of(guess: Guess, frames: Iterable[int]) -> Iterator[tuple[FeatureGuess, int]]:
    """For each of `frames`, the guess that knows its features, and the frame's number there."""
    for frame in frames:
        part, number = guess.of(frame) if isinstance(guess, ClassGuess) else (guess, int(frame))
        if isinstance(part, FeatureGuess):
            yield part, number


def tile_side(frames: Frames, window: tuple[int, int]) -> int:
    """Windows along each side of a tile; 1 where the frames are windows already."""
    return 1 if frames[0].shape[1:] == window else TILE_SIDE[1 if window[0] == 1 else 2]


def _typical_sd(frames: Frames, window: tuple[int, int], where: NDArray[np.bool_] | None) -> float:
    """Median deviation of the windows of one channel: of those on the lattice in which anything varies.

    Raises
    ------
    TrainingError
        if nothing varies in any window.
    """
    step = max(1, window[1] // 2)
    found = [window_statistics(frame, window, step)[1][0] for frame in frames]
    seen = np.ones(found[0].shape, bool) if where is None else places_within(where, window)[::step, ::step]
    sd = np.concatenate([values[seen] for values in found])
    if not (sd > 0).any():
        raise TrainingError("a channel of the frames has no contrast: train on an area with structure")
    return float(np.median(sd[sd > 0]))


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
