"""Findings that the sections of the report share: the model, a frame, its maps and their meaning."""

from __future__ import annotations

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

__all__ = ["Findings", "find", "windows_of"]


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
    pixels = frame[:, 0] if manifest.dimensions == 1 else frame
    latent_map = mapper.map(pixels, pixel_size_nm=manifest.pixel_size_nm)
    axes = model.first_content
    content = latent_map.mean[axes:].reshape(len(latent_map.names) - axes, latent_map.mean[0].size).astype(float)
    scan = None
    if all(latent.kind in ("shift", "content") for latent in manifest.latents):  # a motif that turns has no mean
        scale = np.reshape(model.channel_scale, (-1, 1, 1))
        scan = Scan((np.asarray(frame, float) * scale).mean(axis=0), latent_map, trained.lattice.where)
    meaning = explain(model, content, manifest.varies[axes:], pixel_size_nm=manifest.pixel_size_nm, scan=scan)
    nuisances = find_confounds(latent_map, frame, period_px=_period(found=manifest))
    return Findings(trained, manifest, frame, latent_map, meaning, nuisances)


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
