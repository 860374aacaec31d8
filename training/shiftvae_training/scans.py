"""The scans that a model is trained on: frames of one or several files, and where they came from."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.errors import DataFileError, FrameError, PixelSizeError, few
from shiftvae_rt.files import read_frames, split_name
from shiftvae_rt.frame import Frame, as_pixel_size, as_pixels
from shiftvae_rt.model.manifest import DataSource

__all__ = ["FrameWarning", "Scans", "Stack", "has_contrast", "parse_frames", "read_scans", "read_stack", "usable_scans"]

#: Pixel sizes of scans that train one model may differ by this much, relative.
PIXEL_SIZE_TOLERANCE = 0.03


class FrameWarning(UserWarning):
    """Frames of a file that are left out of the training, and why."""


@dataclass(frozen=True)
class Scans:
    """Frames ``(C, H, W)`` in raw detector units (height 1: signals), edges ``(y, x)`` of their pixels in nm, files."""

    frames: list[NDArray[Any]]
    pixel_size_nm: tuple[float, float] | None
    sources: tuple[DataSource, ...]


@dataclass(frozen=True)
class Stack:
    """Frames of one source, and the SHA-256 of it; `where` is its path, or what else people call it."""

    where: str
    name: str
    sha256: str
    frames: Sequence[Frame]


def read_scans(paths: Sequence[str], *, which: slice = slice(None), dimensions: int | None = None) -> Scans:
    """Read frames of `paths`; `which` picks frames of each file. The rest as `read_stack` and `usable_scans`."""
    return usable_scans([read_stack(path, which=which, dimensions=dimensions) for path in paths], dimensions)


def read_stack(path: str, *, which: slice = slice(None), dimensions: int | None = None) -> Stack:
    """Open a file; each frame is read when it is indexed. `dimensions` as in `read_frames`.

    Raises
    ------
    DataFileError
        for a file that cannot be read, or has none of the frames.
    """
    stack = read_frames(path, dimensions=dimensions)
    chosen = stack[which]
    if not len(chosen):
        raise DataFileError(f"{path} has {len(stack)} frames, none of which is in --frames: choose others")
    file, _ = split_name(path)
    return Stack(str(path), file.name, _digest(file), chosen)


def usable_scans(stacks: Sequence[Stack], dimensions: int | None = None) -> Scans:
    """Frames to train on; blank ones and those with NaN are left out.

    Raises
    ------
    DataFileError, FrameError
        for a source that holds no usable frame, or frames of another kind than those before it.
    PixelSizeError
        for scans of different magnification.

    Warns
    -----
    FrameWarning
        with the names of the frames that are left out, and the reasons.
    """
    frames: list[NDArray[Any]] = []
    sizes: list[tuple[float, float]] = []
    sources = []
    for stack in stacks:
        path = stack.where
        usable, pixels = _usable(path, stack.frames, dimensions)
        if frames and (
            pixels[0].shape[0] != frames[0].shape[0] or (pixels[0].shape[1] == 1) != (frames[0].shape[1] == 1)
        ):
            raise DataFileError(
                f"{path} has frames of shape {pixels[0].shape}, the scans before it {frames[0].shape}: "
                "train on one kind"
            )
        frames += pixels
        sizes += [size for frame in usable if (size := as_pixel_size(frame.pixel_size_nm)) is not None]
        first = pixels[0]
        sources.append(
            DataSource(
                name=stack.name, sha256=stack.sha256, frames=len(pixels), shape=first.shape, dtype=str(first.dtype)
            )
        )
    for axis, edges in zip("yx", zip(*sizes, strict=True), strict=False):
        if max(edges) / min(edges) - 1 > PIXEL_SIZE_TOLERANCE:
            raise PixelSizeError(
                f"the scans have pixel sizes from {min(edges):.5g} to {max(edges):.5g} nm in {axis}, more than 3 % "
                "apart: train on one magnification, or resample them first"
            )
    return Scans(frames, as_pixel_size(tuple(np.mean(sizes, axis=0))) if sizes else None, tuple(sources))


def _digest(path: Path) -> str:
    """SHA-256 of a file; of a folder, of its files and their names."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    every = hashlib.sha256()
    for file in sorted(path.rglob("*")):
        if file.is_file():
            every.update(f"{file.relative_to(path).as_posix()}\0{file.stat().st_size}\0".encode())
            every.update(file.read_bytes())
    return every.hexdigest()


def has_contrast(pixels: NDArray[Any]) -> bool:
    """Tell whether any pixel differs from another of its channel in ``pixels (C, H, W)``."""
    return bool((pixels != pixels[:, :1, :1]).any())


def _usable(path: str, frames: Sequence[Frame], dimensions: int | None) -> tuple[list[Frame], list[NDArray[Any]]]:
    """Frames with contrast and without NaN, and their pixels ``(C, H, W)``."""
    kept, pixels, reasons = [], [], []
    for number in range(len(frames)):
        name = path
        try:
            frame = frames[number]
            name = frame.name
            found = as_pixels(frame.pixels, dimensions=dimensions or (1 if frame.pixels.ndim == 1 else 2))
            if not has_contrast(found):
                raise FrameError(f"the frame is constant (every pixel is {found.flat[0]}): the beam was blanked?")
        except (FrameError, DataFileError) as error:
            reasons.append(f"{name}: {error}")
        else:
            kept.append(frame)
            pixels.append(found)
    if not kept:
        raise FrameError(reasons[0] if len(reasons) == 1 else f"none of {len(reasons)} frames is usable; {reasons[0]}")
    if reasons:
        what = f"{len(reasons)} of {len(frames)} frames are left out of the training: {few(reasons)}"
        warnings.warn(f"{path}: {what}", FrameWarning, stacklevel=3)
    return kept, pixels


def parse_frames(text: str) -> slice:
    """Read ``7``, ``0:20``, ``:20`` or ``5:``; ValueError for anything else."""
    if not re.fullmatch(r"[0-9]+|[0-9]*:[0-9]*", text):
        raise ValueError(f"expected one frame as 7, or frames as 0:20, :20 or 5:, got {text!r}")
    start, colon, stop = text.partition(":")
    if not colon:
        return slice(int(text), int(text) + 1)
    return slice(int(start) if start else None, int(stop) if stop else None)
