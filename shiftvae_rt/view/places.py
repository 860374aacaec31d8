"""Places that a page asks about: the pixels of a window, what the decoder draws from its latents, what is left over.

And the manifold: what the decoder draws from the values that content takes in a frame. Made on the thread of the page;
a window takes the decoder 0.03 to 0.15 ms, a manifold a few ms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..array_types import Float32
from ..latent_map import LatentMap
from ..model.manifest import Intensity
from ..model.samples import normalised_windows
from ..pictures.captions import Colours, latent_kind
from .maps import Maps
from .picture_message import Buffer, packed
from .planes import Plane, ends_of, levels, map_sources
from .scenes import Scene

__all__ = ["Manifold", "Model", "Place", "Unknown", "manifold_message", "place_message", "unknown_message"]

#: Number of drawings along an axis of the manifold.
DRAWINGS = 7


@dataclass(frozen=True)
class Model:
    """Scaling and decoder of a model, as the page needs them.

    Parameters
    ----------
    intensity
        Its scaling of counts.
    draw
        Its decoder, from latents ``(n, L)`` to windows ``(n, C, h, w)``; may be called by any thread.
    """

    intensity: Intensity
    draw: Callable[[Float32], Float32]


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """Value at a place; `sd` is None where it is not known."""

    name: str
    unit: str
    mean: float
    sd: float | None


class Place(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="place"):
    """Answer to the question what a place is.

    Attributes
    ----------
    id
        Number of the question.
    frame, seq
        Frame that was looked at.
    y_px, x_px
        Centre of the window.
    left, top, right, bottom
        Edges of the window, as shares of the frame's width and height.
    left_over
        Standard deviation of the difference, in units of that of the window's pixels.
    values
        Latents and fields.
    planes
        Pixels, drawing and difference, of the first channel, in units of the window's standard deviation.
    """

    id: int
    frame: int
    seq: int
    y_px: float
    x_px: float
    left: float
    top: float
    right: float
    bottom: float
    left_over: float
    values: list[Value]
    planes: list[Plane]


class Axis(msgspec.Struct, frozen=True, kw_only=True):
    """Axis of a manifold: a latent, and its values at the first and the last drawing."""

    name: str
    low: float
    high: float


class Manifold(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="manifold"):
    """Drawings of the decoder for even steps of one or two content latents, side by side in one plane.

    Attributes
    ----------
    id
        Number of the question.
    model_sha256
        Model whose decoder drew.
    across, down
        Axes from left to right, and from top to bottom; the latter is None for one content latent.
    planes
        The drawings.
    """

    id: int
    model_sha256: str
    across: Axis
    down: Axis | None
    planes: list[Plane]


class Unknown(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="unknown"):
    """Answer to a question that cannot be answered, and why."""

    id: int
    why: str
    planes: list[Plane] = []


def place_message(scene: Scene, at: tuple[float, float], number: int, model: Model | None) -> list[Buffer]:
    """Answer what a window is; `at` is a place in the frame, as shares ``(x, y)`` of its width and height."""
    maps = scene.maps
    if maps is None or not scene.has_maps:
        return unknown_message(number, "no map of this frame has come")
    grid = maps.words.grid
    height, width = grid.frame_shape
    row, col = _nearest(grid.centre_y_px, at[1] * height), _nearest(grid.centre_x_px, at[0] * width)
    band = _band_of(maps.bands, row)
    if band is None:
        return unknown_message(number, "the scan has not come here yet")
    top, left = row * grid.stride, col * grid.stride
    lines = _lines_of(scene, top, top + grid.window[0])
    if lines is None:
        return unknown_message(number, "these lines came before the page was opened")
    if model is None:
        return unknown_message(number, "the service has another model now")
    mean, sd = (values[:, row - band.first_row, col] for values in (band.mean, band.std))
    seen = normalised_windows(lines, [(0, left)], grid.window, model.intensity)
    drawn = model.draw(mean[None])
    pictures = [seen[0, 0], drawn[0, 0], seen[0, 0] - drawn[0, 0]]
    low, high = ends_of(pictures[0], "content")
    ends = [(low, high), (low, high), (-(high - low) / 2, (high - low) / 2)]
    titles = ("pixels", "drawn", "difference")
    tables: tuple[Colours, ...] = ("grey", "grey", "signed")
    answer = Place(
        id=number,
        frame=scene.facts.frame,
        seq=scene.facts.seq,
        y_px=float(grid.centre_y_px[row]),
        x_px=float(grid.centre_x_px[col]),
        left=left / width,
        top=top / height,
        right=(left + grid.window[1]) / width,
        bottom=(top + grid.window[0]) / height,
        left_over=float(np.std(seen - drawn)),
        values=[*_latents(band, mean, sd), *_fields(maps, scene.facts.pixel_size_nm, row, col)],
        planes=[_plane(*each) for each in zip(titles, tables, pictures, ends, strict=True)],
    )
    return packed(answer, [levels(picture, *each).data for picture, each in zip(pictures, ends, strict=True)])


def manifold_message(scene: Scene, number: int, model: Model | None) -> list[Buffer]:
    """Answer what the decoder draws over the content of a scene, between the ends of its colour bars."""
    maps = scene.maps
    if maps is None or model is None:
        return unknown_message(number, "no map has come")
    names, latents = maps.words.names, maps.latents.values
    content = [i for i, name in enumerate(names) if latent_kind(name) == "content" and maps.words.varies[i]][:2]
    if not content:
        return unknown_message(number, "no content varies in this model")
    at = np.zeros((DRAWINGS if len(content) > 1 else 1, DRAWINGS, len(names)), np.float32)
    axes = []
    for place, index in enumerate(content):
        low, high = ends_of(latents[index], "content")
        steps = np.linspace(low, high, DRAWINGS, dtype=np.float32)
        at[..., index] = steps if place == 0 else steps[:, None]
        axes.append(Axis(name=names[index], low=low, high=high))
    drawn = model.draw(at.reshape(-1, len(names)))[:, 0]
    rows, cols, (height, width) = at.shape[0], at.shape[1], drawn.shape[1:]
    image = drawn.reshape(rows, cols, height, width).swapaxes(1, 2).reshape(rows * height, cols * width)
    ends = ends_of(image, "content")
    answer = Manifold(
        id=number,
        model_sha256=maps.words.model_sha256,
        across=axes[0],
        down=axes[1] if len(axes) > 1 else None,
        planes=[_plane("what the decoder draws", "grey", image, ends)],
    )
    return packed(answer, [levels(image, *ends).data])


def unknown_message(number: int, why: str) -> list[Buffer]:
    """Answer that a question cannot be answered."""
    return packed(Unknown(id=number, why=why), [])


def _nearest(centres_px: NDArray[np.float64], edge_px: float) -> int:
    """Index of the window whose centre is nearest to a distance from the frame's edge."""
    return int(np.abs(centres_px - (edge_px - 0.5)).argmin())


