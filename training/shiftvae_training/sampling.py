"""Random tiles of the training frames, which never touch the held-out regions.

A tile is a small crop with a few windows on a regular grid: they share the encoder's work, and the displacement between
any two of them is known exactly. Neighbouring windows overlap, so a fair held-out set consists of whole regions whose
pixels are in no training tile.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter, uniform_filter

from shiftvae_rt.errors import TrainingError
from shiftvae_rt.kernels.windows import extract_windows_at

from .regions import HELD_OUT, Region, split_frame
from .reservoir import Reservoir
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

#: Frames in memory, or to be read.
Frames = Sequence[NDArray[Any]]

#: px between the windows of a tile, and number of windows along each side of it, for signals and images.
TILE_STRIDE = 4
TILE_SIDE = {1: 8, 2: 4}

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

    def window_centres(self, window: tuple[int, int]) -> NDArray[np.float64]:
        """Centres ``(N, w, 2)`` px in the frames of the windows of the tiles, `TILE_STRIDE` apart."""
        lines = [
            TILE_STRIDE * np.arange(1 + (n - w) // TILE_STRIDE) + (w - 1) / 2
            for n, w in zip(self.pixels.shape[2:], window, strict=True)
        ]
        return self.in_frame(np.stack(np.meshgrid(*lines, indexing="ij"), -1).reshape(-1, 2))

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
        ``(C, H, W)`` each, raw detector units; or the reservoir that holds a part of them.
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
        Number of possible training tiles; frames that are not in memory count like those that are.
    random
        Generator of the tiles.
    some
        Number of tiles to look at outside the optimiser's steps.

    Raises
    ------
    TrainingError
        if the frames leave no room for tiles beside the held-out regions.
    """

    def __init__(
        self,
        frames: Frames | Reservoir,
        tile: tuple[int, int],
        *,
        seed: int,
        places: Sequence[NDArray[np.bool_]] | None = None,
        turned: bool = False,
    ) -> None:
        self._kept = frames if isinstance(frames, Reservoir) else Reservoir(frames)
        self._tile, self._seed, self._masks = tile, seed, places
        self._margin = margin_of_turns(tile[0]) if turned else 0
        self.random = np.random.default_rng([seed, 1])
        self._regions = [self._region(number) for number in self._kept.numbers]
        self._looks: dict[int, Tiles] = {}
        self.places = round(self._sizes().mean() * self._kept.total)
        # more tiles where every frame is one window
        self.some = 64 if self.places > self._kept.total else 512
        if not self.places or not any(len(region.held) for region in self._regions):
            sizes = {self._kept.pixels(number).shape[1:] for number in self._kept.numbers}
            shapes = ", ".join(sorted(f"{height} x {width}" for height, width in sizes))
            raise TrainingError(
                f"frames of {shapes} px leave no room for tiles of {tile[0]} x {tile[1]} px beside held-out regions: "
                "use a larger scan, more scans or a smaller window"
            )

    @property
    def has_further_frames(self) -> bool:
        """True if there are frames beside those that were in memory first."""
        return self._kept.total > len(self._kept.first)

    def refill(self, steps: float) -> None:
        """Take in the frames that are due `steps` after the guided ones, see `Reservoir`."""
        gone, came = self._kept.refill(steps)
        if came:
            numbers = list(self._kept.numbers)[-came:]
            self._regions = [*self._regions[gone:], *(self._region(number) for number in numbers)]

    def place_among_first(self, frame: NDArray[np.int64]) -> NDArray[np.int64]:
        """Places ``(N,)`` of frames among those that were in memory first; these are in ascending order."""
        return np.searchsorted(self._kept.first, frame)

    def draw(self, count: int) -> Tiles:
        """`count` tiles from the training part of the frames in memory; every position is equally likely."""
        sizes = self._sizes()
        drawn = self.random.choice(len(sizes), size=count, p=sizes / sizes.sum())
        regions = [self._regions[index] for index in drawn]
        origin = np.array([region.place(self.random.integers(len(region))) for region in regions])
        frame = np.array(self._kept.numbers)[drawn]
        return self._turned(frame, origin) if self._margin else self._cut(frame, origin)

    def held_out(self, most: int) -> Tiles:
        """Tiles of the held-out regions of all frames, at most `most`, the same at every call.

        Of more than `most` frames, as many that lie evenly between the first and the last are looked at.
        """
        if most not in self._looks:
            total = self._kept.total
            numbers = range(0, total, 1 if self.places <= total else -(-total // most))
            pairs = [(number, origin) for number in numbers for origin in self._region(number).held]
            step = max(1, len(pairs) // most)
            pairs = pairs[::step][:most]
            self._looks[most] = self._cut(np.array([i for i, _ in pairs]), np.array([origin for _, origin in pairs]))
        return self._looks[most]

    def elsewhere(self, places: Sequence[NDArray[np.bool_]]) -> TileSampler:
        """Sampler of all training tiles at `places` that overlap no held-out tile; its frames stay the same."""
        other = copy(self)
        other.random = np.random.default_rng([self._seed, 3])
        numbers = self._kept.numbers
        other._regions = [
            Region.of(places[number], region.held, self._tile)
            for number, region in zip(numbers, self._regions, strict=True)
        ]
        other.places = round(other._sizes().mean() * self._kept.total)
        return other

    def _sizes(self) -> NDArray[np.float64]:
        """Number of training tiles of each frame in memory."""
        return np.array([len(region) for region in self._regions], dtype=float)

    def _cut(self, frame: NDArray[np.int64], origin: NDArray[np.int64]) -> Tiles:
        channels = self._kept.pixels(self._kept.numbers[0]).shape[0]
        pixels = np.empty((len(frame), channels, *self._tile), np.float32)
        for number in np.unique(frame):
            members = frame == number
            pixels[members] = extract_windows_at(self._kept.pixels(int(number)), origin[members], self._tile)
        return Tiles(pixels, frame, origin)

    def _turned(self, frame: NDArray[np.int64], origin: NDArray[np.int64]) -> Tiles:
        """Tiles of which half are turned; beyond the edges of a frame its mirror image is turned in."""
        tiles = self._cut(frame, origin)
        turn = np.where(self.random.random(len(frame)) < 0.5, 0.0, self.random.uniform(-np.pi, np.pi, len(frame)))
        side, margin = self._tile[0] + 2 * self._margin, self._margin
        some = np.flatnonzero(turn)
        wide = np.empty((len(some), tiles.pixels.shape[1], side, side), np.float32)
        for index, tile in enumerate(some):
            pixels = self._kept.pixels(int(frame[tile]))
            y, x = (_mirrored(origin[tile, a] - margin + np.arange(side), pixels.shape[1 + a]) for a in (0, 1))
            wide[index] = pixels[:, y[:, None], x]
        if len(some):
            tiles.pixels[some] = turn_images(wide, turn[some])[:, :, margin:-margin, margin:-margin]
        return Tiles(tiles.pixels, frame, origin, turn)

    def _region(self, number: int) -> Region:
        """Region of a frame, which depends on the seed and its number alone."""
        shape = self._kept.shape(number)
        tall, wide = (max(0, n - t + 1) for n, t in zip(shape, self._tile, strict=True))
        places = np.ones((tall, wide), bool) if self._masks is None else self._masks[number]
        apart = (self._tile[0] + self._margin, self._tile[1] + self._margin)
        share = HELD_OUT * shape[0] * shape[1] / math.prod(self._tile)
        return split_frame(places, share, apart, np.random.default_rng([self._seed, 2, number]))


def _mirrored(index: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Indices reflected into 0 to ``size - 1``."""
    index = np.abs(index) % max(1, 2 * size - 2)
    return np.asarray(np.minimum(index, 2 * size - 2 - index))
