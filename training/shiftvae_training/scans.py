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

from .training_frames import TrainingFrames, limits_of

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
        ``(C, H, W)`` each, in raw detector units; height 1 for signals. Those of a file are read when they are indexed.
    pixel_size_nm
        Edges ``(y, x)`` of a pixel, nm; None if unknown.
    sources
        Provenance, one entry per file.
    """

    frames: Sequence[NDArray[Any]]
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


def usable_scans(
    stacks: Sequence[Stack], dimensions: int | None = None, pixel_size_nm: tuple[float, float] | None = None
) -> Scans:
    """Frames of `stacks` for training, without blank frames and frames with NaN. Every frame is read once.

    Parameters
    ----------
    stacks
        The sources.
    dimensions
        1 for signals, 2 for images; None if the number of axes tells.
    pixel_size_nm
        Edges ``(y, x)`` of the pixels of all frames, nm; None takes those of the frames.

    Raises
    ------
    DataFileError, FrameError
        for a source without a usable frame, or with frames of another kind or shape than those before it.
    PixelSizeError
        for scans of different magnification.

    Warns
    -----
    FrameWarning
        with the names of the frames that are left out, and the reasons.
    """
    found: list[_Usable] = []
    sources = []
    for stack in stacks:
        usable = _usable(stack, dimensions)
        shape, expected = usable.shapes[0], found[0].shapes[0] if found else usable.shapes[0]
        if shape[0] != expected[0] or (shape[1] == 1) != (expected[1] == 1):
            raise DataFileError(
                f"expected frames like those of the scans before, of shape {expected}, got {shape} in {stack.where}: "
                "train on one kind"
            )
        found.append(usable)
        number = len(usable.numbers)
        sources.append(DataSource(name=stack.name, sha256=stack.sha256, frames=number, shape=shape, dtype=usable.dtype))
    size = pixel_size_nm or _common_size([size for usable in found for size in usable.sizes])
    return Scans(_joined(stacks, found, dimensions), size, tuple(sources))


def _common_size(sizes: list[tuple[float, float]]) -> tuple[float, float] | None:
    """Mean of the pixel sizes of frames, nm; None if none is known."""
    for axis, edges in zip("yx", zip(*sizes, strict=True), strict=False):
        if max(edges) / min(edges) - 1 > PIXEL_SIZE_TOLERANCE:
            raise PixelSizeError(
                f"the scans have pixel sizes from {min(edges):.5g} to {max(edges):.5g} nm in {axis}, more than 3 % "
                "apart: train on one magnification, or resample them first"
            )
    return as_pixel_size(tuple(np.mean(sizes, axis=0))) if sizes else None


def _joined(stacks: Sequence[Stack], found: list[_Usable], dimensions: int | None) -> TrainingFrames:
    """The usable frames of all stacks, one after the other."""
    places = [(stack, number) for stack, usable in zip(stacks, found, strict=True) for number in usable.numbers]
    groups: list[int] = []
    for stack, usable in zip(stacks, found, strict=True):
        first, together = (groups[-1] + 1 if groups else 0), getattr(stack.frames, "frames_together", 1)
        groups += [first + number // together for number in usable.numbers]

    def read(number: int) -> NDArray[Any]:
        stack, place = places[number]
        return _pixels(stack.frames[place], dimensions)

    shapes = [shape for usable in found for shape in usable.shapes]
    limits = np.concatenate([usable.limits for usable in found])
    return TrainingFrames(read, shapes, limits, np.array(groups))


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


@dataclass(frozen=True)
class _Usable:
    """Usable frames of a stack: their numbers there, shapes, limits ``(n, C, 2)``, known pixel sizes, and dtype."""

    numbers: list[int]
    shapes: list[tuple[int, ...]]
    limits: NDArray[np.float64]
    sizes: list[tuple[float, float]]
    dtype: str


def _pixels(frame: Frame, dimensions: int | None) -> NDArray[Any]:
    """Pixels ``(C, H, W)`` of a frame."""
    return as_pixels(frame.pixels, dimensions=dimensions or (1 if frame.pixels.ndim == 1 else 2))


def _usable(stack: Stack, dimensions: int | None) -> _Usable:
    """Frames with contrast and without NaN; of each little more than its limits is kept."""
    frames, path = stack.frames, stack.where
    numbers, shapes, limits, sizes, reasons, dtype = [], [], [], [], [], ""
    for number in range(len(frames)):
        name = path
        try:
            frame = frames[number]
            name = frame.name
            found = _pixels(frame, dimensions)
            ends = limits_of(found)
            if not (ends[:, 0] < ends[:, 1]).any():
                raise FrameError(f"the frame is constant (every pixel is {found.flat[0]}): the beam was blanked?")
        except (FrameError, DataFileError) as error:
            reasons.append(f"{name}: {error}")
            continue
        numbers.append(number)
        shapes.append(found.shape)
        limits.append(ends)
        dtype = dtype or str(found.dtype)
        if (size := as_pixel_size(frame.pixel_size_nm)) is not None:
            sizes.append(size)
    if not numbers:
        raise FrameError(reasons[0] if len(reasons) == 1 else f"none of {len(reasons)} frames is usable; {reasons[0]}")
    if reasons:
        what = f"{len(reasons)} of {len(frames)} frames are left out of the training: {few(reasons)}"
        warnings.warn(f"{path}: {what}", FrameWarning, stacklevel=3)
    return _Usable(numbers, shapes, np.stack(limits), sizes, dtype)


def parse_frames(text: str) -> slice:
    """Read ``7``, ``0:20``, ``:20`` or ``5:`` as a slice; raises `ValueError` for anything else."""
    if not re.fullmatch(r"[0-9]+|[0-9]*:[0-9]*", text):
        raise ValueError(f"expected one frame as 7, or frames as 0:20, :20 or 5:, got {text!r}")
    start, colon, stop = text.partition(":")
    if not colon:
        return slice(int(text), int(text) + 1)
    return slice(int(start) if start else None, int(stop) if stop else None)
