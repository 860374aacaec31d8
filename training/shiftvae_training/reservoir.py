"""The frames in memory, from which tiles are drawn: of a long movie a part at a time.

After the steps that the first guess guides, frames of the movie take the place of those that have been in memory the
longest, at a steady pace that costs little beside the steps. Which frames are in memory depends on the seed and on the
number of steps alone, so that a training that was interrupted goes on with the same frames.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .training_frames import TrainingFrames

__all__ = ["Reservoir"]

#: Number of pixels that are in memory (64 frames of 512 x 512), and least number of frames.
KEPT_PIXELS, LEAST_KEPT = 64 * 512 * 512, 8
#: Number of pixels that are read for each step (half a frame of 512 x 512), and largest number of frames.
PIXELS_A_STEP, MOST_A_STEP = 512 * 512 / 2, 8.0


class Reservoir:
    """Frames in memory, and those that come next.

    Parameters
    ----------
    frames
        All frames ``(C, H, W)``.
    first
        Numbers of those that are in memory first, ascending; None: all.
    seed
        Seed of the order in which the others come.

    Attributes
    ----------
    first
        Numbers of the frames that are in memory first, ascending.
    numbers
        Number of each frame in memory.
    total
        Number of all frames.
    """

    def __init__(self, frames: Sequence[NDArray[Any]], first: Sequence[int] | None = None, *, seed: int = 0) -> None:
        self._frames, self._seed, self.total = frames, seed, len(frames)
        self.first = list(range(len(frames)) if first is None else first)
        self._pixels = {number: frames[number] for number in self.first}
        size = self._pixels[self.first[0]][0].size
        self._most = max(LEAST_KEPT, KEPT_PIXELS // size)
        self._a_step = min(PIXELS_A_STEP / size, MOST_A_STEP)
        self._until = len(self.first)  # place in the sequence of all frames to come
        self.numbers = deque(self.first)
        self._order = lru_cache(2)(self._new_order)

    def refill(self, steps: float) -> tuple[int, int]:
        """Take in the frames that are due `steps` after the guided ones.

        Returns
        -------
        (int, int)
            Number of frames that went, the first of `numbers`, and of those that came, its last.
        """
        others = self.total - len(self.first)
        if self.total <= self._most:  # the others find room at once
            until = self.total if steps > 0 else 0
        else:
            until = len(self.first) + (int(steps * self._a_step) if others else 0)
        if until <= self._until:
            return 0, 0
        start = max(0, until - max(self._most, len(self.first)))
        gone = min(len(self.numbers), start - (self._until - len(self.numbers)))
        for _ in range(gone):
            self.numbers.popleft()
        new = [self._number(place) for place in range(max(start, self._until), until)]
        self.numbers.extend(new)
        here = set(self.numbers)
        self._pixels = {number: pixels for number, pixels in self._pixels.items() if number in here}
        for number in new:
            if number not in self._pixels:
                self._pixels[number] = self._frames[number]
        self._until = until
        return gone, len(new)

    def pixels(self, number: int) -> NDArray[Any]:
        """Frame ``(C, H, W)`` of a number; one that is not in memory is read and not kept."""
        return self._pixels[number] if number in self._pixels else self._frames[number]

    def shape(self, number: int) -> tuple[int, ...]:
        """Height and width of a frame, px."""
        frames = self._frames
        return (frames.shape if isinstance(frames, TrainingFrames) else frames[number].shape)[1:]

    def _number(self, place: int) -> int:
        """Number of the frame at a place of the endless sequence: the first ones, the others, all again, and so on."""
        if place < len(self.first):
            return self.first[place]
        others = self.total - len(self.first)
        place -= len(self.first)
        if place < others:
            return int(self._order(0)[place])
        turn, place = divmod(place - others, self.total)
        return int(self._order(turn + 1)[place])

    def _new_order(self, turn: int) -> NDArray[np.int64]:
        """Order of all frames in one turn, without the first ones in turn 0; those of one chunk follow each other."""
        groups = self._frames.groups if isinstance(self._frames, TrainingFrames) else np.arange(self.total)
        rank = np.random.default_rng([self._seed, 4, turn]).permutation(int(groups.max()) + 1)
        order = np.argsort(rank[groups], kind="stable")
        return order if turn else order[~np.isin(order, self.first)]