def _band_of(bands: list[LatentMap], row: int) -> LatentMap | None:
    return next((band for band in bands if band.first_row <= row < band.first_row + band.mean.shape[1]), None)


def _lines_of(scene: Scene, first: int, last: int) -> NDArray[np.generic] | None:
    """Lines ``(C, n, W)`` of the frame in the detector's own numbers; None if not all of them are known."""
    parts = []
    for start, lines in scene.lines:
        if start <= first < start + lines.shape[1]:
            parts.append(lines[:, first - start : last - start])
            first += parts[-1].shape[1]
        if first == last:
            return np.ascontiguousarray(np.concatenate(parts, axis=1))
    return None


def _latents(band: LatentMap, mean: Float32, sd: Float32) -> list[Value]:
    return [
        Value(name=name, unit=unit, mean=float(value), sd=float(deviation))
        for name, unit, value, deviation in zip(band.names, band.units, mean, sd, strict=True)
    ]


def _fields(maps: Maps, pixel_size_nm: tuple[float, float] | None, row: int, col: int) -> list[Value]:
    """Values of the fields, as far as they have come."""
    fields = maps.fields
    if fields is None or row >= fields.rows:
        return []
    return [
        Value(
            name=source.name,
            unit=source.unit,
            mean=float(fields.values[source.index, row, col] * source.scale),
            sd=None,
        )
        for source in map_sources(maps, pixel_size_nm)
        if source.canvas is fields and np.isfinite(fields.values[source.index, row, col])
    ]


def _plane(title: str, colours: Colours, image: Float32, ends: tuple[float, float]) -> Plane:
    """Plane of an image that has no place in the frame."""
    return Plane(
        name=title,
        title=title,
        unit="sd",
        colours=colours,
        low=ends[0],
        high=ends[1],
        mean=None,
        height=image.shape[0],
        width=image.shape[1],
        left=0.0,
        top=0.0,
        right=1.0,
        bottom=1.0,
        fresh=1.0,
    )
