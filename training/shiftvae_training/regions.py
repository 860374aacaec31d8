"""Division of the tiles of a frame into those for training and those held out, which touch no pixel of each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["HELD_OUT", "Region", "split_frame"]

#: Share of each frame that is held out.
HELD_OUT = 0.1


@dataclass(frozen=True)
class Region:
    """First pixels of the training tiles of a frame: those at which no held-out tile is touched.

    They are not listed, because a list takes 30 times the memory of the frame. The k-th is found from the number of
    places in every row.

    Attributes
    ----------
    places
        Mask ``(H - h + 1, W - w + 1)`` of the first pixels that a tile may have; it is shared by all frames.
    held
        ``(m, 2)`` first pixels of the held-out tiles.
    apart
        px (y, x) by which a training tile lies at least from a held-out one.
    ends
        ``(H - h + 1,)`` number of training tiles up to and with each row.
    """

    places: NDArray[np.bool_]
    held: NDArray[np.int64]
    apart: tuple[int, int]
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, places: NDArray[np.bool_], held: NDArray[np.int64], apart: tuple[int, int]) -> Region:
        """Region of all `places` except those nearer than `apart` to a tile of `held`."""
        free = places.copy()
        for place in held:
            free[_near(place, apart)] = False
        return cls(places, held, apart, np.cumsum(np.count_nonzero(free, axis=1)))

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def place(self, number: int) -> tuple[int, int]:
        """First pixel (y, x) of a training tile, counted row by row."""
        y = int(np.searchsorted(self.ends, number, "right"))
        row = self.places[y].copy()
        for place in self.held[np.abs(self.held[:, 0] - y) < self.apart[0]]:
            row[_near(place, self.apart)[1]] = False
        return y, int(np.flatnonzero(row)[number - (self.ends[y - 1] if y else 0)])


def _near(place: NDArray[np.int64], apart: tuple[int, int]) -> tuple[slice, slice]:
    """First pixels of all tiles that lie nearer than `apart` to the tile at `place`."""
    rows, cols = (slice(max(0, int(at) - t + 1), int(at) + t) for at, t in zip(place, apart, strict=True))
    return rows, cols


def split_frame(
    places: NDArray[np.bool_], target: float, apart: tuple[int, int], random: np.random.Generator
) -> Region:
    """Divide the tiles of a frame into those for training and about `target` held-out ones.

    Parameters
    ----------
    places
        Mask of the first pixels that a tile may have.
    target
        Number of held-out tiles; half of all places at least are left for training, except in a small frame.
    apart
        px (y, x) by which a training tile lies at least from a held-out one.
    random
        Generator of the held-out places.
    """
    if places.size == 1:  # a frame that is one tile is either held out or used for training
        held = [(0, 0)] if places.any() and random.random() < HELD_OUT else []
    else:
        held = _held_out(places, max(1, round(target)), apart, random)
    return Region.of(places, np.array(held, dtype=np.int64).reshape(-1, 2), apart)


def _held_out(
    places: NDArray[np.bool_], target: int, apart: tuple[int, int], random: np.random.Generator
) -> list[tuple[int, int]]:
    """First pixels of at most `target` held-out tiles; a small frame has one, in a corner."""
    candidates = np.flatnonzero(places)
    if not len(candidates):
        return []
    free, left = places.copy(), len(candidates)
    held: list[tuple[int, int]] = []
    drawn = candidates[random.integers(len(candidates), size=4 * target)]
    last = candidates[-int(random.integers(2))]  # a corner of a small frame
    for index, candidate in enumerate([*drawn, last]):
        place = np.array(divmod(int(candidate), places.shape[1]))
        near = _near(place, apart)
        lost = np.count_nonzero(free[near])
        if left - lost < 0.5 * len(candidates) and (held or index < len(drawn)):
            continue  # in a small frame, what one corner leaves
        free[near] = False
        left -= lost
        held.append((int(place[0]), int(place[1])))
        if len(held) == target:
            break
    return held
