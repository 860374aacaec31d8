"""Arrays whose chunks hold several frames: the chunks of the frame that was read last are kept."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .recording import LazyPixels

__all__ = ["Slabs"]

#: Most bytes that are kept. A frame of larger chunks is read alone.
MOST_KEPT = 256 << 20


class Slabs:
    """An array of zarr, h5py or dask, open in its file: a frame that lies in the chunks of the last one costs no read.

    Parameters
    ----------
    source
        The array. Its attribute `chunks`, if it has one, gives the length of a chunk along each axis.
    """

    def __init__(self, source: Any) -> None:
        self._source: LazyPixels = source
        self.shape: tuple[int, ...] = tuple(source.shape)
        chunks = getattr(source, "chunks", None) or (1,) * len(self.shape)
        #: Length of a chunk along each axis, px or frames.
        self.chunks = tuple(length if isinstance(length, int) else int(length[0]) for length in chunks)
        self.dtype: np.dtype[Any] = source.dtype
        self._kept: tuple[tuple[slice, ...], NDArray[Any]] | None = None

    def __getitem__(self, index: Any, /) -> Any:
        places = index if isinstance(index, tuple) else (index,)
        if Ellipsis in places or all(isinstance(place, slice) for place in places):
            return self._source[index]  # the whole array
        places += (slice(None),) * (len(self.shape) - len(places))
        slab = tuple(map(self._chunk_around, range(len(places)), places))
        lengths = [len(range(size)[part]) for size, part in zip(self.shape, slab, strict=True)]
        if prod(lengths) * self.dtype.itemsize > MOST_KEPT:
            return self._source[index]
        if self._kept is None or self._kept[0] != slab:
            self._kept = None  # two slabs need not be in memory together
            self._kept = slab, np.asarray(self._source[slab])
        within = (at if isinstance(at, slice) else at - part.start for at, part in zip(places, slab, strict=True))
        return self._kept[1][tuple(within)]

    def _chunk_around(self, axis: int, place: int | slice) -> slice:
        """Give the chunk in which `place` lies; of a slice, the whole axis."""
        if isinstance(place, slice):
            return slice(None)
        first = place - place % self.chunks[axis]
        return slice(first, min(first + self.chunks[axis], self.shape[axis]))
