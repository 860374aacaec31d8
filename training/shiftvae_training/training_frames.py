"""The frames of a training: each is read when it is needed, and little is kept of those that are not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.errors import FrameError
from shiftvae_rt.frame import read_only

__all__ = ["TrainingFrames", "limits_of"]

#: Number of pixels on which a training is prepared (eight frames of 512 x 512), and least number of frames.
PREPARED_PIXELS, LEAST_PREPARED = 8 * 512 * 512, 4


def limits_of(pixels: NDArray[Any]) -> NDArray[np.float64]:
    """Smallest and largest value of each channel of ``pixels (C, H, W)``, ``(C, 2)``."""
    return np.stack([pixels.min(axis=(1, 2)), pixels.max(axis=(1, 2))], axis=1).astype(np.float64)


class TrainingFrames(Sequence[NDArray[Any]]):
    """Frames ``(C, H, W)`` of one shape, read-only; those of a file are read each time they are indexed.

    Parameters
    ----------
    read
        Gives the frame of a number.
    shapes
        Shape of each frame.
    limits
        ``(N, C, 2)`` smallest and largest value of each channel of each frame.
    groups
        ``(N,)`` number of the chunk of its file in which a frame lies: frames of one chunk are read together; None if
        each lies alone.

    Attributes
    ----------
    limits, groups
        As given.
    shape
        Shape of every frame.
    lit
        ``(N,)`` whether a frame has contrast in any channel.

    Raises
    ------
    FrameError
        if the frames differ in shape.
    """

    def __init__(
        self,
        read: Callable[[int], NDArray[Any]],
        shapes: Sequence[tuple[int, ...]],
        limits: NDArray[np.float64],
        groups: NDArray[np.int64] | None = None,
    ) -> None:
        _check_shapes(shapes)
        self._read, self.shape, self.limits = read, shapes[0], limits
        self.groups = np.arange(len(limits)) if groups is None else groups
        self.lit = np.asarray((limits[..., 0] < limits[..., 1]).any(axis=1))

    @classmethod
    def of(cls, frames: Sequence[NDArray[Any]]) -> TrainingFrames:
        """Frames in memory; those that are `TrainingFrames` already are given back."""
        if isinstance(frames, TrainingFrames):
            return frames
        shapes = [frame.shape for frame in frames]
        _check_shapes(shapes)
        return cls(list(frames).__getitem__, shapes, np.stack([limits_of(frame) for frame in frames]))

    def __len__(self) -> int:
        return len(self.limits)

    @overload
    def __getitem__(self, index: int) -> NDArray[Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[NDArray[Any]]: ...
    def __getitem__(self, index: int | slice) -> NDArray[Any] | list[NDArray[Any]]:
        numbers = range(len(self))[index]
        return read_only(self._read(numbers)) if isinstance(numbers, int) else [self[i] for i in numbers]

    def sample(self, seed: int) -> list[int]:
        """Numbers of the frames on which a training is prepared: all, if they are few.

        Of many, the frames with contrast are divided into equal parts in their order, and one of each part is drawn:
        they show a movie from its beginning to its end, and do not fall into step with anything that repeats.
        """
        most = max(LEAST_PREPARED, PREPARED_PIXELS // int(np.prod(self.shape[1:])))
        if len(self) <= most:
            return list(range(len(self)))
        lit, random = np.flatnonzero(self.lit), np.random.default_rng([seed, 5])
        return [int(random.choice(part)) for part in np.array_split(lit, most) if len(part)]


def _check_shapes(shapes: Sequence[tuple[int, ...]]) -> None:
    """Check that all frames have one shape."""
    different = sorted(set(shapes))
    if len(different) != 1:
        raise FrameError(f"expected frames of one shape (channels, height, width), got {different}: train on one kind")
