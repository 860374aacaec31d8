"""Scenes: the frame of each stream and its maps, as they grow.

One thread writes (that of the service), one reads (that of the page), and neither waits for the other: lines are
written once and then counted, facts are immutable and replaced as a whole. Fields are computed by the one that reads.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..latent_map import LatentMap
from ..verdict import verdict_details
from .canvas import Canvas
from .maps import Maps

__all__ = ["Facts", "Scene", "Scenes", "Verdict"]

#: Most detector channels of a frame that are shown.
MOST_CHANNELS = 4
#: Most streams that are kept; the one that was silent longest is forgotten.
MOST_STREAMS = 16


@dataclass(frozen=True)
class Verdict:
    """Newest verdict on a stream.

    Parameters
    ----------
    state, reason
        ``"in"``, ``"out"`` or ``"unknown"``, and score and reason in words.
    score
        Its limit is 1; None where it is unknown.
    frame, lines
        Frame to which it applies, and the number of its lines that it knew.
    """

    state: str = "unknown"
    reason: str = "too few lines yet"
    score: float | None = None
    frame: int | None = None
    lines: int = 0


@dataclass(frozen=True)
class Facts:
    """Facts about a frame that is growing.

    Parameters
    ----------
    stream, channel
        Name of the stream, and of its detector channel.
    seq, frame
        Number of the frame in its stream, and the acquisition's own number.
    frame_shape
        ``(height, width)``, px.
    lines
        Number of lines that have arrived.
    pixel_size_nm
        Edges ``(y, x)`` of a pixel, nm; None if unknown.
    """

    stream: str
    channel: str
    seq: int
    frame: int
    frame_shape: tuple[int, int]
    lines: int
    pixel_size_nm: tuple[float, float] | None

    @property
    def complete(self) -> bool:
        """True if all lines have arrived."""
        return self.lines == self.frame_shape[0]


class Scene:
    """One frame of a stream, with its maps so far.

    Parameters
    ----------
    facts
        What is known of the frame.
    channels
        Number of its detector channels.
    before
        Scene of the frame before, if there is one.
    whole
        Whether all its lines are put at once.

    Attributes
    ----------
    frame
        ``(channels, height, width)``.
    maps
        Its maps, or those of the frame before until it has some.
    verdict
        Newest verdict, on this frame or on the one before.
    measured_s
        UTC at which the newest line was measured, s since 1970; as long as its map has not come: at which it came.
    lines
        Lines ``(channels, n, width)`` as they came, and the number of the first of each: arrays of the service that
        nobody changes.
    number, changed_s
        Grows with every change of any stream; monotonic time of the last change.
    """

    def __init__(self, facts: Facts, channels: int, before: Scene | None, *, whole: bool) -> None:
        self.facts = facts
        shape = (min(channels, MOST_CHANNELS), *facts.frame_shape)
        self.frame: Canvas = Canvas(shape, None if before is None else before.frame, whole=whole)
        same = before is not None and before.facts.frame_shape == facts.frame_shape
        self.maps: Maps | None = before.maps if same and before is not None else None
        self.verdict: Verdict = Verdict() if before is None else before.verdict
        self.number, self.changed_s, self.measured_s = 0, time.monotonic(), time.time()
        self.has_maps = False  # of its own
        self.lines: list[tuple[int, NDArray[np.generic]]] = []

    def put_map(self, rows: LatentMap, age_s: float) -> None:
        """Write rows of the map, whose newest line was measured `age_s` seconds ago."""
        maps = self.maps
        if maps is None or not self.has_maps:
            maps = Maps(rows, maps)
        maps.put(rows)
        self.measured_s = time.time() - age_s
        self.maps, self.has_maps = maps, True
        if rows.domain is not None or rows.mean.shape[1] == rows.grid.rows:
            self.verdict = _verdict_on(rows, self.facts)


class Scenes:
    """The newest scene of every stream. Written by one thread, read by another.

    Parameters
    ----------
    changed
        Called by the writing thread after a change, while somebody watches.

    Attributes
    ----------
    watched
        False: nothing is written, and a frame costs the writing thread nothing.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self.watched = False
        self._changed = changed
        self._scenes: dict[str, Scene] = {}
        self._coming: dict[str, Scene] = {}  # whole frames whose map has not come
        self._whole: dict[str, Scene] = {}
        self._number = 0

    def whole(self, stream: str) -> Scene | None:
        """The newest scene of a stream that is complete."""
        return self._whole.get(stream)

    def all(self) -> dict[str, Scene]:
        """Scenes by the names of their streams; not to be changed."""
        return self._scenes

    def put_lines(self, facts: Facts, lines: NDArray[np.generic], first: int) -> None:
        """Write the ``lines (channels, n, width)`` of a frame from line `first` on; `facts` count them already."""
        old = scene = self._scenes.get(facts.stream)
        if first == 0 or scene is None or scene.facts.seq != facts.seq:
            scene = Scene(facts, lines.shape[0], old, whole=lines.shape[1] == facts.frame_shape[0])
        scene.frame.put(lines[:MOST_CHANNELS], first)
        scene.lines.append((first, lines))
        scene.facts, scene.measured_s = facts, time.time()
        if first == 0 and facts.complete:  # the frame before is shown until the map has come too
            self._coming[facts.stream] = scene
        else:
            self._coming.pop(facts.stream, None)
            self._show(scene)

    def put_map(self, stream: str, seq: int, latent_map: LatentMap, age_s: float) -> None:
        """Write rows of the map of frame `seq`, measured `age_s` seconds ago; a frame that was not seen is passed over.

        A lossless service encodes several frames before it publishes their maps: the last of them is shown.
        """
        scene = self._coming.get(stream) or self._scenes.get(stream)
        if scene is None or scene.facts.seq != seq:
            return
        self._coming.pop(stream, None)
        scene.put_map(latent_map, age_s)
        self._show(scene)

    def _show(self, scene: Scene) -> None:
        self._number += 1
        scene.number, scene.changed_s = self._number, time.monotonic()
        if scene.facts.complete and scene.has_maps:
            self._whole[scene.facts.stream] = scene
        if self._scenes.get(scene.facts.stream) is not scene:
            scenes = {**self._scenes, scene.facts.stream: scene}
            while len(scenes) > MOST_STREAMS:
                silent = min(scenes, key=lambda name: scenes[name].changed_s)
                del scenes[silent]
                self._coming.pop(silent, None)
                self._whole.pop(silent, None)
            self._scenes = scenes
        self._changed()


def _verdict_on(latent_map: LatentMap, facts: Facts) -> Verdict:
    domain, known = latent_map.domain, {"frame": facts.frame, "lines": facts.lines}
    if domain is None:
        return Verdict("unknown", "the model has no description of its training data", **known)
    state = "out" if domain.out_of_domain else "in"
    return Verdict(state, verdict_details(domain), domain.score, **known)
