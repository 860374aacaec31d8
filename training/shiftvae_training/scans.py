"""Scans for training: frames of one or several files, and their provenance."""

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

#: Largest relative difference between the pixel sizes of scans that train one model.
PIXEL_SIZE_TOLERANCE = 0.03


class FrameWarning(UserWarning):
    """Warning with the frames of a file that are left out of the training, and the reasons."""


@dataclass(frozen=True)
class Scans:
    """Frames for one training.

    Attributes
    ----------
    frames
        ``(C, H, W)`` each, in raw detector units; height 1 for signals.
    pixel_size_nm
        Edges ``(y, x)`` of a pixel, nm; None if unknown.
    sources
        Provenance, one entry per file.
    """

    frames: list[NDArray[Any]]
    pixel_size_nm: tuple[float, float] | None
    sources: tuple[DataSource, ...]


@dataclass(frozen=True)
class Stack:
    """Frames of one source, with its SHA-256; `where` is its path, or another description for messages."""

    where: str
    name: str
    sha256: str
    frames: Sequence[Frame]


def read_scans(paths: Sequence[str], *, which: slice = slice(None), dimensions: int | None = None) -> Scans:
    """Read the frames `which` of each of `paths`; for arguments and errors see `read_stack` and `usable_scans`."""
    return usable_scans([read_stack(path, which=which, dimensions=dimensions) for path in paths], dimensions)


def read_stack(path: str, *, which: slice = slice(None), dimensions: int | None = None) -> Stack:
    """Open a file; each frame is read when it is indexed. `dimensions` as in `read_frames`.

    Raises
    ------
    DataFileError
        for a file that cannot be read, or without any of the frames.
    """
    stack = read_frames(path, dimensions=dimensions)
    chosen = stack[which]
    if not len(chosen):
        raise DataFileError(f"{path} has {len(stack)} frames, none of which --frames selects: choose others")
    file, _ = split_name(path)
    return Stack(str(path), file.name, _digest(file), chosen)


def usable_scans(stacks: Sequence[Stack], dimensions: int | None = None) -> Scans:
    """Frames of `stacks` for training, without blank frames and frames with NaN.

    Raises
    ------
    DataFileError, FrameError
        for a source without a usable frame, or with frames of another kind than those before it.
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
                f"expected frames like those of the scans before, of shape {frames[0].shape}, got {pixels[0].shape} in "
                f"{path}: train on one kind"
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
    """SHA-256 of a file, or of the names and contents of all files in a folder."""
    every = hashlib.sha256()
    if path.is_file():
        _add_content(every, path)
        return every.hexdigest()
    for file in sorted(path.rglob("*")):
        if file.is_file():
            every.update(f"{file.relative_to(path).as_posix()}\0{file.stat().st_size}\0".encode())
            _add_content(every, file)
    return every.hexdigest()


def _add_content(digest: hashlib._Hash, path: Path) -> None:
    """Add the content of a file, a part at a time: a movie does not fit into memory."""
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            digest.update(part)


def has_contrast(pixels: NDArray[Any]) -> bool:
    """Tell whether any channel of ``pixels (C, H, W)`` is not constant."""
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
    """Read ``7``, ``0:20``, ``:20`` or ``5:`` as a slice; raises `ValueError` for anything else."""
    if not re.fullmatch(r"[0-9]+|[0-9]*:[0-9]*", text):
        raise ValueError(f"expected one frame as 7, or frames as 0:20, :20 or 5:, got {text!r}")
    start, colon, stop = text.partition(":")
    if not colon:
        return slice(int(text), int(text) + 1)
    return slice(int(start) if start else None, int(stop) if stop else None)
