"""Arrays that say nothing of themselves but their shape and, some of them, the names of their axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .axes import Arranged, layout_of
from .interleaved import is_interleaved, is_picture, sample_names, take_samples
from .recording import LazyPixels, Recording, choose

__all__ = ["Plain", "read_plain"]


@dataclass(frozen=True)
class Plain:
    """An array, its dtype, and the names of its axes, empty where it has none."""

    pixels: LazyPixels
    dtype: np.dtype[Any]
    axis_names: Sequence[str] = ()


def read_plain(path: Path, wanted: str | None, arrays: Mapping[str, Plain], *, what: str = "dataset") -> Recording:
    """Open the one array, or the one that `wanted` names; an empty name stands for a file with a single array.

    An array whose last axis is as short as the samples of a pixel holds no frames of that width. With 8 bits and three
    or four samples it is a colour picture and becomes grey; else the samples may be detectors, and ``NAME/0`` or
    ``NAME/all`` chooses (``0`` or ``all`` in a file with a single array).
    """
    offered: dict[str, tuple[str, str | None]] = {}
    for name, plain in arrays.items():
        shape = plain.pixels.shape
        if any(plain.axis_names) or not is_interleaved(shape):
            offered[name] = (name, None)
            continue
        samples = sample_names(shape[-1])
        if is_picture(shape, plain.dtype):
            offered[name] = (name, "grey")
        if wanted is not None or not is_picture(shape, plain.dtype):
            offered |= {f"{name}/{sample}" if name else sample: (name, sample) for sample in samples}
    labels = list(offered)
    name, sample = offered[labels[choose(path, labels, wanted, what)]]
    plain, metadata = arrays[name], {"dataset": name} if name else {}
    if sample is not None:
        pixels, metadata["samples"] = take_samples(np.asarray(plain.pixels[...]), sample)
        return Recording(pixels[np.newaxis] if sample == "all" and pixels.ndim == 3 else pixels, 2, None, metadata)
    if any(plain.axis_names) and len(plain.pixels.shape) >= 2:
        return Recording(Arranged(plain.pixels, layout_of(plain.axis_names)), 2, None, metadata)
    return Recording(plain.pixels, None, None, metadata)
