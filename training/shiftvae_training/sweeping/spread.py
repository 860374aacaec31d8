"""Spread between seeds: how far models that differ in nothing but their seed agree on the training scan.

A posterior deviation tells what noise in the pixels does to a latent; it knows nothing of the training. The spread
between seeds is that part. Nothing in a shift-VAE fixes the order and sign of content latents, nor the origin of a
shift or an angle, so the maps of every model are brought to those of the best one before they are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.encode.modulo import modulo_lattice
from shiftvae_rt.frame import Frame
from shiftvae_rt.latent_map import LatentMap
from shiftvae_rt.model.manifest import Manifest
from shiftvae_rt.model.model_file import ModelFile

__all__ = ["COMPARED", "SeedSpread", "comparable", "spread_between"]

#: Kinds of latents that are compared.
COMPARED = ("shift", "rotation", "scale", "content")


@dataclass(frozen=True)
class SeedSpread:
    """Spread of the latents between seeds.

    Attributes
    ----------
    map
        Map whose mean is that over the seeds, and whose standard deviation is the spread between them, ``n - 1`` in
        its denominator; without the latents of other kinds than `COMPARED`.
    posterior
        ``(L,)`` root mean square over the windows of the best model's posterior deviations.
    correlation
        ``(L,)`` smallest correlation of the content of another model with that of the best; NaN for other latents.
    """

    map: LatentMap
    posterior: NDArray[np.float64]
    correlation: NDArray[np.float64]

    def table(self) -> list[dict[str, Any]]:
        """Row of each latent: name, unit, root mean square over the windows of the spread, and the rest of this."""
        spread = np.sqrt(np.mean(np.square(self.map.std, dtype=np.float64), axis=(1, 2)))
        return [
            {
                "latent": name,
                "unit": unit,
                "spread_between_seeds": round(float(each), 4),
                "posterior_sd": round(float(sd), 4),
                "least_correlation": None if np.isnan(r) else round(float(r), 4),
            }
            for name, unit, each, sd, r in zip(
                self.map.names, self.map.units, spread, self.posterior, self.correlation, strict=True
            )
        ]


def comparable(best: Manifest, other: Manifest) -> bool:
    """Tell whether the maps of two models have the same windows and latents."""
    kinds = [[latent.kind for latent in each.latents] for each in (best, other)]
    return best.window == other.window and kinds[0] == kinds[1] and not best.grains and not other.grains


def spread_between(models: Sequence[ModelFile], frame: Frame, *, stride: int = 4) -> SeedSpread:
    """Map `frame` by all models, and compare the maps with those of the first, the best.

    Parameters
    ----------
    models
        Two or more models that are `comparable`.
    frame
        A frame of the training scan.
    stride
        px between windows.
    """
    maps = [LatentMapper(m, stride=stride).map(frame.pixels, pixel_size_nm=frame.pixel_size_nm) for m in models]
    return _compared(maps, models[0].manifest)


def _compared(maps: Sequence[LatentMap], manifest: Manifest) -> SeedSpread:
    kept = [i for i, latent in enumerate(manifest.latents) if latent.kind in COMPARED]
    best, others = maps[0], [each.mean.astype(np.float64) for each in maps[1:]]
    content = [i for i, latent in enumerate(manifest.latents) if latent.kind == "content"]
    off = [np.zeros_like(others[0])]
    correlation = np.full(len(manifest.latents), np.nan)
    for mean in others:
        mean[content], found = _matched(best.mean[content].astype(np.float64), mean[content])
        correlation[content] = np.fmin(correlation[content], found)
        off.append(_difference(mean, best.mean, manifest))
    spread, centre = np.std(off, axis=0, ddof=1), best.mean + np.mean(off, axis=0)
    posterior = np.sqrt(np.mean(np.square(best.std, dtype=np.float64), axis=(1, 2)))
    joined = replace(
        best,
        mean=centre[kept].astype(np.float32),
        std=spread[kept].astype(np.float32),
        names=tuple(best.names[i] for i in kept),
        units=tuple(best.units[i] for i in kept),
        varies=tuple(best.varies[i] for i in kept),
        domain=None,
        lattice=None,
        gauge=None,
    )
    return SeedSpread(joined, posterior[kept], correlation[kept])


def _matched(best: NDArray[np.float64], other: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Maps ``other (k, rows, cols)`` in the order and with the signs of `best`; and the correlations ``(k,)``."""
    one, two = (each.reshape(len(each), -1) for each in (best, other))
    one, two = (each - each.mean(axis=1, keepdims=True) for each in (one, two))
    size = np.outer(np.linalg.norm(one, axis=1), np.linalg.norm(two, axis=1))
    signed = np.divide(one @ two.T, size, out=np.zeros_like(size), where=size > 0)
    rows, columns = linear_sum_assignment(-np.abs(signed))
    found = signed[rows, columns]
    return other[columns] * np.where(found < 0, -1.0, 1.0)[:, None, None], np.abs(found)


def _difference(other: NDArray[np.float64], best: NDArray[np.float32], manifest: Manifest) -> NDArray[np.float64]:
    """Maps `other` minus `best`, with the origins of shift and angles brought together."""
    off: NDArray[np.float64] = other - best
    axes = manifest.dimensions
    lattice = np.reshape(manifest.lattice, (-1, 2))[:, 2 - axes :]
    if len(lattice):
        cells = np.tensordot(np.linalg.pinv(lattice).T, off[:axes], axes=1)
        origin = lattice.T @ np.array([_circular_mean(each) for each in cells])
        off[:axes] = modulo_lattice(off[:axes] - origin[:, None, None], lattice)
    else:
        off[:axes] -= np.median(off[:axes], axis=(1, 2), keepdims=True)
    for index, latent in enumerate(manifest.latents):
        if latent.period is not None:
            turns = off[index] / latent.period - _circular_mean(off[index] / latent.period)
            off[index] = latent.period * (turns - np.rint(turns))
    return off


def _circular_mean(turns: NDArray[np.float64]) -> float:
    """Mean of angles in turns, modulo 1."""
    return float(np.angle(np.exp(2j * np.pi * turns).mean()) / (2 * np.pi))
