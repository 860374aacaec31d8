"""Continuing the training of a model: its own settings, and frames of its kind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from shiftvae_rt.errors import FrameError, PixelSizeError, TrainingError
from shiftvae_rt.frame import pixel_size_text

from .constraints import CONSTRAINTS
from .fitting.settings import Settings
from .scans import PIXEL_SIZE_TOLERANCE, Scans
from .trained.trained_model import TrainedModel

__all__ = ["check_same_kind", "settings_to_go_on"]


def settings_to_go_on(start: TrainedModel, given: Settings) -> Settings:
    """Settings to continue the training of `start`: its own, with the steps, seed, threads and conditions of `given`.

    Raises
    ------
    TrainingError
        for an imported model, and for a setting that differs from the model's own, with its name.
    """
    manifest, training = start.file.manifest, start.file.manifest.training
    if training is None:
        raise TrainingError(f"{start.file.path} holds no weights to go on from, as of an imported model: train anew")
    turns = [latent.period for latent in manifest.latents if latent.kind == "rotation"]
    own: dict[str, Any] = {
        "window": manifest.window[1],
        "content": sum(latent.kind == "content" for latent in manifest.latents),
        "encoder": manifest.encoder,
        "shift": "torus" if manifest.lattice else "planar",
        "cell": "auto",
        "rotation": round(360 / turns[0]) if turns and turns[0] else 0,
        "scale": any(latent.kind == "scale" for latent in manifest.latents),
        "decoder": training.decoder,
        "likelihood": training.likelihood,
        "kl_shift": training.kl_shift,
        "kl_content": training.kl_content,
    }
    default = Settings()
    for name, value in own.items():
        new = getattr(given, name)
        if new not in (getattr(default, name), value):
            name = "latents" if name == "content" else name
            raise TrainingError(f"expected {name} to be that of start, {value!r}, got {new!r}: leave it out")
    known = {name: weight for name, weight in training.constraints.items() if name in CONSTRAINTS}
    return replace(given, **own, constraints=known | given.constraints)


def check_same_kind(scans: Scans, start: TrainedModel) -> None:
    """Check that the frames have the channels, dimensions and pixel size of the model whose training is continued."""
    manifest = start.file.manifest
    channels, height = scans.frames[0].shape[:2]
    if channels != manifest.channels or (height == 1) != (manifest.dimensions == 1):
        kind = "signals" if manifest.dimensions == 1 else "images"
        raise FrameError(
            f"expected {kind} of {manifest.channels} channel(s), as start was trained on, got frames of shape "
            f"{scans.frames[0].shape} (channels, height, width)"
        )
    here, there = scans.pixel_size_nm, manifest.pixel_size_nm
    if here is not None and there is not None:
        off = max(max(a / b, b / a) - 1 for a, b in zip(here, there, strict=True))
        if off > PIXEL_SIZE_TOLERANCE:
            raise PixelSizeError(
                f"expected pixels of {pixel_size_text(there)} within 3 %, as start was trained on, got "
                f"{pixel_size_text(here)}: resample the frames, or train a new model"
            )
