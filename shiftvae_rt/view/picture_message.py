"""A scene as one message for the page: a header in JSON, then one byte a pixel of every plane.

::

    u32, little-endian: length of the header
    the header, JSON: `Picture`, or `places.Place` or `places.Manifold`
    the planes one after the other, height x width bytes each, in the order of `Picture.planes`

Byte 0 means that nothing is known here. Bytes 1 to 255 go from the plane's `low` to its `high`, evenly.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Collection

import msgspec

from ..array_types import Float32
from .planes import Plane, Source, ends_of, frame_sources, legend, levels, map_sources, mean_of, plane_of, total_of
from .scenes import Scene

__all__ = ["Buffer", "Picture", "PictureWriter", "packed"]

Buffer = bytes | memoryview
#: Least time between two changes of a colour bar's ends, s.
KEPT_S = 0.5


class Picture(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="picture"):
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
    legend
        What titles and units leave open.
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
    legend: str
    planes: list[Plane]


class PictureWriter:
    """Writes scenes as messages.

    The ends of a colour bar are those of a complete frame of the stream, and change at most twice a second, so that a
    colour keeps its meaning; in the first frame they follow what is there.
    """

    def __init__(self) -> None:
        #: Ends, and when they were found; by stream, title, unit and model.
        self._ends: dict[tuple[str, str, str, str], tuple[tuple[float, float], float]] = {}

    def write(self, scene: Scene) -> list[Buffer]:
        """Parts of the message that shows `scene` as it is now."""
        facts, maps = scene.facts, scene.maps
        if maps is not None:
            maps.follow_fields()
        sources = [*frame_sources(scene.frame), *([] if maps is None else map_sources(maps, facts.pixel_size_nm))]
        planes: list[Plane] = []
        pixels: list[Buffer] = []
        for source in sources:
            fresh = source.canvas.rows if source.grid is None or scene.has_maps else 0
            values = source.values[:0, :0] if source.colours == "unused" else source.values
            total, ends = total_of(values), self._ends_of(scene, source, values)
            rows = values[:fresh]
            mean = mean_of(rows, total if len(rows) == len(values) else total_of(rows))
            planes.append(plane_of(source, values, ends, mean=mean, fresh=fresh, frame_shape=facts.frame_shape))
            pixels.append(levels(values, *ends, total).data)
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
            legend="" if maps is None else legend(maps),
            planes=planes,
        )
        return packed(header, pixels)

    def keep(self, streams: Collection[str]) -> None:
        """Forget the colour bars of all other streams."""
        self._ends = {key: ends for key, ends in self._ends.items() if key[0] in streams}

    def _ends_of(self, scene: Scene, source: Source, values: Float32) -> tuple[float, float]:
        """Values at the ends of the colour bar."""
        if source.limits is not None:
            return source.limits
        model = "" if scene.maps is None or source.grid is None else scene.maps.words.model_sha256
        key = scene.facts.stream, source.title, source.unit, model
        known, now_s = self._ends.get(key), time.monotonic()
        if known is not None and not (scene.facts.complete and now_s - known[1] > KEPT_S):
            return known[0]
        ends = ends_of(values, source.colours)
        if scene.facts.complete:
            self._ends[key] = ends, now_s
        return ends


def packed(header: msgspec.Struct, pixels: Collection[Buffer]) -> list[Buffer]:
    """Parts of the message of a header and the planes that it names."""
    text = msgspec.json.encode(header)
    return [struct.pack("<I", len(text)), text, *pixels]
