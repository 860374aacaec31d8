"""Random tiles of the training frames, which never touch the held-out regions.

A tile is a small crop with a few windows on a regular grid: they share the encoder's work, and the displacement between
any two of them is known exactly. Neighbouring windows overlap, so a fair held-out set consists of whole regions whose
pixels are in no training tile.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter, uniform_filter

from shiftvae_rt.errors import TrainingError
from shiftvae_rt.kernels.windows import extract_windows_at

from .turning import margin_of_turns, turn_images, turn_vectors

__all__ = [
    "TILE_SIDE",
    "TILE_STRIDE",
    "Frames",
    "TileSampler",
    "Tiles",
    "clear_of_borders",
    "places_in_one_grain",
    "places_within",
    "share_around",
    "shown_around",
]

Frames = list[NDArray[Any]]

#: px between the windows of a tile, and number of windows along each side of it, for signals and images.
TILE_STRIDE = 4
TILE_SIDE = {1: 8, 2: 4}

#: Share of each frame that is held out.
HELD_OUT = 0.1
#: A tile shows the lattice when the mask covers this share of its pixels; the mask is accurate to a period or two.
SHOWN = 0.75


@dataclass(frozen=True)
class Tiles:
    """A batch of N tiles.

    Attributes
    ----------
    pixels
        ``(N, C, h, w)`` float32, in raw detector units.
    frame
        ``(N,)`` index of the frame of each tile.
    origin
        ``(N, 2)`` px (y, x): first pixel of each tile.
    turn
        ``(N,)`` angle by which each tile was turned about its centre, rad, counter-clockwise as displayed; None if none
        was.
    """

    pixels: NDArray[np.float32]
    frame: NDArray[np.int64]
    origin: NDArray[np.int64]
    turn: NDArray[np.float64] | None = None

    def in_frame(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Positions ``(N, w, 2)`` px in the frames of ``places (w, 2)`` px from the first pixel of the tiles."""
        if self.turn is None:
            return self.origin[:, None] + places
        middle = (np.array(self.pixels.shape[2:]) - 1) / 2
        away = np.broadcast_to(places - middle, (len(self.turn), *places.shape))
        return np.asarray(self.origin[:, None] + middle + turn_vectors(away, -self.turn))


def share_around(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.float64]:
    """Share ``(H, W)`` that ``mask (H, W)`` covers of a box of `size` px ``(height, width)`` around every pixel.

    Beyond the edges the mask continues with its edge values.
    """
    return np.asarray(uniform_filter(mask.astype(np.float64), size, mode="nearest"))


