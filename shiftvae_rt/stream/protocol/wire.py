"""Array messages on the wire: ``[JSON header][raw buffer]``, htype ``array-1.0``.

A message is exactly two parts. The header is decoded into a strict typed struct (an unknown, missing or wrong field is
a `WireError` that names it), then ``prod(shape) * itemsize`` is compared with the length of the buffer, and only then
is an array made: a read-only view of the buffer, never a copy. No pickle, no compression, no topic part.

Frames travel from a producer to the service (`FrameHeader`), latent maps from the service to its readers
(`ResultHeader`). Both carry ``type`` and ``dtype``, because readers in the field look for one or the other.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from ...errors import WireError
from ...fields import MeanLattice
from ...frame import DTYPES
from ...verdict import DomainVerdict
from .counters import Counters

__all__ = [
    "MAX_CONTEXT_BYTES",
    "MAX_FRAME_BYTES",
    "MAX_HEADER_BYTES",
    "MAX_RESULT_BYTES",
    "Centres",
    "Context",
    "Count",
    "FrameHeader",
    "ResultHeader",
    "Text",
    "array_of",
    "decode",
    "decode_frame_header",
    "decode_result_header",
    "encode_array",
    "frame_rows",
]

#: Longest frame buffer that a service takes: 4096 x 4096 float32. Larger frames are sent in bands of rows.
MAX_FRAME_BYTES = 64 * 1024 * 1024
#: Longest result buffer, for service and readers: 4096 x 4096 windows with six latents.
MAX_RESULT_BYTES = 768 * 1024 * 1024
#: Longest header. Its length does not depend on the size of the frame; most of it is names.
MAX_HEADER_BYTES = 256 * 1024

#: Longest context of a frame, bytes of UTF-8.
MAX_CONTEXT_BYTES = 1024

#: Whole number that a double holds exactly, so that every JSON reader agrees on it.
Count: TypeAlias = Annotated[int, Meta(ge=0, le=2**53)]
Edge: TypeAlias = Annotated[float, Meta(gt=0)]
Extent: TypeAlias = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Text: TypeAlias = Annotated[str, Meta(max_length=256)]
Context: TypeAlias = Annotated[str, Meta(max_length=MAX_CONTEXT_BYTES)]
Shape: TypeAlias = Annotated[tuple[Extent, ...], Meta(min_length=1, max_length=4)]


class Centres(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Window centres along one axis, px: `count` values from `first` in steps of `step`."""

    first: float
    step: Annotated[float, Meta(gt=0)]
    count: Extent


