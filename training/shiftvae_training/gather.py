"""Training data from a program, as stacks of frames: arrays, frames, files, and lists of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shiftvae_rt.errors import FrameError
from shiftvae_rt.frame import Frame, PixelSize, as_pixel_size

from .scans import Scans, Stack, read_stack, usable_scans

__all__ = ["Given", "gather_scans"]

#: Training data that `fit` accepts.
Given: TypeAlias = "ArrayLike | Frame | str | os.PathLike[str] | Sequence[ArrayLike | Frame | str | os.PathLike[str]]"

IN_MEMORY = "frames in memory"


def gather_scans(
    given: Given, *, pixel_size_nm: PixelSize = None, channels: bool = False, signals: bool = False
) -> Scans:
    """Convert `given` to the scans that training takes.

    Parameters
    ----------
    given
        An array, raw detector units: an image ``(H, W)`` or a stack ``(N, H, W)``; with `channels` ``(C, H, W)`` or
        ``(N, C, H, W)``; with `signals` ``(L,)`` or ``(N, L)``, and with both ``(C, L)`` or ``(N, C, L)``. Or a
        `Frame`, a path of a microscope file (``FILE::NAME`` picks one of several datasets), or a list of any of these.
    pixel_size_nm
        Edge of a pixel of all frames, nm, or ``(y, x)``; None leaves it to frames and files.
    channels, signals
        What the axes of an array mean. Files with 1D data need `signals` too.

    Raises
    ------
    FrameError
        for an array with other axes, and for frames that cannot be trained on.
    DataFileError
        for a file that cannot be read.
    PixelSizeError
        for frames of different magnification.
    """
    size = as_pixel_size(pixel_size_nm)
    dimensions = 1 if signals else None
    stacks: list[Stack] = []
    loose: list[Frame] = []  # frames in memory, one after the other
    for each in given if isinstance(given, (list, tuple)) else [given]:
        if isinstance(each, (str, os.PathLike)):
            stacks += [*_of_memory(loose), read_stack(os.fspath(each), dimensions=dimensions)]
            loose = []
        else:
            loose += [each] if isinstance(each, Frame) else _frames_of(each, channels=channels, signals=signals)
    stacks += _of_memory(loose)
    if not stacks:
        raise FrameError("expected at least one frame to train on, got an empty list")
    return usable_scans(stacks, dimensions, size)


def _frames_of(array: Any, *, channels: bool, signals: bool) -> list[Frame]:
    """Frames of an array, which is one frame or a stack of frames."""
    pixels: NDArray[Any] = np.asarray(array)
    axes = [*(["channels"] if channels else []), *(["length"] if signals else ["height", "width"])]
    if pixels.ndim not in (len(axes), len(axes) + 1):
        one = ", ".join(axes)
        hint = "; channels=True is for frames of several channels" if not channels else ""
        raise FrameError(
            f"expected an array of shape ({one}{',' if len(axes) == 1 else ''}) or (frames, {one}), "
            f"got shape {pixels.shape}{hint}"
        )
    stack = pixels if pixels.ndim > len(axes) else pixels[np.newaxis]
    return [Frame(frame, name=f"frame {number}") for number, frame in enumerate(stack)]


def _of_memory(frames: list[Frame]) -> list[Stack]:
    """Stack of `frames` in memory, with a hash of their pixels; an empty list without frames."""
    if not frames:
        return []
    digest = hashlib.sha256()
    for frame in frames:
        digest.update(f"{frame.pixels.shape} {frame.pixels.dtype.str}".encode())
        digest.update(np.ascontiguousarray(frame.pixels).data)
    name = (frames[0].name or IN_MEMORY) if len(frames) == 1 else IN_MEMORY
    return [Stack(IN_MEMORY, name, digest.hexdigest(), frames)]
