"""Encodes a latent map as a message, and decodes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from ...errors import ServiceError, WindowError, WireError
from ...kernels.window_grid import WindowGrid
from ...latent_map import LatentMap
from .counters import Counters
from .wire import MAX_RESULT_BYTES, Centres, FrameHeader, ResultHeader, array_of, decode_result_header, encode_array

__all__ = ["Result", "check_readable", "check_size", "read_result", "result_message"]


@dataclass(frozen=True)
class Result:
    """A latent map as a reader receives it.

    Attributes
    ----------
    latent_map
        All rows of the frame's map if `complete`, else the rows that just became complete. Read-only arrays.
    complete
        Whether the frame is complete and this is its whole map.
    stream, frame, series, name, context
        As the producer gave them.
    frame_seq
        Number of the frame in its stream; a gap is a frame that was dropped or refused.
    seq, epoch
        Number of the result since the service started, and the name of that start: random, another at each start.
    valid_rows
        Lines of the frame that had arrived.
    age_s
        Time from the offer of the newest line to the publication of the result, s.
    utc_ns
        UTC of the newest line by the producer's clock, ns since 1970.
    counters
        Outcomes of the frames of this stream so far.
    """

    latent_map: LatentMap
    complete: bool
    stream: str
    frame: int
    series: int
    name: str
    frame_seq: int
    seq: int
    epoch: str
    valid_rows: int
    age_s: float
    utc_ns: int
    counters: Counters
    context: str = ""


def result_message(
    latent_map: LatentMap, header: FrameHeader, *, seq: int, epoch: str, age_s: float, counters: Counters
) -> tuple[bytes, memoryview]:
    """Encode `latent_map` as header and buffer; `header` is that of the frame message from which it was made."""
    array = np.stack([latent_map.mean, latent_map.std]).astype("<f4", copy=False)
    about = _header(latent_map, header, seq=seq, epoch=epoch, age_s=age_s, counters=counters)
    return encode_array(about, array)


def check_size(grid: WindowGrid, latents: int) -> None:
    """Raise `WindowError` for a frame whose map would be too large for a reader; called before it is encoded."""
    nbytes = 2 * latents * grid.rows * grid.cols * np.dtype("<f4").itemsize
    if nbytes > MAX_RESULT_BYTES:
        raise WindowError(
            f"a map may have at most {MAX_RESULT_BYTES} bytes, but that of a frame {grid.frame_shape} at stride "
            f"{grid.stride} with {latents} latents has {nbytes}: serve with a larger stride, or send parts of it as "
            "frames"
        )


def check_readable(latent_map: LatentMap, header: FrameHeader) -> None:
    """Raise `ServiceError` for a result whose header a reader would refuse."""
    about = _header(latent_map, header, seq=1, epoch="", age_s=0.0, counters=Counters())
    try:
        decode_result_header(msgspec.json.encode(about))
    except WireError as error:
        raise ServiceError(f"no reader would accept this map: {error}") from None


def _header(
    latent_map: LatentMap, header: FrameHeader, *, seq: int, epoch: str, age_s: float, counters: Counters
) -> ResultHeader:
    return ResultHeader(
        htype="array-1.0",
        type="float32",
        dtype="float32",
        shape=(2, *latent_map.mean.shape),
        encoding="little",
        order="C",
        frame=header.frame,
        series=header.series,
        source=header.source,
        name=header.name,
        frame_shape=header.frame_shape,
        valid_rows=header.valid_rows,
        complete=header.complete,
        seq=seq,
        frame_seq=header.seq,
        epoch=epoch,
        first_row=latent_map.first_row,
        names=latent_map.names,
        units=latent_map.units,
        varies=latent_map.varies,
        centre_y_px=_centres(latent_map.centre_y_px, latent_map.grid.stride),
        centre_x_px=_centres(latent_map.centre_x_px, latent_map.grid.stride),
        window=latent_map.grid.window,
        stride=latent_map.grid.stride,
        pixel_size_nm=latent_map.pixel_size_nm,
        model_sha256=latent_map.model_sha256,
        age_ms=round(age_s * 1e3, 3),
        utc_ns=header.utc_ns,
        counters=counters,
        lattice=latent_map.lattice,
        domain=latent_map.domain,
        context=header.context,
    )


def _centres(centres_px: NDArray[np.float64], step: int) -> Centres:
    return Centres(first=float(centres_px[0]), step=float(step), count=len(centres_px))


def read_result(parts: Sequence[bytes | memoryview]) -> Result:
    """Decode a result without copying its values.

    Raises
    ------
    WireError
        if there are not two parts, the header breaks the protocol, or the rows do not lie in the grid of the map.
    """
    if len(parts) != 2:
        raise WireError(f"a result has two parts, header and buffer, got {len(parts)}")
    header = decode_result_header(parts[0])
    mean, std = array_of(header, parts[1])
    try:
        grid = WindowGrid(header.frame_shape, header.window, header.stride)
    except WindowError as error:
        raise WireError(f"the header of the result contradicts itself: {error}") from None
    _, _, rows, cols = header.shape
    if cols != grid.cols or header.first_row + rows > grid.rows or (header.complete and rows != grid.rows):
        raise WireError(
            f"rows {header.first_row} to {header.first_row + rows} and {cols} columns do not fit the map of a frame "
            f"{header.frame_shape} with window {header.window} and stride {header.stride}"
        )
    latent_map = LatentMap(
        mean=mean,
        std=std,
        names=header.names,
        units=header.units,
        varies=header.varies,
        grid=grid,
        model_sha256=header.model_sha256,
        pixel_size_nm=header.pixel_size_nm,
        first_row=header.first_row,
        lattice=header.lattice,
        domain=header.domain,
    )
    return Result(
        latent_map=latent_map,
        complete=header.complete,
        stream=header.source,
        frame=header.frame,
        series=header.series,
        name=header.name,
        frame_seq=header.frame_seq,
        seq=header.seq,
        epoch=header.epoch,
        valid_rows=header.valid_rows,
        age_s=header.age_ms / 1e3,
        utc_ns=header.utc_ns,
        counters=header.counters,
        context=header.context,
    )
