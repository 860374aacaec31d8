"""The scans that a model is trained on: frames of one or several files, and where they came from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.errors import DataFileError, PixelSizeError
from shiftvae_rt.files import read_frames
from shiftvae_rt.frame import as_pixels
from shiftvae_rt.manifest import DataSource

__all__ = ["Scans", "parse_frames", "read_scans"]

#: Pixel sizes of scans that train one model may differ by this much, relative.
PIXEL_SIZE_TOLERANCE = 0.03


@dataclass(frozen=True)
class Scans:
    """Frames ``(C, H, W)`` in raw detector units (height 1: signals), their pixel size in nm if known, their files."""

    frames: list[NDArray[Any]]
    pixel_size_nm: float | None
    sources: tuple[DataSource, ...]


def read_scans(paths: Sequence[str], *, which: slice = slice(None), dimensions: int | None = None) -> Scans:
    """Read frames of `paths`; `which` picks frames of each file.

    Raises
    ------
    DataFileError, FrameError
        for a file or frame that cannot be used.
    PixelSizeError
        for scans of different magnification.
    """
    frames: list[NDArray[Any]] = []
    sizes: list[float] = []
    sources = []
    for path in paths:
        stack = read_frames(path, dimensions=dimensions)
        chosen = stack[which]
        if not len(chosen):
            raise DataFileError(f"{path} has {len(stack)} frames, none of which is in --frames: choose others")
        pixels = [as_pixels(frame.pixels, dimensions=dimensions or _dimensions(frame.pixels)) for frame in chosen]
        if frames and (
            pixels[0].shape[0] != frames[0].shape[0] or (pixels[0].shape[1] == 1) != (frames[0].shape[1] == 1)
        ):
            raise DataFileError(
                f"{path} has frames of shape {pixels[0].shape}, the scans before it {frames[0].shape}: "
                "train on one kind"
            )
        frames += pixels
        sizes += [frame.pixel_size_nm for frame in chosen if frame.pixel_size_nm is not None]
        file = Path(str(path).partition("::")[0])
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        first = pixels[0]
        sources.append(
            DataSource(name=file.name, sha256=digest, frames=len(pixels), shape=first.shape, dtype=str(first.dtype))
        )
    if sizes and max(sizes) / min(sizes) - 1 > PIXEL_SIZE_TOLERANCE:
        raise PixelSizeError(
            f"the scans have pixel sizes from {min(sizes):.5g} to {max(sizes):.5g} nm, more than 3 % apart: "
            "train on one magnification, or resample them first"
        )
    return Scans(frames, float(np.mean(sizes)) if sizes else None, tuple(sources))


def parse_frames(text: str) -> slice:
    """Read ``7``, ``0:20``, ``:20`` or ``5:``; ValueError for anything else."""
    if not re.fullmatch(r"[0-9]+|[0-9]*:[0-9]*", text):
        raise ValueError(f"expected one frame as 7, or frames as 0:20, :20 or 5:, got {text!r}")
    start, colon, stop = text.partition(":")
    if not colon:
        return slice(int(text), int(text) + 1)
    return slice(int(start) if start else None, int(stop) if stop else None)


def _dimensions(pixels: NDArray[Any]) -> int:
    return 1 if pixels.ndim == 1 else 2
