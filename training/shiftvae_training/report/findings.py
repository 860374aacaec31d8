"""Findings that the sections of the report share: the model, a frame, its maps and their meaning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.latent_map import LatentMap
from shiftvae_rt.model.manifest import Manifest, Training

from ..train import Trained
from .confounds import Nuisances, find_confounds
from .meaning import Meaning, explain
from .scan_motif import Scan

__all__ = ["Findings", "find", "instrument_of", "windows_of"]

#: Endings of the files of an instrument; other files may come from any. What its pictures of a lattice consist of.
INSTRUMENTS = {
    "electrons": (".dm3", ".dm4", ".emd", ".mrc", ".ser"),
    "probe": (".dat", ".gwy", ".ibw", ".spm", ".sxm"),
}
PEAKS = {"electrons": "column", "probe": "maximum", "": "peak"}


@dataclass(frozen=True)
class Findings:
    """Findings that the sections of the report share.

    Parameters
    ----------
    trained, manifest
        The model and its training, and the manifest of its file.
    frame
        Training frame ``(C, H, W)``, raw.
    latent_map
        Map of that frame, as the runtime makes it.
    meaning
        Meaning of the content latents.
    nuisances
        Correlations of the content with nuisances.
    """

    trained: Trained
    manifest: Manifest
    frame: NDArray[Any]
    latent_map: LatentMap
    meaning: Meaning
    nuisances: Nuisances

    @property
    def training(self) -> Training:
        """Record of the training in the manifest."""
        return cast("Training", self.manifest.training)  # only an imported model has none, and it has no report

    @property
    def content(self) -> list[int]:
        """Indices of the content latents."""
        return [i for i, latent in enumerate(self.manifest.latents) if latent.kind == "content"]

    @property
    def used(self) -> list[int]:
        """Indices of the content latents in which training found a variation."""
        return [i for i in self.content if self.manifest.varies[i]]


def find(trained: Trained, frame: NDArray[Any], mapper: LatentMapper) -> Findings:
    """Map a training frame ``(C, H, W)``, raw, and determine the meaning of its latents.

    Parameters
    ----------
    trained
        The model and its training.
    frame
        Training frame ``(C, H, W)``, raw.
    mapper
        Mapper with the file of the model.
    """
    model, manifest = trained.model, mapper.model.manifest
    instrument = instrument_of([source.name for source in manifest.data])
    pixels = frame[:, 0] if manifest.dimensions == 1 else frame
    latent_map = mapper.map(pixels, pixel_size_nm=manifest.pixel_size_nm)
    axes = model.first_content
    content = latent_map.mean[axes:].reshape(len(latent_map.names) - axes, latent_map.mean[0].size).astype(float)
    scan = None
    still = ("shift", "order", "content")  # a motif that turns has no mean; an order is averaged over its domains
    if all(latent.kind in still for latent in manifest.latents):
        scale = np.reshape(model.channel_scale, (-1, 1, 1))
        scan = Scan((np.asarray(frame, float) * scale).mean(axis=0), latent_map, trained.lattice.where)
    meaning = explain(
        model,
        content,
        manifest.varies[axes:],
        pixel_size_nm=manifest.pixel_size_nm,
        word=PEAKS[instrument] if manifest.dimensions == 2 and manifest.lattice else "peak",
        scan=scan,
    )
    nuisances = find_confounds(latent_map, frame, period_px=_period(found=manifest), instrument=instrument)
    return Findings(trained, manifest, frame, latent_map, meaning, nuisances)


def instrument_of(files: Sequence[str]) -> str:
    """Instrument that all files must be from; empty if their names do not tell."""
    found = [kind for kind, ends in INSTRUMENTS.items() if all(name.lower().endswith(ends) for name in files)]
    return found[0] if files and found else ""


def _period(found: Manifest) -> float:
    """Length of the longest lattice vector, px; without a lattice, the longer side of the window."""
    return max((float(np.hypot(y, x)) for y, x in found.lattice), default=float(max(found.window)))


def windows_of(found: Findings, count: int) -> torch.Tensor:
    """Scaled windows from random places of the frame, ``(count, C, h, w)``."""
    h, w = found.trained.model.window
    rows, cols = found.frame.shape[1] - h, found.frame.shape[2] - w
    rng = np.random.default_rng(0)
    places = zip(rng.integers(rows + 1, size=count), rng.integers(cols + 1, size=count), strict=True)
    cut = np.stack([np.asarray(found.frame[:, y : y + h, x : x + w], np.float64) for y, x in places])
    cut -= cut.mean(axis=(2, 3), keepdims=True)
    return torch.from_numpy(cut).float() * torch.tensor(found.trained.model.channel_scale)[:, None, None]
