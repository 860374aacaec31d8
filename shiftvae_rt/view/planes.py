"""Planes: the images of a picture, and which of them a scene has."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..array_types import Float32
from ..kernels.window_grid import WindowGrid
from ..pictures.captions import (
    Colours,
    field_caption,
    in_picometres,
    latent_caption,
    latent_kind,
    legend_of,
    limits_of,
)
from .canvas import Canvas
from .maps import Maps

__all__ = [
    "Plane",
    "Source",
    "ends_of",
    "frame_sources",
    "legend",
    "levels",
    "map_sources",
    "mean_of",
    "plane_of",
    "total_of",
]

#: Number of pixels, about, from which the ends of a colour bar are found.
_SAMPLE = 2048


class Plane(msgspec.Struct, frozen=True, kw_only=True):
    """One image of a picture.

    Attributes
    ----------
    name, title, unit
        Name of the values; name and unit for people.
    colours
        See `captions.Colours`; an ``"unused"`` latent has no pixels.
    low, high, mean
        Values of the bytes 1 and 255, and the mean of the rows of this frame; None if there are none.
    height, width
        Size in pixels of the plane; 0 for an unused latent.
    left, top, right, bottom
        Edges in the frame, as shares of its width and height.
    fresh
        Share of the plane's height, from the top, that belongs to this frame; what is below belongs to the one before.
    """

    name: str
    title: str
    unit: str
    colours: str
    low: float
    high: float
    mean: float | None
    height: int
    width: int
    left: float
    top: float
    right: float
    bottom: float
    fresh: float


@dataclass(frozen=True)
class Source:
    """An image of a canvas that is to be shown; `grid` is that of a map, None for the frame itself."""

    name: str
    title: str
    unit: str
    colours: Colours
    canvas: Canvas
    index: int
    scale: float = 1.0
    grid: WindowGrid | None = None
    limits: tuple[float, float] | None = None

    @property
    def values(self) -> Float32:
        """Values ``(rows, cols)`` in the unit that is shown."""
        values: Float32 = self.canvas.values[self.index]
        if self.colours == "label":  # -1 is no label
            return np.where(values < 0, np.float32(np.nan), values)
        return values if self.scale == 1 else values * np.float32(self.scale)


def total_of(values: Float32) -> float:
    """Sum of ``values (rows, cols)``; not finite where one of them is not: half as long as to ask each value."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.add.reduce(values, axis=None))


def levels(values: Float32, low: float, high: float, total: float | None = None) -> NDArray[np.uint8]:
    """Bytes 1 (`low` and below) to 255 (`high` and above) of ``values (rows, cols)``; 0 where they are not finite.

    `total` is `total_of` the values, from whoever has it.
    """
    scale = 254 / (high - low)
    scaled = values - np.float32(low - 1.5 / scale)
    scaled *= np.float32(scale)
    np.clip(scaled, 1.5, 255.5, out=scaled)
    if not np.isfinite(total_of(values) if total is None else total):
        scaled[~np.isfinite(values)] = 0
    found: NDArray[np.uint8] = scaled.astype(np.uint8)
    return found


def ends_of(values: Float32, colours: Colours) -> tuple[float, float]:
    """Ends of a colour bar, from a sample of the values; see `captions.limits_of`."""
    step = max(1, int((values.size / _SAMPLE) ** 0.5))
    return limits_of(values[::step, ::step], colours)


def frame_sources(frame: Canvas) -> list[Source]:
    """Images of the detector's channels."""
    titles = ["frame"] if frame.shape[0] == 1 else [f"frame, channel {index}" for index in range(frame.shape[0])]
    return [Source("frame", title, "", "grey", frame, index) for index, title in enumerate(titles)]


def map_sources(maps: Maps, pixel_size_nm: tuple[float, float] | None) -> list[Source]:
    """Content first, then fields (else shifts), rotation and scale: the order of the pictures."""
    words, fields = maps.words, maps.fields
    sources: dict[str, list[Source]] = {kind: [] for kind in ("grain", "content", "field", "pose", "shift", "order")}
    for index, (name, unit, varies) in enumerate(zip(words.names, words.units, words.varies, strict=True)):
        caption = latent_caption(name, words.lattice, varies=varies)
        source = Source(
            name, caption.title, unit, caption.colours, maps.latents, index, 1.0, words.grid, caption.limits
        )
        sources[latent_kind(name)].append(source)
    if fields is not None:  # they say what shifts and order latents mean
        sources["shift"], sources["order"] = [], []
        for index, (name, own_unit) in enumerate(zip(maps.field_names, maps.field_units, strict=True)):
            caption, (scale, unit) = field_caption(name, words.lattice), in_picometres(name, own_unit, pixel_size_nm)
            found = Source(name, caption.title, unit, caption.colours, fields, index, scale, words.grid, caption.limits)
            sources["field"] += [found] if name != "grain" else []  # it stands beside the content
    return [source for kind in sources.values() for source in kind]


def legend(maps: Maps) -> str:
    """Legend of a scene's maps: what titles and units leave open."""
    words = maps.words
    varying = [index for index, varies in enumerate(words.varies) if varies]
    return legend_of(
        [words.names[index] for index in varying],
        [words.units[index] for index in varying],
        maps.field_names,
        words.lattice,
        shifts=maps.fields is None and words.lattice is not None,
    )


def plane_of(
    source: Source,
    values: Float32,
    ends: tuple[float, float],
    *,
    mean: float | None,
    fresh: int,
    frame_shape: tuple[int, int],
) -> Plane:
    """Place an image in its frame: a window's value stands for `stride` px around its centre."""
    canvas, grid = source.canvas, source.grid
    y, x, stride = (-0.5, -0.5, 1) if grid is None else _corner(grid)
    rows, cols = canvas.values.shape[1:]
    height, width = frame_shape
    top, left = (y + 0.5) / height, (x + 0.5) / width
    return Plane(
        name=source.name,
        title=source.title,
        unit=source.unit,
        colours=source.colours,
        low=ends[0],
        high=ends[1],
        mean=mean,
        height=values.shape[0],
        width=values.shape[1],
        left=left,
        top=max(0.0, top) if height > 1 else 0.0,
        right=left + cols * canvas.step * stride / width,
        bottom=top + rows * canvas.step * stride / height if height > 1 else 1.0,
        fresh=fresh / rows,
    )


def mean_of(values: Float32, total: float) -> float | None:
    """Mean of the values that are finite, None if there are none; `total` is `total_of` the values."""
    if np.isfinite(total) and values.size:
        return total / values.size
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else None


def _corner(grid: WindowGrid) -> tuple[float, float, int]:
    """Top left corner of the first window's place, px, and the stride."""
    half = grid.stride / 2
    return (grid.window[0] - 1) / 2 - half, (grid.window[1] - 1) / 2 - half, grid.stride
