"""A first guess for frames of several classes: one for each class, from its own frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .first_guess import Guess

__all__ = ["ClassGuess", "make_class_guess"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ClassGuess:
    """``parts`` one for each class; ``place (frames, 2)``: class of each frame, and its number in it."""

    parts: Sequence[Guess]
    place: NDArray[np.int64]

    def targets_at(self, frame: int, y: Floats, x: Floats) -> tuple[Floats, Floats, Floats]:
        """As the guess of the frame's class."""
        part, number = self.of(frame)
        return part.targets_at(number, y, x)

    def images(self, y: Floats, x: Floats) -> tuple[Floats, Floats]:
        """Of the first class."""
        return self.parts[0].images(y, x)

    def of(self, frame: int) -> tuple[Guess, int]:
        """The guess of a frame's class, and the frame's number there."""
        label, number = self.place[frame]
        return self.parts[label], int(number)


def make_class_guess(
    frames: Sequence[Floats], labels: Sequence[int], make: Callable[[list[Floats]], Guess]
) -> ClassGuess:
    """Let `make` guess for the frames of each class; `labels` count up from 0, one for each frame."""
    place = np.zeros((len(frames), 2), np.int64)
    parts = []
    for label in range(max(labels) + 1):
        mine = [i for i, other in enumerate(labels) if other == label]
        place[mine] = [(label, number) for number in range(len(mine))]
        parts.append(make([frames[i] for i in mine]))
    return ClassGuess(parts, place)
