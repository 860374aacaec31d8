"""Axes of a file by their names. The name of an axis decides what it is; its place decides only if it has no name.

Programs disagree on the order: ncempy writes (y, x) into an EMD file, HyperSpy writes the same image as (x, y).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .recording import LazyPixels

__all__ = ["Arranged", "Layout", "layout_of"]

_Y = {"y", "ky", "qy", "ry", "height", "row", "rows", "line", "lines"}
_X = {"x", "kx", "qx", "rx", "width", "col", "cols", "column", "columns"}
_CHANNEL = {"c", "channel", "channels"}


@dataclass(frozen=True)
class Layout:
    """Places of the axes in an array: those that count frames, the channels if there are any, y and x."""

    frames: tuple[int, ...]
    channel: int | None
    y: int
    x: int


def layout_of(names: Sequence[str | None]) -> Layout:
    """Find y, x and the channels by name; without names, y and x are the last two axes. All others count frames.

    >>> layout_of(["x", "y"])
    Layout(frames=(), channel=None, y=1, x=0)
    >>> layout_of(["t", "c", "y", "x"])
    Layout(frames=(0,), channel=1, y=2, x=3)
    """
    kinds = [_kind(name or "") for name in names]
    y, x = len(names) - 2, len(names) - 1
    if kinds.count("y") == kinds.count("x") == 1:
        y, x = kinds.index("y"), kinds.index("x")
    elif kinds[-2:] == ["x", "y"]:
        y, x = x, y
    rest = [at for at in range(len(names)) if at not in (y, x)]
    channels = [at for at in rest if kinds[at] == "c"]
    channel = channels[0] if len(channels) == 1 else None
    return Layout(tuple(at for at in rest if at != channel), channel, y, x)


def _kind(name: str) -> str:
    words = [word for word in re.split(r"[^a-z]+", name.lower()) if word]
    for kind, known in (("y", _Y), ("x", _X), ("c", _CHANNEL)):
        if any(word in known for word in words):
            return kind
    return ""


def _frames_together(sizes: Sequence[int], chunks: Sequence[int]) -> int:
    """Give the number of consecutive frames that share chunks, from the lengths of the axes that count frames.

    >>> _frames_together([100], [8]), _frames_together([10, 20], [1, 4]), _frames_together([10, 20], [2, 4])
    (8, 4, 40)
    """
    for at, chunk in enumerate(chunks):
        if chunk > 1:
            return int(chunk * prod(sizes[at + 1 :]))
    return 1


class Arranged:
    """An array in a file as ``(frames, channels, height, width)``, without channels or frames if it has none.

    Parameters
    ----------
    source
        The array in the file's own order. Only the frame that is indexed is read from it.
    layout
        Places of its axes.
    convert
        Applied to the pixels ``(..., height, width)`` of a frame.
    """

    def __init__(
        self, source: LazyPixels, layout: Layout, *, convert: Callable[[NDArray[Any]], NDArray[Any]] | None = None
    ) -> None:
        self._source, self._layout, self._convert = source, layout, convert
        self._frames = tuple(source.shape[axis] for axis in layout.frames)
        image = (*(() if layout.channel is None else (layout.channel,)), layout.y, layout.x)
        kept = tuple(source.shape[axis] for axis in image)
        self._order = tuple(sorted(image).index(axis) for axis in image)
        chunks = getattr(source, "chunks", (1,) * len(source.shape))
        #: Length of a chunk of the file along the first axis, where that counts frames.
        self.chunks: tuple[int, ...] = (_frames_together(self._frames, [chunks[axis] for axis in layout.frames]),)
        several = bool(layout.frames) or layout.channel is not None
        self.shape: tuple[int, ...] = (prod(self._frames), *kept) if several else kept

    def __getitem__(self, index: Any, /) -> Any:
        several = len(self.shape) > len(self._order)
        at = np.unravel_index(index, self._frames) if several and self._frames else ()
        whole: list[Any] = [slice(None)] * len(self._source.shape)
        for axis, place in zip(self._layout.frames, at, strict=True):
            whole[axis] = int(place)
        image = np.asarray(self._source[tuple(whole)]).transpose(self._order)
        if self._convert is not None:
            image = self._convert(image)
        return image if several else image[index]
