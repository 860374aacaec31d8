"""Latent maps as a NumPy archive; no pickle needed to read it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...output_file import whole_or_nothing

if TYPE_CHECKING:
    from ...fields import Fields
    from ...latent_map import LatentMap

__all__ = ["write"]


def write(path: Path, maps: Sequence[LatentMap], *, several: bool, source: str) -> None:
    """Write `maps` of the file or stream called `source`; `several` keeps a leading frame axis."""
    first = maps[0]
    unknown = np.full(first.mean.shape[1:], np.nan, np.float32)
    windows = np.stack([unknown if each.window_scores is None else each.window_scores for each in maps])
    out = np.array([each.domain is not None and each.domain.out_of_domain for each in maps])
    scores = np.array([np.nan if each.domain is None else each.domain.score for each in maps])
    reasons = np.array(["" if each.domain is None else each.domain.reason for each in maps])
    mean, std = np.stack([each.mean for each in maps]), np.stack([each.std for each in maps])
    fields: dict[str, Any] = (
        {} if first.fields is None else _fields([each.fields for each in maps if each.fields], several)
    )
    with whole_or_nothing(path) as part:
        np.savez(
            part,
            **fields,
            mean=mean if several else mean[0],
            std=std if several else std[0],
            names=np.array(first.names),
            units=np.array(first.units),
            centre_y_px=first.centre_y_px,
            centre_x_px=first.centre_x_px,
            pixel_size_nm=np.array(first.pixel_size_nm or (np.nan, np.nan)),
            model_sha256=np.array(first.model_sha256),
            source=np.array(source),
            out_of_domain=out if several else out[0],
            domain_score=scores if several else scores[0],
            domain_reason=reasons if several else reasons[0],
            domain_windows=windows if several else windows[0],
        )


def _fields(fields: Sequence[Fields], several: bool) -> dict[str, Any]:
    """Values and deviations ``(field, rows, cols)``, names and units, if there are any; `several` as in `write`."""
    if not fields:
        return {}
    mean, std = np.stack([each.mean for each in fields]), np.stack([each.std for each in fields])
    return {
        "fields": mean if several else mean[0],
        "field_std": std if several else std[0],
        "field_names": np.array(fields[0].names),
        "field_units": np.array(fields[0].units),
    }
