"""Archive of what is shown: the `.npz` file that `shiftvae map` writes."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import numpy as np

from ..files.writers.npz import write_archive
from ..latent_map import LatentMap
from .scenes import Scene

__all__ = ["archive_of"]


def archive_of(scene: Scene) -> bytes | None:
    """Archive of the maps of a scene: the rows that have come, with fields once all have; None if there are none."""
    maps = scene.maps
    if maps is None or not scene.has_maps:
        return None
    found = _joined(maps.bands)
    if found is None:
        return None
    file = BytesIO()
    write_archive(file, [found], several=False, source=scene.facts.stream)
    return file.getvalue()


def _joined(bands: list[LatentMap]) -> LatentMap | None:
    """One map of the rows from the first on; None if row 0 is not among them."""
    if bands[0].first_row != 0:
        return None
    mean, std = (np.concatenate([getattr(band, name) for band in bands], axis=1) for name in ("mean", "std"))
    return replace(bands[0], mean=mean, std=std, domain=bands[-1].domain, gauge=bands[-1].gauge)
