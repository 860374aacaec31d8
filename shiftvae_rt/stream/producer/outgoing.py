"""A frame on its way to the service: filled by rows or rectangles, sent in one message or several."""

from __future__ import annotations

import operator
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import FrameError, ServiceError
from ...names import name_fault
from ..protocol.clock import monotonic_ns
from ..protocol.messages import Outcome
from ..protocol.rectangles import Rectangles
from ..protocol.wire import FrameHeader

__all__ = ["FrameOutcome", "OutgoingFrame", "Source"]


@dataclass(frozen=True)
class Source:
    """Origin of the frames: stream, series number of the acquisition, detector channel.

    Raises
    ------
    ServiceError
        for a name of a stream or channel that the service would refuse.
    """

    stream: str
    series: int = 0
    name: str = ""

    def __post_init__(self) -> None:
        fault = name_fault(self.stream)
        if fault is not None:
            raise ServiceError(f"bad name of a stream: {fault}")
        if not self.name.isprintable() or len(self.name) > 256:
            raise ServiceError(f"expected a channel's name of at most 256 printable characters, got {self.name!a:.300}")


@dataclass(frozen=True)
class FrameOutcome:
    """Fate of one frame that was offered.

    Attributes
    ----------
    frame, context
        The acquisition's number of the frame, and its context, as they were offered.
    seq
        Number of the frame in its stream: 1, 2, 3, ...
    outcome
        ``"processed"``, ``"dropped_producer"``, ``"dropped_stale"``, ``"rejected"`` or ``"quarantined"``.
    reason
        Why it was rejected or quarantined; else empty.
    """

    frame: int
    context: str
    seq: int
    outcome: Outcome
    reason: str = ""


@dataclass(eq=False)
class OutgoingFrame:
    """One frame that is being filled and sent. It owns its pixels; rows that were sent never change."""

    frame: int  # the acquisition's number
    pixels: NDArray[Any]  # the whole frame
    pixel_size_nm: tuple[float, float] | None
    context: str = ""
    seq: int = 1
    filled: int = 0  # number of rows offered
    sent: int = 0  # number of rows handed to the link
    clock_ns: int = 0
    utc_ns: int = 0
    replaced: bool = False  # a newer frame came
    over: bool = False  # has its outcome
    rectangles: Rectangles | None = None  # set if the frame is filled by rectangles

    def __post_init__(self) -> None:
        self.frame = operator.index(self.frame)  # a NumPy integer cannot be encoded

    @classmethod
    def of_rows(
        cls,
        rows: NDArray[Any],
        *,
        frame: int,
        height: int | None,
        pixel_size_nm: tuple[float, float] | None,
        context: str = "",
    ) -> OutgoingFrame:
        """Begin a frame of `height` rows with a copy of `rows`; `height` None: they are the whole frame.

        Parameters
        ----------
        rows
            ``(length,)``, ``(n, width)`` or ``(channels, n, width)``, little-endian.
        """
        count = rows.shape[-2] if rows.ndim > 1 else 1
        if height is not None and count > height:
            raise FrameError(f"expected at most the {height} rows of the frame, got {count}")
        shape = rows.shape if rows.ndim == 1 or height is None else (*rows.shape[:-2], height, rows.shape[-1])
        outgoing = cls(frame, np.empty(shape, rows.dtype), pixel_size_nm, context)
        outgoing._copy_rows(rows)
        return outgoing

    @classmethod
    def of_rectangles(
        cls,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        *,
        frame: int,
        pixel_size_nm: tuple[float, float] | None,
        context: str = "",
    ) -> OutgoingFrame:
        """Begin a frame of `shape` that will come in rectangles."""
        rectangles = Rectangles(shape, dtype)
        return cls(frame, rectangles.pixels, pixel_size_nm, context, rectangles=rectangles)

    @property
    def height(self) -> int:
        """Rows of the whole frame; 1 for a signal."""
        return self.pixels.shape[-2] if self.pixels.ndim > 1 else 1

    def add_rows(self, rows: NDArray[Any], first_row: int) -> None:
        """Copy in the next rows of the frame. Raises `FrameError` for any other rows."""
        count = rows.shape[-2] if rows.ndim > 1 else 1
        if self.rectangles is not None:
            raise FrameError(f"frame {self.frame} began in rectangles, got rows: begin a new frame")
        if first_row != self.filled or first_row + count > self.height:
            raise FrameError(
                f"expected row {self.filled} of {self.height} of frame {self.frame}, got rows {first_row} to "
                f"{first_row + count}: offer rows in order, from row 0"
            )
        if rows.dtype != self.pixels.dtype or rows[..., 0, :].shape != self.pixels[..., 0, :].shape:
            raise FrameError(
                f"frame {self.frame} is {self.pixels.dtype} {self.pixels.shape}, got rows {rows.dtype} {rows.shape}"
            )
        self._copy_rows(rows)

    def _copy_rows(self, rows: NDArray[Any]) -> None:
        if rows.ndim == 1:
            self.pixels[...] = rows
            self._fill(1)
        else:
            last = self.filled + rows.shape[-2]
            self.pixels[..., self.filled : last, :] = rows
            self._fill(last)

    def add_rectangle(self, rectangle: NDArray[Any], place: tuple[int, int], shape: tuple[int, ...]) -> None:
        """Copy in a rectangle of a frame of `shape`; `place` is ``(y, x)`` of its first pixel.

        Raises `FrameError` for pixels that were offered before, and for a frame of another shape or dtype.
        """
        if self.rectangles is None or (self.pixels.shape, self.pixels.dtype) != (shape, rectangle.dtype):
            began = "rows" if self.rectangles is None else "rectangles"
            raise FrameError(
                f"frame {self.frame} began as {self.pixels.dtype} {self.pixels.shape} in {began}, "
                f"got a rectangle of {rectangle.dtype} {shape}: begin a new frame"
            )
        if not self.rectangles.place(rectangle, *place):
            raise FrameError(f"the rectangle at {place} covers pixels of frame {self.frame} that were offered before")
        self._fill(self.rectangles.valid_rows)

    def _fill(self, rows: int) -> None:
        self.filled, self.clock_ns, self.utc_ns = rows, monotonic_ns(), time.time_ns()

    def message(self, source: Source, first: int, last: int) -> tuple[FrameHeader, NDArray[Any]]:
        """Return header and buffer of rows `first` to `last` - 1."""
        whole = self.pixels.ndim == 1 or (first, last) == (0, self.height)
        rows = self.pixels if whole else np.ascontiguousarray(self.pixels[..., first:last, :])
        width = rows.shape[-1]
        header = FrameHeader(
            htype="array-1.0",
            type=rows.dtype.name,
            dtype=rows.dtype.name,
            shape=rows.shape,
            encoding="little",
            order="C",
            frame=self.frame,
            series=source.series,
            source=source.stream,
            name=source.name,
            context=self.context,
            frame_shape=(self.height, width),
            roi=(first, 0, last - first, width),
            valid_rows=last,
            complete=last == self.height,
            seq=self.seq,
            pixel_size_nm=self.pixel_size_nm,
            clock_ns=self.clock_ns,
            utc_ns=self.utc_ns,
        )
        return header, rows
