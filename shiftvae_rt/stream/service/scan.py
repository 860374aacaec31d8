"""The frame that a producer is sending: whole, band by band, or in rectangles."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ...errors import WindowError, WireError
from ...kernels.window_grid import WindowGrid
from ..protocol.rectangles import Rectangles
from ..protocol.results import check_size
from ..protocol.wire import MAX_FRAME_BYTES, FrameHeader, frame_rows

if TYPE_CHECKING:
    from ...encode.mapper import LatentMapper, ScanMapper
    from ...latent_map import LatentMap

__all__ = ["Scan"]

#: Largest frame that may arrive in bands; the header alone makes us hold memory for all of it.
MAX_FRAME_PIXELS = 8192 * 8192


class Scan:
    """What has arrived of the frame in hand."""

    def __init__(self) -> None:
        self._rows: ScanMapper | None = None
        self._first: FrameHeader | None = None
        self._rectangles: Rectangles | None = None
        self.mapper: LatentMapper | None = None  # of the frame that is arriving in parts

    def push(self, mapper: LatentMapper, header: FrameHeader, buffer: bytes | memoryview) -> LatentMap | None:
        """Encode what a message brings: the whole map if it completes the frame, else the map rows it completes.

        Raises
        ------
        WireError
            for a buffer that does not fit the header, rows that are not the next ones of their frame, or a rectangle
            where pixels are already.
        FrameError, WindowError, PixelSizeError
            from the mapper.
        """
        _check_extent(header)
        rows = frame_rows(header, buffer)
        if not rows.flags.aligned:  # ZeroMQ's buffer, which begins where the message began
            rows = rows.copy()
        if header.whole_lines and header.roi[0] == 0 and header.complete:
            self.drop()
            _check_map(mapper, header)
            return mapper.map(rows, pixel_size_nm=header.pixel_size_nm)
        if self._begins(header):
            _check_map(mapper, header)
            self._rows = mapper.begin_scan(header.frame_shape, dtype=rows.dtype, pixel_size_nm=header.pixel_size_nm)
            self._first, self.mapper = header, mapper
            self._rectangles = None if header.whole_lines else _room_for(header, rows)
        scan = self._continued(header)
        if self._rectangles is not None:
            rows = _place(self._rectangles, header, rows)
        band = scan.push_rows(rows) if rows.size else None
        if not header.complete:
            return band
        self.drop()
        return scan.result()

    def windows(self, mapper: LatentMapper, header: FrameHeader) -> int:
        """How many windows a message completes, at most; 0 if it completes none or is refused."""
        try:
            grid = WindowGrid(header.frame_shape, mapper.window, mapper.stride)
        except WindowError:
            return 0
        before = 0 if self._rows is None or self._begins(header) else self._rows.valid_rows
        return grid.cols * max(0, grid.rows_complete(header.valid_rows) - grid.rows_complete(before))

    def drop(self) -> None:
        """Forget the rows at hand and free their memory."""
        self._rows = self._first = self._rectangles = self.mapper = None

    def _begins(self, header: FrameHeader) -> bool:
        """Whether the message is the first of a frame: line 0, or the first rectangle of a ``seq``."""
        if header.whole_lines:
            return header.roi[0] == 0
        return self._first is None or self._first.seq != header.seq

    def _continued(self, header: FrameHeader) -> ScanMapper:
        scan, first = self._rows, self._first
        if scan is None or first is None or first.seq != header.seq:
            raise WireError(f"a frame begins with row 0, got row {header.roi[0]} of frame {header.frame}")
        if header.whole_lines != first.whole_lines:
            raise WireError(f"frame {header.frame} came in lines and in rectangles: send one kind of them")
        if header.whole_lines and scan.valid_rows != header.roi[0]:
            raise WireError(f"expected row {scan.valid_rows} of frame {header.frame} next, got row {header.roi[0]}")
        if (header.frame_shape, header.dtype) != (first.frame_shape, first.dtype):
            raise WireError(
                f"frame {header.frame} began as {first.dtype} {first.frame_shape}, "
                f"goes on as {header.dtype} {header.frame_shape}: send a new frame with a new seq"
            )
        return scan


def _check_extent(header: FrameHeader) -> None:
    if math.prod(header.frame_shape) > MAX_FRAME_PIXELS:
        raise WireError(f"a frame may have {MAX_FRAME_PIXELS} px, got {header.frame_shape}: send parts of it as frames")


def _check_map(mapper: LatentMapper, header: FrameHeader) -> None:
    check_size(WindowGrid(header.frame_shape, mapper.window, mapper.stride), len(mapper.names))


def _room_for(header: FrameHeader, rectangle: NDArray[Any]) -> Rectangles:
    """Room for the frame of which `rectangle` is the first."""
    shape = (*rectangle.shape[:-2], *header.frame_shape)
    nbytes = math.prod(shape) * rectangle.itemsize
    if rectangle.ndim < 2 or nbytes > MAX_FRAME_BYTES:
        raise WireError(
            f"a frame in rectangles is an image of at most {MAX_FRAME_BYTES} bytes, got {header.dtype} {shape}: "
            "send larger ones line by line, and a signal whole"
        )
    return Rectangles(shape, rectangle.dtype)


def _place(frame: Rectangles, header: FrameHeader, rectangle: NDArray[Any]) -> NDArray[Any]:
    """Put a rectangle in its place: the lines that it makes valid, perhaps none."""
    before = frame.valid_rows
    if rectangle.shape[:-2] != frame.pixels.shape[:-2]:
        raise WireError(f"frame {header.frame} has shape {frame.pixels.shape}, got a rectangle {rectangle.shape}")
    if not frame.place(rectangle, *header.roi[:2]):
        raise WireError(f"roi {header.roi} of frame {header.frame} covers pixels that came before: send each once")
    if frame.valid_rows != header.valid_rows:
        raise WireError(
            f"frame {header.frame} has {frame.valid_rows} valid lines now, got valid_rows {header.valid_rows}: "
            "count the lines from the top that are there from their first to their last pixel"
        )
    return frame.pixels[..., before : frame.valid_rows, :]
