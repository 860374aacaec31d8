"""Runs the model on what arrives, replaces it between two frames, and ends an encoding that hangs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...errors import FrameError, PixelSizeError, WindowError, WireError
from ..protocol.messages import ErrorName
from ..protocol.results import check_readable
from ..protocol.wire import FrameHeader
from .scan import Lines, Scan
from .timings import Speed, Timings

if TYPE_CHECKING:
    from ...encode.mapper import LatentMapper
    from ...latent_map import LatentMap

__all__ = ["FRAME_FAULTS", "Encoding", "Watchdog", "error_name"]

#: Errors that are faults of the frame; any other error during an encoding is a fault of the model.
FRAME_FAULTS = (WireError, FrameError, WindowError, PixelSizeError)
_NAMES: dict[type[Exception], ErrorName] = {
    WireError: "bad_message",
    FrameError: "bad_frame",
    WindowError: "bad_window",
    PixelSizeError: "pixel_size",
}
_log = logging.getLogger(__name__)


class Encoding:
    """Encodes with the current model. After a swap the old model is kept until the new one has encoded a frame.

    Used by the serving thread; `swap`, `busy_s` and `terminate` may be called from others.

    Parameters
    ----------
    mapper
        The first model.
    between_bands
        Called before every encoding and between its parts, so that the service can answer meanwhile.
    see
        Gets the lines that were encoded; None: nobody does.

    Attributes
    ----------
    swaps, rollbacks
        Number of models that were swapped in, and of those that were taken back.
    """

    def __init__(self, mapper: LatentMapper, between_bands: Callable[[], None], see: Lines | None = None) -> None:
        self.mapper = mapper
        self._see = see
        self._between_bands = between_bands
        self.timings = Timings()
        self.swaps = self.rollbacks = 0
        self._previous: LatentMapper | None = None
        self._next: LatentMapper | None = None
        self._since_s: float | None = None
        self._windows = 0  # number of windows in the current encoding
        self._part_s = self._called_s = 0.0  # duration of its last part, and the time at which that part ended
        self._speed = Speed()

    def swap(self, mapper: LatentMapper) -> None:
        """Use `mapper` from the next frame on; a frame that arrives in bands keeps the model with which it began."""
        self._next = mapper

    def encode(self, scan: Scan, header: FrameHeader, buffer: bytes | memoryview) -> LatentMap | None:
        """Encode the pixels of one message; see `Scan.push`.

        A new model that fails on its first frame is taken back, and the old one encodes the frame; but if that frame
        arrives in parts and this is not the first of them, the frame fails.
        """
        if self._next is not None:
            self._previous, self.mapper, self._next = self.mapper, self._next, None
            self.swaps += 1
            self._speed = Speed()
        try:
            latent_map = self._push(scan, header, buffer)
        except FRAME_FAULTS:
            raise
        except Exception:
            if self._previous is None or scan.mapper not in (None, self.mapper):
                raise
            _log.exception("the new model %s failed: the old one serves again", self.mapper.model.sha256)
            self.mapper, self._previous = self._previous, None
            self.rollbacks += 1
            self._speed = Speed()
            if header.roi[0] != 0 or not header.whole_lines:  # the old model has not seen the earlier lines
                raise
            return self._push(scan, header, buffer)
        if latent_map is not None and latent_map.model_sha256 == self.mapper.model.sha256:
            self._previous = None
        return latent_map

    def _push(self, scan: Scan, header: FrameHeader, buffer: bytes | memoryview) -> LatentMap | None:
        mapper = scan.mapper or self.mapper
        self._windows = windows = scan.windows(mapper, header)
        started = self._since_s = time.perf_counter()
        self._called_s = started
        mapper.between_bands = self._part_done
        try:
            self._between_bands()
            latent_map = scan.push(self.mapper, header, buffer, self._see)
            if latent_map is not None:
                check_readable(latent_map, header)
            self._speed.add(windows, time.perf_counter() - started)
            return latent_map
        finally:
            mapper.between_bands = _nothing
            self._since_s = None
            self.timings.add(time.perf_counter() - started)

    @property
    def busy_s(self) -> float:
        """Time that the current encoding has run, s; 0 if there is none."""
        since_s = self._since_s
        return 0.0 if since_s is None else time.perf_counter() - since_s

    def _part_done(self) -> None:
        now_s = time.perf_counter()
        self._part_s, self._called_s = now_s - self._called_s, now_s
        self._between_bands()

    @property
    def left_s(self) -> float | None:
        """Expected time from the end of the next part to that of the encoding, s; None before the first encoding."""
        expected_s = self._speed.expected_s(self._windows)
        return None if expected_s is None else max(0.0, expected_s - self.busy_s - self._part_s)

    @property
    def limit_s(self) -> float:
        """Time after which the current encoding counts as hanging, s."""
        return self._speed.limit_s(self._windows)

    def terminate(self) -> None:
        """End the current encoding: it fails, and its frame is quarantined."""
        self.mapper.terminate()


class Watchdog:
    """Ends encodings that run too long, from a thread of its own.

    Attributes
    ----------
    bites
        Number of encodings that were ended.
    """

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        self._stopping = threading.Event()
        self.bites = 0
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the thread."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(0.25):
            if self._encoding.busy_s > self._encoding.limit_s:
                _log.error("an encoding is ended because it has run for %.1f s", self._encoding.busy_s)
                self.bites += 1
                self._encoding.terminate()


def _nothing() -> None:
    """Do nothing between bands."""


def error_name(error: Exception) -> ErrorName:
    """Return the protocol's name for `error`."""
    return next((name for kind, name in _NAMES.items() if isinstance(error, kind)), "encoder_failed")