class FrameHeader(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Header of a frame, or of some rows of it.

    Parameters
    ----------
    type, dtype
        Both the NumPy name of the dtype, one of `frame.DTYPES`.
    shape
        Shape of the buffer: ``(rows, width)`` or ``(channels, rows, width)``; a signal ``(length,)`` or
        ``(channels, length)``.
    frame, series, source, name
        The acquisition's number of the frame and of the series, the stream, the detector channel (for people).
    context
        Anything that the producer wants back with the results of the frame: at most 1024 bytes of UTF-8, never read.
    frame_shape
        ``(height, width)`` of the whole frame in px; a signal has height 1.
    roi
        ``(y, x, height, width)`` of this buffer in the frame, px: whole lines, or a rectangle.
    valid_rows
        Number of lines, counted from the top of the frame, that are complete once this message has arrived. 0 while
        rectangles leave gaps in the first line.
    complete
        True exactly when ``valid_rows`` is the height of the frame: the last message of the frame.
    seq
        Number of the frame in its stream: 1, 2, 3, ... counted when the frame is offered, so a gap is a dropped frame.
    pixel_size_nm
        Edge of a pixel in nm, or null.
    clock_ns, utc_ns
        Time at which the newest row was offered: by the sender's monotonic clock, and in UTC since 1970; ns.
    """

    htype: Literal["array-1.0"]
    type: Text
    dtype: Text
    shape: Shape
    encoding: Literal["little"]
    order: Literal["C"]
    frame: Count
    series: Count
    source: Text
    name: Text
    context: Context
    frame_shape: tuple[Extent, Extent]
    roi: tuple[Count, Count, Extent, Extent]
    valid_rows: Count
    complete: bool
    seq: Annotated[int, Meta(ge=1, le=2**53)]
    pixel_size_nm: tuple[Edge, Edge] | None
    clock_ns: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    utc_ns: Annotated[int, Meta(ge=0, le=2**63 - 1)]

    @property
    def whole_lines(self) -> bool:
        """True if the buffer holds lines in their full width; False: a rectangle."""
        return self.roi[3] == self.frame_shape[1]


class ResultHeader(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Header of a latent map, or of the map rows that just became complete.

    The buffer is float32 ``(2, latents, rows, cols)``: ``[0]`` the mean, ``[1]`` the standard deviation. A message that
    is ``complete`` holds the whole map of its frame, so a reader that missed a band has everything at the frame's end.

    Parameters
    ----------
    frame, series, source, name, context, frame_shape, valid_rows, pixel_size_nm, utc_ns
        As in the `FrameHeader` of the frame.
    frame_seq
        ``seq`` of the frame in its stream.
    seq
        Number of this message since the service's ``epoch``: 1, 2, 3, ...; a gap is a result that this reader missed.
    first_row
        Row of the map that is row 0 of this buffer.
    names, units, varies
        One for each latent; `varies` is false for a content latent that training did not use.
    centre_y_px, centre_x_px
        Window centres of the rows and columns of this buffer; see `Centres`.
    window, stride
        Height and width of a window, and the distance of neighbouring windows; px.
    age_ms
        Time from the offer of the newest row to the publication of this result.
    counters
        Outcomes of the frames of this stream so far.
    lattice
        Mean lattice of the training scan, from which a reader computes displacement and strain; null for a model
        without a lattice of two vectors.
    domain
        Whether a frame, or what has come of it, is of the kind that the model was trained on; null in the first eighth
        of a frame, and for a model without a description of its training data.
    """

    htype: Literal["array-1.0"]
    type: Literal["float32"]
    dtype: Literal["float32"]
    shape: Annotated[tuple[Extent, ...], Meta(min_length=4, max_length=4)]
    encoding: Literal["little"]
    order: Literal["C"]
    frame: Count
    series: Count
    source: Text
    name: Text
    frame_shape: tuple[Extent, Extent]
    valid_rows: Extent
    complete: bool
    seq: Annotated[int, Meta(ge=1, le=2**53)]
    frame_seq: Annotated[int, Meta(ge=1, le=2**53)]
    epoch: Text
    first_row: Count
    names: tuple[Text, ...]
    units: tuple[Text, ...]
    varies: tuple[bool, ...]
    centre_y_px: Centres
    centre_x_px: Centres
    window: tuple[Extent, Extent]
    stride: Extent
    pixel_size_nm: tuple[Edge, Edge] | None
    model_sha256: Text
    age_ms: Annotated[float, Meta(ge=0)]
    utc_ns: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    counters: Counters
    lattice: MeanLattice | None = None  # records of older journals lack this and the next two
    domain: DomainVerdict | None = None
    context: Context = ""


_frame_headers = msgspec.json.Decoder(FrameHeader)
_result_headers = msgspec.json.Decoder(ResultHeader)
_encoder = msgspec.json.Encoder()


def encode_array(header: FrameHeader | ResultHeader, array: NDArray[Any]) -> tuple[bytes, memoryview]:
    """Encode `array` as two parts. The second is a view of its memory, which must stay unchanged until it is sent.

    Raises
    ------
    WireError
        if `header` does not describe `array`, or the array is not C-contiguous and little-endian.
    """
    if array.shape != header.shape or array.dtype != np.dtype(header.dtype).newbyteorder("<"):
        raise WireError(
            f"the header says {header.dtype} {header.shape}, the array is {array.dtype} {array.shape}: they must agree"
        )
    if not array.flags.c_contiguous:
        raise WireError("the array is not C-contiguous: pass a contiguous copy")
    return _encoder.encode(header), array.reshape(-1).view(np.uint8).data


def decode_frame_header(part: bytes | memoryview) -> FrameHeader:
    """Decode the header of a frame. Raises `WireError` naming the field that is wrong."""
    header: FrameHeader = decode(_frame_headers, part, "array-1.0 header", MAX_HEADER_BYTES)
    height, width = header.frame_shape
    y, x, rows, cols = header.roi
    if len(header.context.encode()) > MAX_CONTEXT_BYTES:
        raise WireError(f"context: expected at most {MAX_CONTEXT_BYTES} bytes, got {len(header.context.encode())}")
    if header.type != header.dtype:
        raise WireError(f"type and dtype must be the same, got {header.type!r} and {header.dtype!r}")
    if y + rows > height or x + cols > width:
        raise WireError(f"roi {header.roi} (y, x, height, width) does not fit frame_shape {header.frame_shape}")
    if header.whole_lines and not y < header.valid_rows <= y + rows:
        raise WireError(f"valid_rows must be {y + 1} to {y + rows} for roi {header.roi}, got {header.valid_rows}")
    if header.complete != (header.valid_rows == height):
        raise WireError(
            f"complete must be true exactly when valid_rows is the height {height} of the frame, "
            f"got complete={str(header.complete).lower()} with valid_rows {header.valid_rows}"
        )
    if header.shape[-2:] != (rows, cols) and not (height == 1 and header.shape[-1:] == (cols,)):
        raise WireError(f"shape {header.shape} does not end in the height and width of roi {header.roi}")
    return header


def decode_result_header(part: bytes | memoryview) -> ResultHeader:
    """Decode the header of a result. Raises `WireError` naming the field that is wrong."""
    header: ResultHeader = decode(_result_headers, part, "array-1.0 header", MAX_HEADER_BYTES)
    latents = header.shape[1]
    lengths = (2, len(header.names), header.centre_y_px.count, header.centre_x_px.count)
    if header.shape != lengths or not latents == len(header.units) == len(header.varies):
        raise WireError(
            f"expected shape (2, number of names, count of centre_y_px, count of centre_x_px) = {lengths}, got "
            f"{header.shape}; units and varies must be as long as names, got {len(header.units)} and "
            f"{len(header.varies)}"
        )
    return header


def array_of(header: FrameHeader | ResultHeader, buffer: bytes | memoryview) -> NDArray[Any]:
    """View `buffer` as a read-only array, without copying it.

    Raises
    ------
    WireError
        for a dtype that is not one of `frame.DTYPES`, or a buffer whose length is not ``prod(shape) * itemsize``.
    """
    if header.dtype not in DTYPES:
        raise WireError(f"dtype must be one of {', '.join(DTYPES)}, got {header.dtype!r}")
    dtype = np.dtype(header.dtype).newbyteorder("<")
    expected, length = math.prod(header.shape) * dtype.itemsize, memoryview(buffer).nbytes
    if length != expected:
        raise WireError(
            f"shape {header.shape} of {header.dtype} needs a buffer of {expected} bytes, got {length}: "
            "send the raw pixels, uncompressed"
        )
    array = np.frombuffer(buffer, dtype=dtype).reshape(header.shape)
    array.flags.writeable = False
    return array


def frame_rows(header: FrameHeader, buffer: bytes | memoryview) -> NDArray[Any]:
    """View the pixels in `buffer`: a rectangle, or its lines up to ``valid_rows``. Raises the errors of `array_of`."""
    pixels = array_of(header, buffer)
    y, _, rows, _ = header.roi
    return pixels[..., : header.valid_rows - y, :] if header.whole_lines and header.valid_rows < y + rows else pixels


def decode(decoder: msgspec.json.Decoder[Any], part: bytes | memoryview, what: str, max_bytes: int) -> Any:
    """Decode one JSON part of at most `max_bytes`; any fault in it raises a `WireError` that begins with `what`."""
    if memoryview(part).nbytes > max_bytes:
        raise WireError(f"{what}: expected at most {max_bytes} bytes, got {memoryview(part).nbytes}")
    try:
        return decoder.decode(part)
    # Invalid UTF-8 in a field's name and very deep nesting are not MsgspecErrors.
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"bad {what}: {error}") from None