def shown_around(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels ``(H, W)`` around which ``mask (H, W)`` covers three quarters of a box of ``size (height, width)`` px."""
    return _enough(share_around(mask, size))


def places_within(mask: NDArray[np.bool_], tile: tuple[int, int]) -> NDArray[np.bool_]:
    """First pixels ``(H - h + 1, W - w + 1)`` of the tiles that ``mask (H, W)`` covers to three quarters."""
    rows, cols = (slice(t // 2, max(0, n - t + 1) + t // 2) for n, t in zip(mask.shape, tile, strict=True))
    return _enough(share_around(mask, tile)[rows, cols])


def clear_of_borders(labels: NDArray[np.int8], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels ``(H, W)`` of a frame around which a box of ``size (height, width)`` px lies in it and has one label."""
    clear = np.zeros(labels.shape, bool)
    top, left = (side // 2 for side in size)
    inner = places_in_one_grain(labels, size)
    clear[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return clear


def places_in_one_grain(labels: NDArray[np.int8], tile: tuple[int, int]) -> NDArray[np.bool_]:
    """First pixels ``(H - h + 1, W - w + 1)`` of the tiles all of whose ``labels (H, W)`` are the same, and not -1."""
    rows, cols = (slice(t // 2, max(0, n - t + 1) + t // 2) for n, t in zip(labels.shape, tile, strict=True))
    least, most = (each(labels, tile)[rows, cols] for each in (minimum_filter, maximum_filter))
    return np.asarray((least == most) & (least >= 0))


def _enough(covered: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mask of shares of at least three quarters; if there are none, of the largest share, unless that is 0."""
    return np.asarray((covered > 0) & (covered >= min(SHOWN, covered.max(initial=0.0)) - 1e-9))


class TileSampler:
    """Draws tiles at random from the training part or the held-out part of frames.

    Parameters
    ----------
    frames
        ``(C, H, W)`` each, raw detector units.
    tile
        ``(height, width)`` px, at most that of the smallest frame.
    seed
        Seed of the regions and of the tiles.
    places
        For every frame a mask of the first pixels that tiles may have, bool ``(H - h + 1, W - w + 1)``; default all.
    turned
        Whether `draw` turns half of the tiles, which are square then, by angles drawn at random.

    Attributes
    ----------
    places
        Number of possible training tiles.
    some
        Number of tiles to look at outside the optimiser's steps.

    Raises
    ------
    TrainingError
        if the frames leave no room for tiles beside the held-out regions.
    """

    def __init__(
        self,
        frames: list[NDArray[Any]],
        tile: tuple[int, int],
        *,
        seed: int,
        places: list[NDArray[np.bool_]] | None = None,
        turned: bool = False,
    ) -> None:
        self._frames, self._tile, self._seed = frames, tile, seed
        self._margin = margin_of_turns(tile[0]) if turned else 0
        self._rng = np.random.default_rng([seed, 1])
        chosen = [
            self._split(frame.shape[1:], None if places is None else places[i], np.random.default_rng([seed, 2, i]))
            for i, frame in enumerate(frames)
        ]
        self._origins = [free for free, _ in chosen]
        self._held_out = [held for _, held in chosen]
        self.places = sum(len(o) for o in self._origins)
        # more tiles where every frame is one window
        self.some = 64 if self.places > len(frames) else 512
        if not self.places or not any(len(h) for h in self._held_out):
            shapes = ", ".join(sorted({f"{f.shape[1]} x {f.shape[2]}" for f in frames}))
            raise TrainingError(
                f"frames of {shapes} px leave no room for tiles of {tile[0]} x {tile[1]} px beside held-out regions: "
                "use a larger scan, more scans or a smaller window"
            )

    def draw(self, count: int) -> Tiles:
        """`count` tiles from the training part; every position is equally likely."""
        sizes = np.array([len(o) for o in self._origins], dtype=float)
        frame = self._rng.choice(len(sizes), size=count, p=sizes / sizes.sum())
        origin = np.array([self._origins[f][self._rng.integers(len(self._origins[f]))] for f in frame])
        return self._turned(frame, origin) if self._margin else self._cut(frame, origin)

    def held_out(self, most: int) -> Tiles:
        """Tiles of the held-out regions, at most `most`, the same at every call."""
        pairs = [(i, origin) for i, origins in enumerate(self._held_out) for origin in origins]
        step = max(1, len(pairs) // most)
        pairs = pairs[::step][:most]
        return self._cut(np.array([i for i, _ in pairs]), np.array([origin for _, origin in pairs]))

    def elsewhere(self, places: list[NDArray[np.bool_]]) -> TileSampler:
        """Sampler of all training tiles at `places` that overlap no held-out tile; it has no held-out tiles itself."""
        other = copy(self)
        other._rng = np.random.default_rng([self._seed, 3])
        other._origins = []
        for allowed, held in zip(places, self._held_out, strict=True):
            free = allowed.copy()
            for y, x in held:
                near = tuple(slice(max(0, at - t + 1), at + t) for at, t in zip((y, x), self._tile, strict=True))
                free[near] = False
            other._origins.append(np.argwhere(free))
        other._held_out, other.places = [], sum(len(o) for o in other._origins)
        return other

    def _cut(self, frame: NDArray[np.int64], origin: NDArray[np.int64]) -> Tiles:
        channels = self._frames[0].shape[0]
        pixels = np.empty((len(frame), channels, *self._tile), np.float32)
        for index in np.unique(frame):
            members = frame == index
            pixels[members] = extract_windows_at(self._frames[index], origin[members], self._tile)
        return Tiles(pixels, frame, origin)

    def _turned(self, frame: NDArray[np.int64], origin: NDArray[np.int64]) -> Tiles:
        """Tiles of which half are turned; beyond the edges of a frame its mirror image is turned in."""
        tiles = self._cut(frame, origin)
        turn = np.where(self._rng.random(len(frame)) < 0.5, 0.0, self._rng.uniform(-np.pi, np.pi, len(frame)))
        side, margin = self._tile[0] + 2 * self._margin, self._margin
        some = np.flatnonzero(turn)
        wide = np.empty((len(some), tiles.pixels.shape[1], side, side), np.float32)
        for index, tile in enumerate(some):
            pixels = self._frames[frame[tile]]
            y, x = (_mirrored(origin[tile, a] - margin + np.arange(side), pixels.shape[1 + a]) for a in (0, 1))
            wide[index] = pixels[:, y[:, None], x]
        if len(some):
            tiles.pixels[some] = turn_images(wide, turn[some])[:, :, margin:-margin, margin:-margin]
        return Tiles(tiles.pixels, frame, origin, turn)

    def _split(
        self, shape: tuple[int, ...], places: NDArray[np.bool_] | None, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First pixels ``(n, 2)`` of all training tiles, and of the held-out tiles, which no training tile overlaps."""
        tall, wide = (n - t + 1 for n, t in zip(shape, self._tile, strict=True))
        if tall < 1 or wide < 1:
            return np.zeros((0, 2), np.int64), np.zeros((0, 2), np.int64)
        free = np.ones((tall, wide), bool) if places is None else places.copy()
        candidates = np.argwhere(free)
        if not len(candidates):
            return candidates, candidates
        if free.size == 1:  # a frame that is one tile is either held out or used for training
            return (candidates[:0], candidates) if rng.random() < HELD_OUT else (candidates, candidates[:0])
        total = len(candidates)
        held: list[tuple[int, int]] = []
        target = max(1, round(HELD_OUT * shape[0] * shape[1] / (self._tile[0] * self._tile[1])))
        drawn = candidates[rng.integers(total, size=4 * target)]
        last = candidates[-int(rng.integers(2))]  # a corner of a small frame
        for index, (y, x) in enumerate([*drawn, last]):
            apart = [side + self._margin for side in self._tile]
            touching = np.ix_(np.abs(np.arange(tall) - y) < apart[0], np.abs(np.arange(wide) - x) < apart[1])
            left = np.count_nonzero(free) - np.count_nonzero(free[touching])
            if left < 0.5 * total and (held or index < len(drawn)):
                continue  # keep half of all positions for training; in a small frame, what one corner leaves
            free[touching] = False
            held.append((int(y), int(x)))
            if len(held) == target:
                break
        return np.argwhere(free), np.array(held, dtype=np.int64).reshape(-1, 2)


def _mirrored(index: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Indices reflected into 0 to ``size - 1``."""
    index = np.abs(index) % max(1, 2 * size - 2)
    return np.asarray(np.minimum(index, 2 * size - 2 - index))
