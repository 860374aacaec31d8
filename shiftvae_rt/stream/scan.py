"""The frame that a producer is sending: whole, or band by band. No sockets here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import WireError
from .wire import FrameHeader, frame_rows

if TYPE_CHECKING:
    from ..latent_map import LatentMap
    from ..mapper import LatentMapper, ScanMapper

__all__ = ["Scan"]

#: Largest frame that may arrive in bands; the header alone makes us hold memory for all of it.
MAX_FRAME_PIXELS = 8192 * 8192


class Scan:
    """What has arrived of the frame in hand."""

    def __init__(self) -> None:
        self._rows: ScanMapper | None = None
        self._first: FrameHeader | None = None
        self.mapper: LatentMapper | None = None  # of the frame that is arriving in bands

    def push(self, mapper: LatentMapper, header: FrameHeader, buffer: bytes | memoryview) -> LatentMap | None:
        """Encode what a message brings: the whole map if it completes the frame, else the map rows it completes.

        Raises
        ------
        WireError
            for a buffer that does not fit the header, or rows that are not the next ones of their frame.
        FrameError, WindowError, PixelSizeError
            from the mapper.
        """
        _check_extent(header)
        rows = frame_rows(header, buffer)
        if not rows.flags.aligned:  # ZeroMQ's buffer, which begins where the message began
            rows = rows.copy()
        if header.roi[0] == 0 and header.complete:
            self.drop()
            return mapper.map(rows, pixel_size_nm=header.pixel_size_nm)
        if header.roi[0] == 0:
            self._rows = mapper.begin_scan(header.frame_shape, dtype=rows.dtype, pixel_size_nm=header.pixel_size_nm)
            self._first, self.mapper = header, mapper
        scan = self._continued(header)
        band = scan.push_rows(rows)
        if not header.complete:
            return band
        self.drop()
        return scan.result()

    def drop(self) -> None:
        """Forget the rows at hand and free their memory."""
        self._rows = self._first = self.mapper = None

    def _continued(self, header: FrameHeader) -> ScanMapper:
        scan, first = self._rows, self._first
        if scan is None or first is None or first.seq != header.seq:
            raise WireError(f"a frame begins with row 0, got row {header.roi[0]} of frame {header.frame}")
        if scan.valid_rows != header.roi[0]:
            raise WireError(f"expected row {scan.valid_rows} of frame {header.frame} next, got row {header.roi[0]}")
        if (header.frame_shape, header.dtype) != (first.frame_shape, first.dtype):
            raise WireError(
                f"frame {header.frame} began as {first.dtype} {first.frame_shape}, "
                f"goes on as {header.dtype} {header.frame_shape}: send a new frame with a new seq"
            )
        return scan


def _check_extent(header: FrameHeader) -> None:
    if header.roi[1] != 0 or header.roi[3] != header.frame_shape[1]:
        raise WireError(
            f"expected whole lines of {header.frame_shape[1]} px, got roi {header.roi} (y, x, height, width): "
            "send the lines from their first to their last pixel"
        )
    pixels = header.frame_shape[0] * header.frame_shape[1]
    if pixels > MAX_FRAME_PIXELS:
        raise WireError(f"a frame may have {MAX_FRAME_PIXELS} px, got {header.frame_shape}: send parts of it as frames")
