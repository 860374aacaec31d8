"""Planes: the images of a picture, and which of them a scene has."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..array_types import Float32
from ..kernels.window_grid import WindowGrid
from ..pictures.latent_panels import POSE_COLOURS, POSE_TITLES, field_colours, field_title
from .canvas import Canvas
from .maps import Maps

__all__ = ["Plane", "Source", "ends_of", "frame_sources", "levels", "map_sources", "plane_of"]

#: Number of pixels, about, from which the ends of a colour bar are found.
_SAMPLE = 2048


class Plane(msgspec.Struct, frozen=True, kw_only=True):
    """One image of a picture.

    Attributes
    ----------
    name, title, unit
        Name of the values; name and unit for people.
    colours
        ``"grey"``, ``"content"``, ``"signed"``, ``"median"`` (as signed, around the median), ``"cyclic"``, or
        ``"unused"`` for a latent without variation, which has no pixels.
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
    colours: str
    canvas: Canvas
    index: int
    scale: float = 1.0
    grid: WindowGrid | None = None

    @property
    def values(self) -> Float32:
        """Values ``(rows, cols)`` in the unit that is shown."""
        values: Float32 = self.canvas.values[self.index]
        return values if self.scale == 1 else values * np.float32(self.scale)


def levels(values: Float32, low: float, high: float) -> NDArray[np.uint8]:
    """Bytes 1 (`low` and below) to 255 (`high` and above) of ``values (rows, cols)``; 0 where they are not finite."""
    scaled = values - np.float32(low)
    scaled *= np.float32(254 / (high - low))
    np.clip(scaled, 0, 254, out=scaled)
    scaled += np.float32(1.5)
    with np.errstate(over="ignore", invalid="ignore"):
        known = bool(np.isfinite(values.sum()))  # half as long as to ask each value
    if not known:
        scaled[~np.isfinite(values)] = 0
    found: NDArray[np.uint8] = scaled.astype(np.uint8)
    return found


def ends_of(values: Float32, colours: str) -> tuple[float, float]:
    """Ends of a colour bar: 1st and 99th percentile; around zero or the median where that counts."""
    step = max(1, int((values.size / _SAMPLE) ** 0.5))
    sample = values[::step, ::step].ravel()
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return 0.0, 1.0
    tail = 0 if colours == "cyclic" else sample.size // 100
    places = (tail, sample.size // 2, sample.size - 1 - tail)
    low, middle, high = (float(value) for value in np.partition(sample, places)[list(places)])
    if colours in ("signed", "cyclic", "median"):
        middle = middle if colours == "median" else 0.0
        half = max(high - middle, middle - low)
        low, high = middle - half, middle + half
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def frame_sources(frame: Canvas) -> list[Source]:
    """Images of the detector's channels."""
    titles = ["frame"] if frame.shape[0] == 1 else [f"frame, channel {index}" for index in range(frame.shape[0])]
    return [Source("frame", title, "", "grey", frame, index) for index, title in enumerate(titles)]


def map_sources(maps: Maps, pixel_size_nm: tuple[float, float] | None) -> list[Source]:
    """Content first, then fields (else shifts), rotation and scale: the order of the pictures."""
    words, canvas, fields = maps.words, maps.latents, maps.fields
    content, pose = [], []
    for index, name in enumerate(words.names):
        if fields is not None and name.startswith("w"):
            continue  # the fields say what the order latents mean
        if name not in POSE_TITLES:
            colours = "content" if words.varies[index] else "unused"
            content.append(Source(name, name, words.units[index], colours, canvas, index, grid=words.grid))
        elif fields is None or name not in ("dy", "dx"):  # where there are fields, they say what the shifts mean
            title, colours = POSE_TITLES[name], POSE_COLOURS[name]
            pose.append(Source(name, title, words.units[index], colours, canvas, index, grid=words.grid))
    if fields is None:
        return content + pose
    meant = []
    for index, (name, unit) in enumerate(zip(maps.field_names, maps.field_units, strict=True)):
        edges = pixel_size_nm if unit == "px" else None
        scale, unit = (1.0, unit) if edges is None else (1e3 * edges[name == "ux"], "pm")
        title, colours = field_title(name), field_colours(name)
        meant.append(Source(name, title, unit, colours, fields, index, scale, words.grid))
    return content + meant + pose


def plane_of(
    source: Source, values: Float32, ends: tuple[float, float], fresh: int, frame_shape: tuple[int, int]
) -> Plane:
    """Place an image in its frame: a window's value stands for `stride` px around its centre."""
    canvas, grid = source.canvas, source.grid
    y, x, stride = (-0.5, -0.5, 1) if grid is None else _corner(grid)
    rows, cols = canvas.values.shape[1:]
    height, width = frame_shape
    top, left = (y + 0.5) / height, (x + 0.5) / width
    fresh_values = values[:fresh]
    return Plane(
        name=source.name,
        title=source.title,
        unit=source.unit,
        colours=source.colours,
        low=ends[0],
        high=ends[1],
        mean=_mean(fresh_values),
        height=values.shape[0],
        width=values.shape[1],
        left=left,
        top=max(0.0, top) if height > 1 else 0.0,
        right=left + cols * canvas.step * stride / width,
        bottom=top + rows * canvas.step * stride / height if height > 1 else 1.0,
        fresh=fresh / rows,
    )


def _mean(values: Float32) -> float | None:
    """Mean of the values that are finite; None if there are none."""
    with np.errstate(over="ignore", invalid="ignore"):
        total = float(values.sum())
        if np.isfinite(total) and values.size:
            return total / values.size
        known = values[np.isfinite(values)]
        return float(known.mean()) if known.size else None


def _corner(grid: WindowGrid) -> tuple[float, float, int]:
    """Top left corner of the first window's place, px, and the stride."""
    half = grid.stride / 2
    return float(grid.centre_y_px[0]) - half, float(grid.centre_x_px[0]) - half, grid.stride
