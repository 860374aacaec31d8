"""Latent maps as a calibrated ImageJ stack: a float32 page for each latent and field, frames as time points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...array_types import Float32
from ...output_file import whole_or_nothing
from ...verdict import verdict_text

if TYPE_CHECKING:
    from ...fields import Fields
    from ...latent_map import LatentMap

__all__ = ["write"]


def write(path: Path, maps: Sequence[LatentMap], *, several: bool, source: str) -> None:
    """Write the means of `maps` and after them their fields; names, units, model and domain go into the description.

    The label of a page, which ImageJ shows above the image, says if its frame is out of domain. `several` keeps the
    frame axis.
    """
    first = maps[0]
    latents, fields = _labels(first), [] if first.fields is None else _labels(first.fields)
    y, x = (first.grid.stride * edge for edge in first.pixel_size_nm or (1.0, 1.0))
    verdicts = [each.domain for each in maps]
    doubts = [", out of domain" if each and each.out_of_domain else "" for each in verdicts]
    shape = (len(latents) + len(fields), *first.mean.shape[1:])
    with whole_or_nothing(path, "tifffile") as part:
        import tifffile

        tifffile.imwrite(
            part,
            (page for each in maps for page in _pages(each)),
            shape=(len(maps), *shape) if several else shape,
            dtype=np.float32,
            imagej=True,
            resolution=(1 / x, 1 / y),
            metadata={
                "axes": "TCYX" if several else "CYX",
                "mode": "grayscale",
                "unit": "pixel" if first.pixel_size_nm is None else "nm",
                # ImageJ: position = (column - xorigin) * edge; the first window's centre is not at 0.
                "xorigin": -float(first.centre_x_px[0]) / first.grid.stride,
                "yorigin": -float(first.centre_y_px[0]) / first.grid.stride,
                "latents": "; ".join(latents),
                "fields": "; ".join(fields),
                "source": source,
                "model_sha256": first.model_sha256,
                "domain": " | ".join(map(verdict_text, verdicts)),
                "Labels": [label + doubt for doubt in doubts for label in [*latents, *fields]],
            },
        )


def _labels(maps: LatentMap | Fields) -> list[str]:
    return [f"{name} ({unit})" if unit else name for name, unit in zip(maps.names, maps.units, strict=True)]


def _pages(latent_map: LatentMap) -> Iterator[Float32]:
    """Give the means of a map, and after them its fields, ``(rows, cols)`` each."""
    yield from latent_map.mean
    if latent_map.fields is not None:
        yield from latent_map.fields.mean
