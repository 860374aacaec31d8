"""The frame that a producer is sending, whole, in bands or in rectangles, and its encoding so far."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ...errors import WindowError, WireError
from ...kernels.window_grid import WindowGrid
from ..protocol.rectangles import Rectangles
from ..protocol.results import check_size
from ..protocol.wire import MAX_FRAME_BYTES, FrameHeader, frame_rows

if TYPE_CHECKING:
    from ...encode.mapper import LatentMapper
    from ...encode.scan_mapper import ScanMapper
    from ...latent_map import LatentMap

__all__ = ["Lines", "Scan"]

#: Takes lines that were encoded, with the header of their message and the number of the first of them in the frame.
Lines = Callable[[FrameHeader, NDArray[Any], int], None]

#: Largest frame that may arrive in bands, px: its first header alone makes the service reserve memory for all of it.
MAX_FRAME_PIXELS = 8192 * 8192


class Scan:
    """The part of the current frame that has arrived.

    Attributes
    ----------
    mapper
        The model that encodes a frame which arrives in parts; None between such frames.
    """

    def __init__(self) -> None:
        self._rows: ScanMapper | None = None
        self._first: FrameHeader | None = None
        self._rectangles: Rectangles | None = None
        self.mapper: LatentMapper | None = None

    def push(
        self, mapper: LatentMapper, header: FrameHeader, buffer: bytes | memoryview, see: Lines | None = None
    ) -> LatentMap | None:
        """Encode the pixels of one message: the whole map if they complete the frame, else the map rows they complete.

        Before it returns, `see` gets the lines that were encoded.

        Raises
        ------
        WireError
            for a buffer that does not fit the header, rows that are not the next ones of their frame, or a rectangle
            with pixels that came before.
        FrameError, WindowError, PixelSizeError
            as `mapper` raises them.
        """
        _check_extent(header)
        rows = frame_rows(header, buffer)
        if not rows.flags.aligned:  # ZeroMQ's buffer need not be aligned to the dtype
            rows = rows.copy()
        if header.whole_lines and header.roi[0] == 0 and header.complete:
            self.drop()
            _check_map(mapper, header)
            latent_map = mapper.map(rows, pixel_size_nm=header.pixel_size_nm)
            if see is not None:
                see(header, rows, 0)
            return latent_map
        if self._begins(header):
            _check_map(mapper, header)
            self._rows = mapper.begin_scan(header.frame_shape, dtype=rows.dtype, pixel_size_nm=header.pixel_size_nm)
            self._first, self.mapper = header, mapper
            self._rectangles = None if header.whole_lines else _room_for(header, rows)
        scan = self._continued(header)
        if self._rectangles is not None:
            rows = _place(self._rectangles, header, rows)
        first = scan.valid_rows
        band = scan.push_rows(rows) if rows.size else None
        if see is not None and rows.size:
            see(header, rows, first)
        if not header.complete:
            return band
        self.drop()
        return scan.result()

    def windows(self, mapper: LatentMapper, header: FrameHeader) -> int:
        """Return the largest number of windows that a message can complete; 0 if its frame is smaller than a window."""
        try:
            grid = WindowGrid(header.frame_shape, mapper.window, mapper.stride)
        except WindowError:
            return 0
        before = 0 if self._rows is None or self._begins(header) else self._rows.valid_rows
        return grid.cols * max(0, grid.rows_complete(header.valid_rows) - grid.rows_complete(before))

    def drop(self) -> None:
        """Forget the current frame and free its memory."""
        self._rows = self._first = self._rectangles = self.mapper = None

    def _begins(self, header: FrameHeader) -> bool:
        """True if the message is the first of its frame: line 0, or the first rectangle of a ``seq``."""
        if header.whole_lines:
            return header.roi[0] == 0
        return self._first is None or self._first.seq != header.seq

    def _continued(self, header: FrameHeader) -> ScanMapper:
        scan, first = self._rows, self._first
        if scan is None or first is None or first.seq != header.seq:
            raise WireError(f"a frame begins with row 0, got row {header.roi[0]} of frame {header.frame}")
        if header.whole_lines != first.whole_lines:
            raise WireError(f"frame {header.frame} came both in lines and in rectangles: send one kind")
        if header.whole_lines and scan.valid_rows != header.roi[0]:
            raise WireError(f"expected row {scan.valid_rows} of frame {header.frame} next, got row {header.roi[0]}")
        if (header.frame_shape, header.dtype) != (first.frame_shape, first.dtype):
            raise WireError(
                f"frame {header.frame} began as {first.dtype} {first.frame_shape} and continues as {header.dtype} "
                f"{header.frame_shape}: send a new frame with a new seq"
            )
        return scan


def _check_extent(header: FrameHeader) -> None:
    if math.prod(header.frame_shape) > MAX_FRAME_PIXELS:
        raise WireError(
            f"expected a frame of at most {MAX_FRAME_PIXELS} px, got {header.frame_shape}: send parts of it as frames"
        )


def _check_map(mapper: LatentMapper, header: FrameHeader) -> None:
    check_size(WindowGrid(header.frame_shape, mapper.window, mapper.stride), len(mapper.names))


def _room_for(header: FrameHeader, rectangle: NDArray[Any]) -> Rectangles:
    """Reserve memory for the frame that begins with `rectangle`."""
    shape = (*rectangle.shape[:-2], *header.frame_shape)
    nbytes = math.prod(shape) * rectangle.itemsize
    if rectangle.ndim < 2 or nbytes > MAX_FRAME_BYTES:
        raise WireError(
            f"expected an image of at most {MAX_FRAME_BYTES} bytes in rectangles, got {header.dtype} {shape}: send a "
            "larger one in lines, and a signal whole"
        )
    return Rectangles(shape, rectangle.dtype)


def _place(frame: Rectangles, header: FrameHeader, rectangle: NDArray[Any]) -> NDArray[Any]:
    """Copy a rectangle to its place in the frame, and return the lines that it makes valid, perhaps none."""
    before = frame.valid_rows
    if rectangle.shape[:-2] != frame.pixels.shape[:-2]:
        raise WireError(f"frame {header.frame} has shape {frame.pixels.shape}, got a rectangle {rectangle.shape}")
    if not frame.place(rectangle, *header.roi[:2]):
        raise WireError(f"roi {header.roi} of frame {header.frame} covers pixels that came before: send each once")
    if frame.valid_rows != header.valid_rows:
        raise WireError(
            f"frame {header.frame} has {frame.valid_rows} valid lines now, got valid_rows {header.valid_rows}: count "
            "the lines from the top whose pixels have all been sent"
        )
    return frame.pixels[..., before : frame.valid_rows, :]
