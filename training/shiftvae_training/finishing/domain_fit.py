"""Statistics of the training data under a finished model, with which the runtime detects frames of another kind.

Frames of one sample differ: domains move, the specimen drifts, focus and dose change slightly. One training frame does
not show this, but its regions differ from each other more than whole frames do. The limits are set so that the regions
stay within them, plus a margin below which no difference matters. Windows are scored by their Mahalanobis distance.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64
from shiftvae_rt.domain import Ruler, residual_structure, window_features
from shiftvae_rt.encode.decoder import Decoder
from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.latent_map import LatentMap
from shiftvae_rt.model.manifest import Domain, Grain
from shiftvae_rt.model.samples import SAMPLES, normalised_windows

__all__ = ["fit_domain", "measure_grains"]


#: Largest number of frames used, and regions along each axis of a frame.
FRAMES, REGIONS = 8, 4
#: Share of the training windows with a score below 1.
WITHIN = 0.99
#: Differences between windows that never matter: content, in units of the prior; log deviation; strain.
CONTENT, LOG_SD, STRAIN = 0.1, 0.05, 0.015
#: Margins of a frame: share of windows; strain (half the accepted difference of pixel sizes); share of a window's
#: variance.
MARGIN_OUT, MARGIN_STRAIN, MARGIN_STRUCTURE = 0.25, 0.015, 0.002
#: Limits lie this many standard deviations of the regions beyond their mean.
DEVIATIONS = 3.0


def fit_domain(mapper: LatentMapper, frames: list[NDArray[Any]]) -> Domain | None:
    """Measure the domain of a model on its training frames.

    Parameters
    ----------
    mapper
        Mapper of the model, which has no domain yet.
    frames
        Raw ``(C, H, W)`` each.

    Returns
    -------
    Domain or None
        None if every frame is constant, and for a model with classes, whose decoder needs to know the class.
    """
    if mapper.model.manifest.training is not None and mapper.model.manifest.training.classes:
        return None
    chosen = [frame for frame in frames if frame.min() < frame.max()]
    chosen = chosen[:: -(-len(chosen) // FRAMES) or 1]
    if not chosen:
        return None
    flat = mapper.model.manifest.dimensions == 1
    maps = [mapper.map(frame[:, 0] if flat else frame) for frame in chosen]
    centre, whitening, scores, strains = _windows(mapper, maps)
    out = [float((part > 1).mean()) for score in scores for part in _regions(score)]
    strain = np.mean(strains, axis=0)
    structure = np.concatenate([_structure(mapper, *pair) for pair in zip(chosen, maps, strict=True)])
    return Domain(
        centre=tuple(centre.tolist()),
        whitening=tuple(map(tuple, whitening.tolist())),
        most_windows_out=MARGIN_OUT + max(out),
        strain=tuple(map(tuple, strain.tolist())),
        most_strain=MARGIN_STRAIN + DEVIATIONS * float(np.std(strains, axis=0).max(initial=0.0)),
        structure=float(structure.mean()),
        most_structure=MARGIN_STRUCTURE + DEVIATIONS * float(structure.std()),
    )


def measure_grains(mapper: LatentMapper, frames: list[NDArray[Any]]) -> tuple[Grain, ...]:
    """Grains of a model with the mean strain of each in raw ``frames (C, H, W)``, against its vectors."""
    manifest, ruler = mapper.model.manifest, Ruler(mapper.model.manifest, mapper.stride)
    if not manifest.grains:
        return ()
    maps = [mapper.map(frame).mean for frame in frames[:: -(-len(frames) // FRAMES)] if frame.min() < frame.max()]
    advances, measured = [ruler.advance(mean) for mean in maps], []
    for number, grain in enumerate(manifest.grains):
        both = [ruler.both(mean[2] == number) for mean in maps]
        pairs = list(zip(advances, both, strict=True))
        turns = [np.concatenate([advance[k][mask[k]] for advance, mask in pairs]) for k in range(4)]
        mean = np.array([each.mean(dtype=np.float64) if each.size else 0.0 for each in turns])
        strain = ruler.strain(mean[:, None, None].astype(np.float32))
        measured.append(msgspec.structs.replace(grain, strain=tuple(map(tuple, strain.tolist()))))
    return tuple(measured)


def _windows(mapper: LatentMapper, maps: list[LatentMap]) -> tuple[Float64, Float64, list[Float64], Float64]:
    """Centre and whitening of the windows' features, maps of their scores, and the strain of every region."""
    manifest, ruler = mapper.model.manifest, Ruler(mapper.model.manifest, mapper.stride)
    latents, axes = len(manifest.latents), manifest.dimensions
    advances = [ruler.advance(m.mean) for m in maps]
    grain = bool(manifest.grains)
    features = [window_features(m.mean, m.std, a, axes, grains=grain) for m, a in zip(maps, advances, strict=True)]
    values = np.concatenate([each.reshape(len(each), -1) for each in features], axis=1).astype(np.float64)
    sizes = latents - axes - grain, latents - grain
    least = np.concatenate([np.full(sizes[0], CONTENT), np.full(sizes[1], LOG_SD), STRAIN * ruler.turns])
    centre = values.mean(axis=1)
    whitening = np.linalg.inv(np.linalg.cholesky(np.cov(values) + np.diag(least**2)))
    away = np.linalg.norm(whitening @ (values - centre[:, None]), axis=0)
    limit = float(np.quantile(away, WITHIN))
    scores = [part.reshape(maps[0].mean.shape[1:]) for part in np.split(away / limit, len(maps))]
    strains = [ruler.strain(part) for advance in advances for part in _regions(ruler.known(advance))]
    return centre, whitening / limit, scores, np.array(strains or [ruler.strain(np.zeros(0, np.float32))])


def _structure(mapper: LatentMapper, frame: NDArray[Any], latent_map: LatentMap) -> Float64:
    """Mean structure of the residuals in every region, over as many windows as the runtime samples."""
    stride = mapper.stride
    decoder, rng = Decoder(mapper.model.graph("decoder.onnx")), np.random.default_rng(0)
    places = np.stack(np.meshgrid(*(np.arange(n) for n in latent_map.mean.shape[1:]), indexing="ij"))
    found = []
    for region in _regions(places):
        rows, cols = region.reshape(2, -1)[:, rng.integers(region[0].size, size=SAMPLES**2)]
        origins = stride * np.stack([rows, cols], axis=1)
        windows = normalised_windows(frame, origins, mapper.window, mapper.model.manifest.intensity)
        drawn = decoder.draw(np.ascontiguousarray(latent_map.mean[:, rows, cols].T))
        found.append(residual_structure(windows, drawn))
    return np.array(found)


def _regions(values: NDArray[Any]) -> list[NDArray[Any]]:
    """Regions of ``values (..., rows, cols)``; a signal is divided along its length alone."""
    along = (1, REGIONS**2) if values.shape[-2] == 1 else (REGIONS, REGIONS)
    parts = [
        part for band in np.array_split(values, along[0], axis=-2) for part in np.array_split(band, along[1], axis=-1)
    ]
    return [part for part in parts if part.size]
