"""A frame on its way through the network: lines in, rows of the latent map out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import FrameError, PixelSizeError
from ..fields import Fields
from ..frame import PixelSize, as_pixel_size, as_pixels
from ..kernels.frame_scaling import frame_centre
from ..kernels.lattice_fields import FieldStream
from ..kernels.window_grid import WindowGrid
from ..latent_map import LatentMap
from ..model.samples import Samples
from .bands import encode_in_bands

if TYPE_CHECKING:
    from ..domain import DomainGauge
    from ..verdict import DomainVerdict
    from .mapper import LatentMapper
    from .routes import RowStream

__all__ = ["ScanMapper"]

#: Largest relative difference between the pixel sizes of a frame and of the model.
PIXEL_SIZE_TOLERANCE = 0.03
#: Rows of windows that a route with state encodes in one run; `between_bands` is called between runs. A frame of
#: 512 x 512 px has four runs at stride 4 and sixteen at stride 1.
ROWS_TOGETHER = 32


class ScanMapper:
    """A frame that arrives in rows: rows of pixels in, rows of the latent map out. `LatentMapper.begin_scan` makes one.

    Parameters
    ----------
    mapper
        Encodes the rows.
    frame_shape, dtype, pixel_size_nm
        As for `LatentMapper.begin_scan`; `frame_shape` in px, `pixel_size_nm` in nm.

    Attributes
    ----------
    grid
        All windows of the frame.
    valid_rows
        Number of lines that have arrived.

    Raises
    ------
    WindowError
        for a frame smaller than the window.
    PixelSizeError
        for a pixel size more than 3 % away from that of the training data.
    """

    def __init__(
        self, mapper: LatentMapper, frame_shape: tuple[int, int], dtype: np.dtype[Any], pixel_size_nm: PixelSize
    ) -> None:
        manifest = mapper.model.manifest
        self._pixel_size_nm = as_pixel_size(pixel_size_nm)
        _check_pixel_size(self._pixel_size_nm, manifest.pixel_size_nm)
        self._mapper = mapper
        self.grid = WindowGrid(frame_shape, manifest.window, mapper.stride)
        self.valid_rows = 0
        self._channels, self._width, self._dtype = manifest.channels, frame_shape[1], dtype
        self._lines = np.empty((manifest.channels, 0, frame_shape[1]), dtype)  # the lines that later windows need
        self._top = 0  # the first of these lines in the frame
        self._rows_done = 0
        self._flat = True
        self._centre: NDArray[np.float64] | None = None
        self._stream: RowStream | None = None
        self._samples = Samples(self.grid, manifest.intensity)
        self._verdict: DomainVerdict | None = None
        self._judged = 0  # rows of samples in it
        shape = (len(manifest.latents), self.grid.rows, self.grid.cols)
        self._mean, self._std = np.empty(shape, np.float32), np.empty(shape, np.float32)
        self._lattice = mapper.mean_lattice(self._pixel_size_nm)
        self._field_stream: FieldStream | None = None
        self._field_rows = 0  # rows of the map that the fields have had

    @property
    def complete(self) -> bool:
        """True when every row of the map is done."""
        return self._rows_done == self.grid.rows

    def push_rows(self, rows: ArrayLike) -> LatentMap | None:
        """Append the lines ``rows (n, width)`` or ``(channels, n, width)`` of the frame.

        Returns
        -------
        LatentMap or None
            The rows of the map that became complete; None if none did. Those of an incomplete frame carry the verdict
            on its rows so far: None before an eighth of the frame, then renewed at each quarter.

        Raises
        ------
        FrameError
            for lines of another width, dtype or number of channels, NaN, more lines than the frame has, or a frame
            without any contrast at its end.
        """
        return self.push_pixels(as_pixels(rows))

    def push_pixels(self, pixels: NDArray[Any]) -> LatentMap | None:
        """Append the lines ``pixels (channels, n, width)``, which `as_pixels` has checked; else as `push_rows`.

        Raises
        ------
        FrameError
            as for `push_rows`.
        """
        height = self.grid.frame_shape[0]
        after = self.valid_rows + pixels.shape[1]
        if (
            pixels.shape[0] != self._channels
            or pixels.shape[2] != self._width
            or after > height
            or pixels.dtype != self._dtype
        ):
            raise FrameError(
                f"expected at most {height - self.valid_rows} more lines of {self._channels} channel(s), "
                f"{self._width} px and {self._dtype}, got {pixels.dtype} of shape {pixels.shape} (channels, lines, px)"
            )
        self._check_contrast(pixels, last=after == height)
        self._lines = np.concatenate([self._lines, pixels], axis=1) if self._lines.shape[1] else pixels
        self.valid_rows = after
        first, last = self._rows_done, self.grid.rows_complete(after)
        if last > first:
            if self._centre is None:
                self._centre = frame_centre(self._lines, self.grid.window)
            self._encode(first, last, self._centre)
        self._forget_lines()
        if last <= first:
            return None
        return self._band(first, last, None if self.complete else self._verdict_so_far())

    def result(self) -> LatentMap:
        """Give the rows of the map so far, from row 0, and the verdict on whether they are like the training data."""
        gauge = self._mapper.gauge if self._rows_done else None
        return self._band(0, self._rows_done, None if gauge is None else self._judge(gauge), gauge)

    def _verdict_so_far(self) -> DomainVerdict | None:
        """Verdict on the rows so far, renewed when there are new samples: 0.5 ms four times a frame of 512 px."""
        gauge, count = self._mapper.gauge, len(self._samples.rows)
        if gauge is not None and count > self._judged:
            self._verdict, self._judged = self._judge(gauge), count
        return self._verdict

    def _judge(self, gauge: DomainGauge) -> DomainVerdict:
        done = slice(0, self._rows_done)
        return gauge.judge(self._mean[:, done], self._std[:, done], self._samples, self._mapper.draw)

    def new_fields(self) -> Fields | None:
        """Give the rows of the fields that became complete since the last call, from row 0 on, maybe none of them.

        They follow the rows of the map by about two and a half lattice periods, the last ones with its last row, and
        are those of the whole frame to the bit. None for a model without a lattice of two vectors.
        """
        if self._lattice is None:
            return None
        if self._field_stream is None:
            self._field_stream = FieldStream(self.grid, self._lattice)
        first, self._field_rows = self._field_rows, self._rows_done
        return self._field_stream.push(self._mean[:, first : self._rows_done], self._std[:, first : self._rows_done])

    def _encode(self, first: int, last: int, centre: NDArray[np.float64]) -> None:
        """Fill rows `first` to `last` of the map."""
        in_parts = (first, last) != (0, self.grid.rows)
        if self._stream is None and (in_parts or self._mapper.threads == 1):
            self._stream = self._mapper.route.rows(self._width, centre)
        if self._stream is not None:
            self._push_on(self._stream, first, last)
        else:
            self._encode_lines(first, last, centre)
        if self._mapper.gauge is not None:
            self._samples.take(self._lines, self._top, first, last)
        self._rows_done = last

    def _push_on(self, stream: RowStream, first: int, last: int) -> None:
        for row in range(first, last, ROWS_TOGETHER):
            until = min(row + ROWS_TOGETHER, last)
            end = (until - 1) * self.grid.stride + self.grid.window[0] - self._top
            band = stream.push(self._lines[:, :end], self._top, until - row)
            self._mean[:, row:until], self._std[:, row:until] = band
            self._mapper.between_bands()

    def _encode_lines(self, first: int, last: int, centre: NDArray[np.float64]) -> None:
        mapper, (window, _), stride = self._mapper, self.grid.window, self.grid.stride
        lines = self._lines[:, first * stride - self._top : (last - 1) * stride + window - self._top]
        grid = WindowGrid((lines.shape[1], self._width), self.grid.window, stride)
        found = encode_in_bands(
            mapper.route,
            lines,
            centre,
            grid,
            len(self._mean),
            threads=mapper.threads,
            between=mapper.between_bands,
        )
        if grid.rows == self.grid.rows:
            self._mean, self._std = found
        else:
            self._mean[:, first:last], self._std[:, first:last] = found

    def _forget_lines(self) -> None:
        """Keep the lines that later windows need."""
        if self.complete:
            self._lines = self._lines[:, :0]
            return
        needed = self._rows_done * self.grid.stride if self._stream is None else self._stream.first_line
        keep = min(max(needed, self._top), self.valid_rows)
        self._lines, self._top = self._lines[:, keep - self._top :].copy(), keep

    def _check_contrast(self, pixels: NDArray[Any], *, last: bool) -> None:
        """Refuse a constant frame once its last line is there."""
        if not self.valid_rows:
            self._first_pixel = pixels[:, :1, :1].copy()
        if self._flat:  # the first line settles it for all but blanked frames
            self._flat = all(bool((part == self._first_pixel).all()) for part in (pixels[:, :1], pixels))
        if self._flat and last:
            raise FrameError(
                f"the frame is constant (every pixel is {self._first_pixel[0, 0, 0]}): "
                "the beam is blanked or the wrong channel was sent"
            )

    def _band(self, first: int, last: int, domain: DomainVerdict | None, gauge: DomainGauge | None = None) -> LatentMap:
        mapper = self._mapper
        return LatentMap(
            mean=self._mean[:, first:last],
            std=self._std[:, first:last],
            names=mapper.names,
            units=mapper.units,
            varies=mapper.varies,
            grid=self.grid,
            model_sha256=mapper.model.sha256,
            pixel_size_nm=self._pixel_size_nm,
            first_row=first,
            lattice=self._lattice,
            domain=domain,
            gauge=gauge,
        )


def _check_pixel_size(frame_nm: tuple[float, float] | None, model_nm: tuple[float, float] | None) -> None:
    if frame_nm is None or model_nm is None:
        return
    for axis, frame_edge, model_edge in zip("yx", frame_nm, model_nm, strict=True):
        if not abs(frame_edge / model_edge - 1) <= PIXEL_SIZE_TOLERANCE:
            raise PixelSizeError(
                f"the frame has {frame_edge:.5g} nm/px in {axis}, the model was trained at {model_edge:.5g} nm/px, "
                f"more than 3 % apart: resample the frame by {frame_edge / model_edge:.3g} in {axis}, or train at this "
                "magnification"
            )
