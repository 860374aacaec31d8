"""Latent maps as a NumPy archive; no pickle needed to read it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from zipfile import ZIP_STORED, ZipFile

import numpy as np

from ...array_types import Float32
from ...errors import DataFileError
from ...output_file import whole_or_nothing

if TYPE_CHECKING:
    from ...fields import Fields
    from ...latent_map import LatentMap

__all__ = ["write", "write_archive"]


def write(path: Path, maps: Sequence[LatentMap], *, several: bool, source: str) -> None:
    """Write `maps` of the file or stream called `source`, one after another; `several` keeps a leading frame axis."""
    with whole_or_nothing(path) as part:
        write_archive(part, maps, several=several, source=source)


def write_archive(file: Path | IO[bytes], maps: Sequence[LatentMap], *, several: bool, source: str) -> None:
    """Write into a file, or into one that is open; else as `write`."""
    first = maps[0]
    out, scores, reasons = [], [], []
    for each in maps:
        out.append(each.domain is not None and each.domain.out_of_domain)
        scores.append(np.nan if each.domain is None else each.domain.score)
        reasons.append("" if each.domain is None else each.domain.reason)
    about: dict[str, Any] = {
        "names": np.array(first.names),
        "units": np.array(first.units),
        "centre_y_px": first.centre_y_px,
        "centre_x_px": first.centre_x_px,
        "pixel_size_nm": np.array(first.pixel_size_nm or (np.nan, np.nan)),
        "model_sha256": np.array(first.model_sha256),
        "source": np.array(source),
        "out_of_domain": np.array(out if several else out[0]),
        "domain_score": np.array(scores if several else scores[0]),
        "domain_reason": np.array(reasons if several else reasons[0]),
    }
    stacks: dict[str, Callable[[LatentMap], Float32]] = {
        "mean": lambda each: each.mean,
        "std": lambda each: each.std,
        "domain_windows": _window_scores,
    }
    if first.fields is not None:
        about |= {"field_names": np.array(first.fields.names), "field_units": np.array(first.fields.units)}
        stacks |= {"fields": lambda each: _fields(each).mean, "field_std": lambda each: _fields(each).std}
    with ZipFile(file, "w", ZIP_STORED) as archive:
        for name, array in about.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
        for name, take in stacks.items():
            shape = take(first).shape
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                header = {"descr": "<f4", "fortran_order": False, "shape": (len(maps), *shape) if several else shape}
                np.lib.format.write_array_header_1_0(member, header)
                for each in maps:
                    member.write(np.ascontiguousarray(take(each), "<f4").data)


def _window_scores(latent_map: LatentMap) -> Float32:
    scores = latent_map.window_scores
    return np.full(latent_map.mean.shape[1:], np.nan, np.float32) if scores is None else scores


def _fields(latent_map: LatentMap) -> Fields:
    if latent_map.fields is None:
        raise DataFileError("expected maps that all have fields, or none of them: write them to several files")
    return latent_map.fields
