"""A scene as one message for the page: a header in JSON, then one byte a pixel of every plane.

::

    u32, little-endian: length of the header
    the header, JSON: `Picture`
    the planes one after the other, height x width bytes each, in the order of `Picture.planes`

Byte 0 means that nothing is known here. Bytes 1 to 255 go from the plane's `low` to its `high`, evenly.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Collection
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..array_types import Float32
from ..fields import FIELD_NAMES, FIELD_UNITS
from ..kernels.window_grid import WindowGrid
from ..pictures.latent_panels import FIELD_TITLES, POSE_COLOURS, POSE_TITLES
from .canvas import Canvas
from .maps import Maps
from .scenes import Scene

__all__ = ["Picture", "PictureWriter", "Plane", "ends_of", "levels"]

#: Number of pixels, about, from which the ends of a colour bar are found.
_SAMPLE = 4096


class Plane(msgspec.Struct, frozen=True, kw_only=True):
    """One image of a picture.

    Attributes
    ----------
    title, unit
        Name and unit of the values, for people.
    colours
        ``"grey"``, ``"content"``, ``"signed"``, ``"cyclic"``, or ``"unused"`` for a latent without variation, which
        has no pixels.
    low, high
        Values of the bytes 1 and 255.
    height, width
        Size in pixels of the plane; 0 for an unused latent.
    left, top, right, bottom
        Edges in the frame, as shares of its width and height.
    fresh
        Share of the plane's height, from the top, that belongs to this frame; what is below belongs to the one before.
    """

    title: str
    unit: str
    colours: str
    low: float
    high: float
    height: int
    width: int
    left: float
    top: float
    right: float
    bottom: float
    fresh: float


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """Header of a message.

    Attributes
    ----------
    stream, channel, frame, seq, lines, height, width, pixel_size_nm
        See `scenes.Facts`.
    model_sha256
        Hash of the model that made the maps; empty before the first.
    measured_ms, sent_ms
        UTC at which the newest line was measured, see `scenes.Scene`, and at which the message was made, ms since 1970.
    domain, reason, score, judged, judged_lines
        Newest verdict, see `scenes.Verdict`.
    planes
        The images.
    """

    stream: str
    channel: str
    frame: int
    seq: int
    lines: int
    height: int
    width: int
    pixel_size_nm: tuple[float, float] | None
    model_sha256: str
    measured_ms: float
    sent_ms: float
    domain: str
    reason: str
    score: float | None
    judged: int | None
    judged_lines: int
    planes: list[Plane]


@dataclass(frozen=True)
class _Source:
    """An image of a canvas that is to be shown; `grid` is that of a map, None for the frame itself."""

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


class PictureWriter:
    """Writes scenes as messages.

    While a frame grows, the ends of a colour bar are those of the last complete frame of the stream, so that a colour
    keeps its meaning; in the first frame they follow what is there.
    """

    def __init__(self) -> None:
        #: By stream, title, unit and model.
        self._ends: dict[tuple[str, str, str, str], tuple[float, float]] = {}
        self._encoder = msgspec.json.Encoder()

    def write(self, scene: Scene) -> bytes:
        """Message that shows `scene` as it is now."""
        facts, maps = scene.facts, scene.maps
        if maps is not None:
            maps.follow_fields()
        sources = [*_frame_sources(scene.frame), *([] if maps is None else _map_sources(maps, facts.pixel_size_nm))]
        planes: list[Plane] = []
        pixels: list[bytes] = []
        for source in sources:
            fresh = source.canvas.rows if source.grid is None or scene.has_maps else 0
            values = source.values[:0, :0] if source.colours == "unused" else source.values
            low, high = self._ends_of(scene, source, values)
            planes.append(_plane(source, values, (low, high), fresh, facts.frame_shape))
            pixels.append(levels(values, low, high).tobytes())
        header = Picture(
            stream=facts.stream,
            channel=facts.channel,
            frame=facts.frame,
            seq=facts.seq,
            lines=facts.lines,
            height=facts.frame_shape[0],
            width=facts.frame_shape[1],
            pixel_size_nm=facts.pixel_size_nm,
            model_sha256="" if maps is None else maps.words.model_sha256,
            measured_ms=round(scene.measured_s * 1e3, 1),
            sent_ms=round(time.time() * 1e3, 1),
            domain=scene.verdict.state,
            reason=scene.verdict.reason,
            score=scene.verdict.score,
            judged=scene.verdict.frame,
            judged_lines=scene.verdict.lines,
            planes=planes,
        )
        text = self._encoder.encode(header)
        return b"".join([struct.pack("<I", len(text)), text, *pixels])

    def keep(self, streams: Collection[str]) -> None:
        """Forget the colour bars of all other streams."""
        self._ends = {key: ends for key, ends in self._ends.items() if key[0] in streams}

    def _ends_of(self, scene: Scene, source: _Source, values: Float32) -> tuple[float, float]:
        """Values at the ends of the colour bar."""
        model = "" if scene.maps is None or source.grid is None else scene.maps.words.model_sha256
        key = scene.facts.stream, source.title, source.unit, model
        if key not in self._ends or scene.facts.complete:
            ends = ends_of(values, source.colours)
            if not scene.facts.complete:
                return ends
            self._ends[key] = ends
        return self._ends[key]


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
    """Ends of a colour bar: 1st and 99th percentile; around zero for values with a sign, which zero divides."""
    step = max(1, int((values.size / _SAMPLE) ** 0.5))
    sample = values[::step, ::step].ravel()
    sample = np.sort(sample[np.isfinite(sample)])
    if not sample.size:
        return 0.0, 1.0
    tail = 0 if colours == "cyclic" else sample.size // 100
    low, high = float(sample[tail]), float(sample[-1 - tail])
    if colours in ("signed", "cyclic"):
        high = max(high, -low)
        low = -high
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _frame_sources(frame: Canvas) -> list[_Source]:
    titles = ["frame"] if frame.shape[0] == 1 else [f"frame, channel {index}" for index in range(frame.shape[0])]
    return [_Source(title, "", "grey", frame, index) for index, title in enumerate(titles)]


def _map_sources(maps: Maps, pixel_size_nm: tuple[float, float] | None) -> list[_Source]:
    """Content first, then fields (else shifts), rotation and scale: the order of the pictures."""
    words, canvas, fields = maps.words, maps.latents, maps.fields
    content, pose = [], []
    for index, name in enumerate(words.names):
        if name not in POSE_TITLES:
            colours = "content" if words.varies[index] else "unused"
            content.append(_Source(name, words.units[index], colours, canvas, index, grid=words.grid))
        elif fields is None or name not in ("dy", "dx"):  # where there are fields, they say what the shifts mean
            title, colours = POSE_TITLES[name], POSE_COLOURS[name]
            pose.append(_Source(title, words.units[index], colours, canvas, index, grid=words.grid))
    if fields is None:
        return content + pose
    meant = []
    for index, (name, unit) in enumerate(zip(FIELD_NAMES, FIELD_UNITS, strict=True)):
        edges = pixel_size_nm if unit == "px" else None
        scale, unit = (1.0, unit) if edges is None else (1e3 * edges[name == "ux"], "pm")
        meant.append(_Source(FIELD_TITLES[name], unit, "signed", fields, index, scale, words.grid))
    return content + meant + pose


def _plane(
    source: _Source, values: Float32, ends: tuple[float, float], fresh: int, frame_shape: tuple[int, int]
) -> Plane:
    """Place an image in its frame: a window's value stands for `stride` px around its centre."""
    canvas, grid = source.canvas, source.grid
    y, x, stride = (-0.5, -0.5, 1) if grid is None else _corner(grid)
    rows, cols = canvas.values.shape[1:]
    height, width = frame_shape
    top, left = (y + 0.5) / height, (x + 0.5) / width
    return Plane(
        title=source.title,
        unit=source.unit,
        colours=source.colours,
        low=ends[0],
        high=ends[1],
        height=values.shape[0],
        width=values.shape[1],
        left=left,
        top=max(0.0, top) if height > 1 else 0.0,
        right=left + cols * canvas.step * stride / width,
        bottom=top + rows * canvas.step * stride / height if height > 1 else 1.0,
        fresh=fresh / rows,
    )


def _corner(grid: WindowGrid) -> tuple[float, float, int]:
    """Top left corner of the first window's place, px, and the stride."""
    half = grid.stride / 2
    return float(grid.centre_y_px[0]) - half, float(grid.centre_x_px[0]) - half, grid.stride
