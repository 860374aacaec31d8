"""Arrays that come with nothing but their shape and, sometimes, the names of their axes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataFileError
from .axes import Arranged, layout_of
from .interleaved import is_interleaved, is_picture, sample_names, take_samples
from .recording import LazyPixels, Recording, choose

__all__ = ["Plain", "read_plain"]

#: A single axis longer than this is more likely an image whose lines were written one after another.
LONG = 1 << 16


@dataclass(frozen=True)
class Plain:
    """An array, its dtype, and the names of its axes (empty if it has none)."""

    pixels: LazyPixels
    dtype: np.dtype[Any]
    axis_names: Sequence[str] = ()


def read_plain(path: Path, wanted: str | None, arrays: Mapping[str, Plain], *, what: str = "dataset") -> Recording:
    """Open the only array, or the one that `wanted` names; an empty name stands for a file with a single array.

    An array whose last axis is as short as the samples of a pixel holds no frames of that width. With 8 bits and three
    or four samples it is a colour picture and becomes grey; else the samples may be detectors, and ``NAME/0`` or
    ``NAME/all`` chooses (``0`` or ``all`` in a file with a single array). A single axis is a signal, or the lines of an
    image one after another where ``NAME/HEIGHTxWIDTH`` says so (``HEIGHTxWIDTH`` in a file with a single array).
    """
    wanted, lines = _lines(wanted, arrays)
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
    shape = plain.pixels.shape
    if lines is not None:
        if shape != (lines[0] * lines[1],):
            raise DataFileError(
                f"{path} holds an array of shape {shape}, expected one axis of {lines[0]} x {lines[1]} = "
                f"{lines[0] * lines[1]} values for '::{lines[0]}x{lines[1]}': give its real height and width"
            )
        return Recording(np.asarray(plain.pixels[...]).reshape(lines), 2, None, metadata)
    if sample is not None:
        pixels, metadata["samples"] = take_samples(np.asarray(plain.pixels[...]), sample)
        return Recording(pixels[np.newaxis] if sample == "all" and pixels.ndim == 3 else pixels, 2, None, metadata)
    if any(plain.axis_names) and len(plain.pixels.shape) >= 2:
        return Recording(Arranged(plain.pixels, layout_of(plain.axis_names)), 2, None, metadata)
    unclear = None
    if len(shape) == 1 and shape[0] > LONG:
        which = f"{path}::{name}/HEIGHTxWIDTH" if name else f"{path}::HEIGHTxWIDTH"
        unclear = (
            f"one axis of {shape[0]} values: choose '{which}' if they are the lines of an image, or give --signal (in "
            "Python dimensions=1) if they are one long signal"
        )
    return Recording(plain.pixels, None, None, metadata, unclear)


def _lines(wanted: str | None, arrays: Mapping[str, Plain]) -> tuple[str | None, tuple[int, int] | None]:
    """Split `wanted` into the name of the array, and the height and width in px if it ends with them."""
    size = re.fullmatch(r"(?:(.*)/)?([1-9]\d{0,8})x([1-9]\d{0,8})", wanted or "")
    if size is None or wanted in arrays:
        return wanted, None
    return size[1], (int(size[2]), int(size[3]))
