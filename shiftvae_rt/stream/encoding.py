"""The model at work: encodes what arrives, is exchanged between two frames, is watched while it runs. No sockets."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import FrameError, PixelSizeError, WindowError, WireError
from .messages import ErrorName
from .report import Timings
from .scan import Scan
from .wire import FrameHeader

if TYPE_CHECKING:
    from ..latent_map import LatentMap
    from ..mapper import LatentMapper

__all__ = ["FRAME_FAULTS", "Encoding", "Watchdog", "error_name"]

#: What a frame can be refused for; anything else that happens while it is encoded is the model's fault.
FRAME_FAULTS = (WireError, FrameError, WindowError, PixelSizeError)
_NAMES: dict[type[Exception], ErrorName] = {
    WireError: "bad_message",
    FrameError: "bad_frame",
    WindowError: "bad_window",
    PixelSizeError: "pixel_size",
}
_SLOWEST_S = 5.0
_log = logging.getLogger(__name__)


class Encoding:
    """The mapper that serves, and the one before it until the new one has proved itself.

    Used by the serving thread; `swap`, `busy_s` and `terminate` by others too.

    Parameters
    ----------
    mapper
        The model to begin with.

    Attributes
    ----------
    between_bands
        Called between the bands of a large frame, so that the service can answer meanwhile.
    """

    def __init__(self, mapper: LatentMapper) -> None:
        self.mapper = mapper
        self.between_bands: Callable[[], None] = _nothing
        self.timings = Timings()
        self.swaps = self.rollbacks = 0
        self._previous: LatentMapper | None = None
        self._next: LatentMapper | None = None
        self._since_s: float | None = None

    def swap(self, mapper: LatentMapper) -> None:
        """Use `mapper` from the next frame on; a frame that arrives in bands ends with the model that it began with."""
        self._next = mapper

    def encode(self, scan: Scan, header: FrameHeader, buffer: bytes | memoryview) -> LatentMap | None:
        """Encode what a message brings; see `Scan.push`.

        A new model that fails on its first frame is taken back. The frame goes to the old one, unless it arrives in
        parts and is past its first: then it fails.
        """
        if self._next is not None:
            self._previous, self.mapper, self._next = self.mapper, self._next, None
            self.swaps += 1
        try:
            latent_map = self._push(scan, header, buffer)
        except FRAME_FAULTS:
            raise
        except Exception:
            if self._previous is None or scan.mapper not in (None, self.mapper):
                raise
            _log.exception("the new model %s failed: the old one is back", self.mapper.model.sha256)
            self.mapper, self._previous = self._previous, None
            self.rollbacks += 1
            if header.roi[0] != 0 or not header.whole_lines:  # the lines before are gone
                raise
            return self._push(scan, header, buffer)
        if latent_map is not None and latent_map.model_sha256 == self.mapper.model.sha256:
            self._previous = None
        return latent_map

    def _push(self, scan: Scan, header: FrameHeader, buffer: bytes | memoryview) -> LatentMap | None:
        started = self._since_s = time.perf_counter()
        mapper = scan.mapper or self.mapper
        mapper.between_bands = self.between_bands
        try:
            return scan.push(self.mapper, header, buffer)
        finally:
            mapper.between_bands = _nothing
            self._since_s = None
            self.timings.add(time.perf_counter() - started)

    @property
    def busy_s(self) -> float:
        """For how long the encoding in hand has been running; 0 if there is none."""
        since_s = self._since_s
        return 0.0 if since_s is None else time.perf_counter() - since_s

    @property
    def limit_s(self) -> float:
        """Longest encoding that is let run."""
        return max(_SLOWEST_S, 20e-3 * (self.timings.percentile_ms(99) or 0.0))

    def terminate(self) -> None:
        """End the encoding in hand: it fails, and its frame is quarantined."""
        self.mapper.terminate()


class Watchdog:
    """Ends encodings that run for too long."""

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        self._stopping = threading.Event()
        self.bites = 0
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Watch no more."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(0.25):
            if self._encoding.busy_s > self._encoding.limit_s:
                _log.error("an encoding runs for %.1f s and is ended", self._encoding.busy_s)
                self.bites += 1
                self._encoding.terminate()


def _nothing() -> None:
    """Nobody wants to be called between bands."""


def error_name(error: Exception) -> ErrorName:
    """What the protocol calls `error`."""
    return next((name for kind, name in _NAMES.items() if isinstance(error, kind)), "encoder_failed")
