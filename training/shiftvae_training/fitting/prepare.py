"""The model before its first step: scaling and shift from the frames, initial weights from the first guess."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from shiftvae_rt.errors import TrainingError
from shiftvae_rt.kernels.windows import window_statistics

from ..guess.automatic import Choice
from ..guess.class_guess import ClassGuess, make_class_guess
from ..guess.feature_guess import FeatureGuess, make_feature_guess
from ..guess.first_guess import FirstGuess, Guess, make_first_guess
from ..guess.grain_guess import GrainGuess, make_grain_guess
from ..lattice.find import Lattice
from ..lattice.grains import Grains
from ..model.encoder import Encoder
from ..model.encoder_families import ENCODERS
from ..model.grain_shift import GrainShift
from ..model.order import Order
from ..model.shift import PlanarShift, Shift, TorusShift
from ..model.shift_vae import ShiftVAE
from ..sampling import TILE_SIDE, TILE_STRIDE, Frames, places_within
from ..scans import has_contrast
from ..start.harmonic_stem import harmonic_kernels
from ..start.waves import Waves, waves_of
from .family import labels_of_frames, make_member
from .settings import Settings

__all__ = ["features_of", "make_guess", "prepare", "tile_side"]

#: Factor of torch's initial weights of the content: with 1, the variations were so faint that the content collapsed
#: before it was learned. R2 on the standard scan after 400 steps: 0.93; with 1, 0.
CONTENT_GAIN = 3.0
#: A window that varies by at most this share of a typical window is constant. All others are encoded independently of
#: their scale: counts that were rescaled to 0..1 (8 bits: 1/255, 16 bits: 1/65535) give the same map.
SD_FLOOR = 2e-6
#: Largest number of frames that set the scaling.
SCALING = 8


def prepare(
    frames: Frames,
    lattice: Lattice,
    settings: Settings,
    choice: Choice,
    *,
    grains: Grains | None,
    limits: NDArray[np.float64],
) -> tuple[ShiftVAE, Guess]:
    """Make the model, with window, scaling and shift, and the first guess from which its weights start.

    Parameters
    ----------
    frames
        Raw ``(C, H, W)`` each.
    lattice
        Their lattice.
    settings, choice
        Settings, and the choice of what they leave open.
    grains
        Grains of the frames; None for a single one.
    limits
        ``(N, C, 2)`` smallest and largest value of each channel of every frame, of those too that are not in `frames`.

    Raises
    ------
    TrainingError
        if a channel has no contrast, or too few isolated features stand out.
    """
    dimensions = 1 if frames[0].shape[1] == 1 else 2
    size, content = choice.window, choice.content
    window = (1 if dimensions == 1 else size, size)
    chosen = [frame for frame in frames if has_contrast(frame)]
    chosen = chosen[:: -(-len(chosen) // SCALING)]
    sd = np.array(
        [_typical_sd([frame[c : c + 1] for frame in chosen], window, lattice.where) for c in range(len(chosen[0]))]
    )
    scale = tuple(float(1 / s) for s in sd)
    shift: Shift
    guess: Guess
    if grains is not None:
        scaled = [frame.astype(np.float64) * np.reshape(scale, (-1, 1, 1)) for frame in frames]
        guess = make_grain_guess(scaled, grains, window=window, content=content)
    else:
        guess = make_guess(frames, lattice, settings, (window, content, scale))
    if isinstance(guess, GrainGuess):
        shift = GrainShift.of(torch.tensor(guess.grains.cells, dtype=torch.float32))
    elif settings.shift == "torus":
        shift = TorusShift(torch.tensor(lattice.vectors, dtype=torch.float32))
    else:
        beside = TILE_STRIDE * (tile_side(frames, window) - 1) / 2 + 1
        parts = guess.parts if isinstance(guess, ClassGuess) else [guess]
        shift = PlanarShift(dimensions, max(f.reach(beside) for f in parts if isinstance(f, FeatureGuess)))
    level = np.array([frame.mean(axis=(1, 2)) for frame in chosen]).mean(axis=0)
    member = make_member(settings, limits, level, sd)
    if len(lattice.superlattice):
        vectors = torch.tensor(lattice.superlattice @ lattice.reciprocal, dtype=torch.float32)
        member = replace(member, order=Order(vectors))
    waves = waves_of(guess, lattice) if ENCODERS[settings.encoder].measures_waves else None
    model = ShiftVAE(
        settings.encoder,
        window,
        scale,
        shift=shift,
        content=content,
        sd_floor=SD_FLOOR,
        member=replace(member, turn=None if waves is None else waves.turn),
    )
    _start_from(model, guess)
    if waves is not None:
        _start_stem(model.encoder, waves)
    return model, guess


def make_guess(
    frames: Frames, lattice: Lattice, settings: Settings, model: tuple[tuple[int, int], int, tuple[float, ...]]
) -> Guess:
    """First guess of shift and content for raw ``frames (C, H, W)``, before any training.

    `model` holds the window ``(height, width)`` px, the number of content latents and the scale of each channel.
    """
    window, content, channel_scale = model
    scaled = [frame.astype(np.float64) * np.reshape(channel_scale, (-1, 1, 1)) for frame in frames]

    def make(part: list[NDArray[np.float64]]) -> Guess:
        if settings.shift == "torus":
            return make_first_guess(part, lattice, window=window, content=content)
        return make_feature_guess(part, window=window, content=content, fold=settings.rotation, scale=settings.scale)

    _, labels = labels_of_frames(settings.classes)
    return make(scaled) if labels is None else make_class_guess(scaled, labels.tolist(), make)


def features_of(guess: Guess, frames: Iterable[int]) -> Iterator[tuple[FeatureGuess, int]]:
    """Guess with the features of each of `frames` (indices), and the index of the frame there; nothing on a lattice."""
    for frame in frames:
        part, number = guess.part_of(frame) if isinstance(guess, ClassGuess) else (guess, int(frame))
        if isinstance(part, FeatureGuess):
            yield part, number


def tile_side(frames: Frames, window: tuple[int, int]) -> int:
    """Number of windows along each side of a tile; 1 if the frames are windows."""
    return 1 if frames[0].shape[1:] == window else TILE_SIDE[1 if window[0] == 1 else 2]


def _typical_sd(frames: Frames, window: tuple[int, int], where: NDArray[np.bool_] | None) -> float:
    """Median standard deviation of the windows of one channel, over those on the lattice that are not constant.

    Raises
    ------
    TrainingError
        if every window is constant.
    """
    step = max(1, window[1] // 2)
    found = [window_statistics(frame, window, step)[1][0] for frame in frames]
    seen = np.ones(found[0].shape, bool) if where is None else places_within(where, window)[::step, ::step]
    sd = np.concatenate([values[seen] for values in found])
    if not (sd > 0).any():
        raise TrainingError("a channel of the frames has no contrast: train on an area with structure")
    return float(np.median(sd[sd > 0]))


@torch.no_grad()
def _start_stem(encoder: Encoder, waves: Waves) -> None:
    channels = encoder.stem[0].shape[1]
    for weight, kernel in zip(
        encoder.stem, harmonic_kernels(encoder.plan, encoder.window, channels, waves), strict=True
    ):
        weight.copy_(torch.from_numpy(kernel))


@torch.no_grad()
def _start_from(model: ShiftVAE, guess: Guess) -> None:
    """Start the decoder from the guessed images, and the encoder with a large content of small deviation."""
    y, x = (place.double().numpy() for place in model.decoder.places())
    parts = guess.parts if isinstance(guess, ClassGuess) else [guess]
    drawn = [
        model.likelihood.start(*(torch.from_numpy(image).float() for image in part.images(y, x))) for part in parts
    ]
    model.decoder.start_from(torch.stack([d[0] for d in drawn]), torch.stack([d[1] for d in drawn]))
    last = model.encoder.linears[-1]
    at = model.shift.size
    for latent in model.further:  # with a posterior as wide as its prior the decoder would forget the guess
        at += latent.size
        last.weight[at - 1] *= 0.1
        last.bias[at - 1] = -2.0
    if model.order is not None and isinstance(guess, FirstGuess) and guess.order is not None:
        mean, images = (torch.from_numpy(part).float() for part in (guess.images(y, x)[0], guess.order.images(y, x)))
        model.decoder.start_order_from(model.likelihood.start(mean, images)[1])
        width = slice(model.shift.size + 2 * model.order.count, model.shift.size + model.order.size)
        last.weight[width] *= 0.1
        last.bias[width] = -2.0
    if model.content:
        last.weight[-2 * model.content : -model.content] *= CONTENT_GAIN
        last.weight[-model.content :] *= 0.1
        last.bias[-model.content :] = -2.0
