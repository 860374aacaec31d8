"""First guess for frames of several classes: one guess per class, from its own frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64

from .first_guess import Guess

__all__ = ["ClassGuess", "make_class_guess"]


@dataclass(frozen=True)
class ClassGuess:
    """One guess per class in ``parts``; ``place (frames, 2)`` is the class of each frame, and its index there."""

    parts: Sequence[Guess]
    place: NDArray[np.int64]

    def targets_at(self, frame: int, y: Float64, x: Float64) -> tuple[Float64, Float64, Float64]:
        """Targets from the guess of the frame's class, see `Guess`."""
        part, number = self.part_of(frame)
        return part.targets_at(number, y, x)

    def images(self, y: Float64, x: Float64) -> tuple[Float64, Float64]:
        """Images of the first class, see `Guess`."""
        return self.parts[0].images(y, x)

    def part_of(self, frame: int) -> tuple[Guess, int]:
        """Guess of a frame's class, and the index of the frame there."""
        label, number = self.place[frame]
        return self.parts[label], int(number)


def make_class_guess(
    frames: Sequence[Float64], labels: Sequence[int], make: Callable[[list[Float64]], Guess]
) -> ClassGuess:
    """Make a guess with `make` for the frames ``(C, H, W)`` of each class; `labels` count from 0, one per frame."""
    place = np.zeros((len(frames), 2), np.int64)
    parts = []
    for label in range(max(labels) + 1):
        members = [i for i, other in enumerate(labels) if other == label]
        place[members] = [(label, number) for number in range(len(members))]
        parts.append(make([frames[i] for i in members]))
    return ClassGuess(parts, place)
