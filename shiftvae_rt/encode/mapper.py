"""Frame in, latent map out; or rows in, rows of the map out.

The whole flow::

    frame -> as_pixels -> lines, or bands of them -> route (exact statistics, network) -> LatentMap

A route is a way from lines to latents, see `routes`. A route with state continues where the last lines ended, whether a
frame comes whole or in parts. Several threads, and routes without state, take a frame in bands. All give the same bits.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..domain import DomainGauge
from ..errors import (
    FrameError,
    ModelFileError,
    PixelSizeError,
    ShiftVaeError,
    WindowError,
)
from ..frame import (
    DTYPES,
    PixelSize,
    as_pixel_size,
    as_pixels,
    pixel_size_text,
)
from ..kernels.window_grid import WindowGrid
from ..latent_map import LatentMap
from ..model.model_file import ModelFile
from ..model.samples import Samples
from ..pictures.notebook import table_and_picture
from .bands import encode_in_bands
from .decoder import Decoder
from .provider_choice import ProviderChoice, choose_provider
from .routes import Route, RowStream, choose_route

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["LatentMapper", "ScanMapper"]

#: Largest relative difference between the pixel sizes of a frame and of the model.
PIXEL_SIZE_TOLERANCE = 0.03
#: Largest error of the model's test frame, in units of a latent's spread (other processors round differently).
GOLDEN_TOLERANCE = 1e-3
MOST_THREADS = 256
Floats = NDArray[np.float32]
#: The centre of frames of 8 and 16 bit, whose sums are exact without one.
NO_CENTRE = np.zeros(())
#: Rows of windows that a route with state encodes in one run; `between_bands` is called between runs. A frame of
#: 512 x 512 px has four runs at stride 4 and sixteen at stride 1.
ROWS_TOGETHER = 32


class LatentMapper:
    """Encodes every window of a frame with the model in a model file.

    Parameters
    ----------
    model
        Path of a ``.svae`` file, or one already read.
    stride
        px between windows: one of the model's strides, or a multiple of its largest.
    threads
        Number of threads that share the work on a whole frame, 1 to 256. A frame that comes in parts is encoded by one
        thread where the network's layers keep their last lines.
    provider
        Where onnxruntime runs: ``"cpu"``, ``"cuda"``, ``"tensorrt"``, or ``"auto"``: the fastest, measured once on this
        machine. The attributes `provider` and `provider_reason` name the one in use, and why.

    Raises
    ------
    ModelFileError
        if the file is damaged or foreign, or its own test vectors do not come out.
    ProviderError
        if onnxruntime is missing or cannot run there.
    WindowError
        for a stride that the model does not support, or a number of threads that is not 1 to 256.
    """

    def __init__(
        self, model: str | os.PathLike[str] | ModelFile, *, stride: int = 4, threads: int = 1, provider: str = "cpu"
    ) -> None:
        self.model = model if isinstance(model, ModelFile) else ModelFile.read(model)
        self.stride = stride
        _keep_memory()
        #: Called in the encoding thread between the bands of a large frame.
        self.between_bands: Callable[[], None] = lambda: None
        manifest = self.model.manifest
        self.names = tuple(latent.name for latent in manifest.latents)
        self.units = tuple(latent.unit for latent in manifest.latents)
        self.varies = manifest.varies
        self.gauge: DomainGauge | None = None
        usable = [s for s in manifest.strides if stride > 0 and stride % s == 0]
        if not usable:
            raise WindowError(
                f"the model has strides {manifest.strides}, got {stride}: choose one of them or a multiple"
            )
        if not 1 <= threads <= MOST_THREADS:
            raise WindowError(f"expected 1 to {MOST_THREADS} threads, got {threads}")
        try:
            choice = ProviderChoice(provider, "as requested")
            if provider == "auto":
                choice = choose_provider(self.model, stride, threads=threads)
            self.provider, self.provider_reason = choice.provider, choice.reason
            self.route: Route = choose_route(self.model, stride, provider=self.provider)
            self.threads = threads if self.provider == "cpu" else 1
            self._check_golden(max(usable))
            if manifest.domain is not None:
                self.gauge = DomainGauge(manifest, manifest.domain, stride)
                self.draw = Decoder(self.model.graph("decoder.onnx")).draw
        except ShiftVaeError:
            raise
        except Exception as error:  # onnxruntime has no common base class for what a bad graph raises
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ModelFileError(
                f"{self.model.path}: onnxruntime cannot run its encoder ({reason}): export the model again"
            ) from error

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy as the bytes of the model file and the options; the copy runs the test frame again."""
        return _make_mapper, (self.model, self.stride, self.threads, self.provider)

    def __repr__(self) -> str:
        model = f"{self.model.path.name}, model {self.model.sha256[:8]}"
        return f"<LatentMapper {model}: {self._window_text}, {', '.join(self.names)}, stride {self.stride} px>"

    def _repr_html_(self) -> str:
        size = pixel_size_text(self.model.manifest.pixel_size_nm)
        facts = {"window": self._window_text, "pixel": size, "provider": self.provider, "threads": str(self.threads)}
        return table_and_picture(repr(self), self._draw_golden, facts=facts)

    def _draw_golden(self) -> Figure:
        """Draw the model's own test frame and its maps."""
        frame = self.model.golden.frame
        scan = ScanMapper(self, frame.shape[1:], frame.dtype, None)
        scan.push_pixels(frame)
        return scan.result().plot(frame[:, 0] if self.model.manifest.dimensions == 1 else frame)

    @property
    def _window_text(self) -> str:
        height, width = self.window
        return f"window {width} px" if height == 1 else f"window {height} x {width} px"

    @property
    def window(self) -> tuple[int, int]:
        """Size ``(height, width)`` of a window in px."""
        return self.model.manifest.window

    def map(self, frame: ArrayLike, *, pixel_size_nm: PixelSize = None) -> LatentMap:
        """Encode every window of one frame.

        Parameters
        ----------
        frame
            Raw detector units, ``(height, width)`` or ``(channels, height, width)``; for a 1D model ``(length,)`` or
            ``(channels, length)``. It is neither kept nor changed.
        pixel_size_nm
            Edge of a square pixel, or ``(y, x)``, nm, if known; compared with the model's. The map carries it.

        Returns
        -------
        LatentMap
            Mean and standard deviation ``(latent, rows, cols)`` of every window, and the verdict on the frame.

        Raises
        ------
        FrameError
            for another number of axes or channels, another dtype, NaN or infinity, or a constant frame.
        WindowError
            for a frame smaller than the window.
        PixelSizeError
            for a pixel size more than 3 % away from that of the training data.
        """
        pixels = as_pixels(frame, dimensions=self.model.manifest.dimensions)
        scan = ScanMapper(self, pixels.shape[1:], pixels.dtype, pixel_size_nm)
        scan.push_pixels(pixels)
        return scan.result()

    def begin_scan(
        self, frame_shape: tuple[int, ...], *, dtype: Any = np.float32, pixel_size_nm: PixelSize = None
    ) -> ScanMapper:
        """Start a frame that will arrive in rows; on the CPU the result is the same, to the bit, as from `map`.

        Parameters
        ----------
        frame_shape
            ``(height, width)`` of the frame, px.
        dtype
            Dtype of its rows, one of `DTYPES`.
        pixel_size_nm
            Edge of a square pixel, or ``(y, x)``, nm, if known; compared with the model's. The map carries it.

        Raises
        ------
        FrameError
            for a shape that is not ``(height, width)``, or another dtype.
        WindowError
            for a frame smaller than the window.
        PixelSizeError
            for a pixel size more than 3 % away from that of the training data.
        """
        if len(frame_shape) != 2:
            raise FrameError(f"expected a frame shape (height, width), got {tuple(frame_shape)}")
        kind = np.dtype(dtype).newbyteorder("=")
        if kind.name not in DTYPES:
            raise FrameError(f"expected rows of dtype {', '.join(DTYPES)}, got {kind.name}: convert them first")
        return ScanMapper(self, (int(frame_shape[0]), int(frame_shape[1])), kind, pixel_size_nm)

    def terminate(self) -> None:
        """Make the encoding in another thread fail soon; later ones are not affected."""
        self.route.terminate()

    def _check_golden(self, stride: int) -> None:
        """Encode the model's own test frame: a broken onnxruntime or graph shows here, not on a sample."""
        golden = self.model.golden
        step = self.stride // stride
        wanted_mean, wanted_std = (a[:, ::step, ::step] for a in (golden.mean[stride], golden.std[stride]))
        whole = ScanMapper(self, golden.frame.shape[1:], golden.frame.dtype, None)
        whole.push_pixels(golden.frame)
        mean, std = whole.result().mean, whole.result().std
        if mean.shape != wanted_mean.shape or std.shape != wanted_std.shape:
            raise ModelFileError(
                f"{self.model.path}: its encoder gives shape {mean.shape}, its test vectors have {wanted_mean.shape}: "
                "export the model again"
            )
        error = self._difference(mean, std, wanted_mean, wanted_std)
        if not error <= GOLDEN_TOLERANCE:  # also catches NaN
            raise ModelFileError(
                f"{self.model.path}: its test frame comes out wrong by {error:.2g} of a latent's spread: the file or "
                "this onnxruntime is broken: export the model again, or update onnxruntime"
            )
        self._check_rows(golden.frame, whole.result())

    def _difference(self, mean: Floats, std: Floats, wanted_mean: Floats, wanted_std: Floats) -> float:
        """Give the largest difference between two maps, in units of a latent's spread."""
        manifest = self.model.manifest
        periods = [latent.period for latent in manifest.latents]
        lattice = np.reshape(manifest.lattice, (-1, 2))[:, 2 - manifest.dimensions :]
        off = difference(mean, wanted_mean, lattice=lattice, periods=periods)
        spread = np.maximum([latent.spread for latent in manifest.latents], wanted_std.mean(axis=(1, 2)))
        return float(np.max(np.abs([off, std - wanted_std]) / spread[:, None, None]))

    def _check_rows(self, pixels: NDArray[Any], whole: LatentMap) -> None:
        """Encode the test frame in parts, the last a single line: it must equal the whole, on the CPU to the bit."""
        parts = ScanMapper(self, pixels.shape[1:], pixels.dtype, None)
        lines = pixels.shape[1]
        edges = sorted({0, lines - lines // 4, max(lines - 1, 1), lines})
        for first, last in pairwise(edges):
            parts.push_pixels(pixels[:, first:last])
        found = parts.result()
        same = np.array_equal(found.mean, whole.mean) and np.array_equal(found.std, whole.std)
        error = 0.0 if same else self._difference(found.mean, found.std, whole.mean, whole.std)
        if not same and (self.provider == "cpu" or not error <= GOLDEN_TOLERANCE):
            raise ModelFileError(
                f"{self.model.path}: its test frame comes out differently in parts, by {error:.2g} of a latent's "
                "spread: update onnxruntime, or report this"
            )


def _make_mapper(model: ModelFile, stride: int, threads: int, provider: str) -> LatentMapper:
    return LatentMapper(model, stride=stride, threads=threads, provider=provider)


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
        shape = (len(manifest.latents), self.grid.rows, self.grid.cols)
        self._mean, self._std = np.empty(shape, np.float32), np.empty(shape, np.float32)

    @property
    def complete(self) -> bool:
        """True when every row of the map is done."""
        return self._rows_done == self.grid.rows

    def push_rows(self, rows: ArrayLike) -> LatentMap | None:
        """Append the lines ``rows (n, width)`` or ``(channels, n, width)`` of the frame.

        Returns
        -------
        LatentMap or None
            The rows of the map that became complete; None if none did.

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
                exact = self._dtype.itemsize <= 2
                self._centre = NO_CENTRE if exact else frame_centre(self._lines, self.grid.window)
            self._encode(first, last, self._centre)
        self._forget_lines()
        return self._band(first, last) if last > first else None

    def result(self) -> LatentMap:
        """Give the rows of the map so far, from row 0, and the verdict on whether they are like the training data."""
        band, gauge = self._band(0, self._rows_done), self._mapper.gauge
        if gauge is None or not self._rows_done:
            return band
        return replace(band, domain=gauge.judge(band.mean, band.std, self._samples, self._mapper.draw), gauge=gauge)

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

    def _band(self, first: int, last: int) -> LatentMap:
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
        )


@functools.cache
def _keep_memory() -> None:
    """Let glibc keep the memory of a frame's maps for the next frame, instead of asking for it again page by page.

    It learns from a freed block how much to keep, 64 MiB at most, which is what 32 MiB teach it. No page is touched.
    """
    np.empty(31 << 20, np.uint8)


def frame_centre(pixels: NDArray[Any], window: tuple[int, int]) -> NDArray[np.float64]:
    """Give the constant ``(C,)`` that is subtracted from each channel of ``pixels (C, H, W)``.

    It is the mean of the lines of the first row of windows; of those alone, so that a frame that arrives line by line
    is treated like a whole one. It is rounded to a multiple of a power of two near a 500th of their range, so that
    counts minus it are exact in float32, and heights in metres lose their offset too.
    """
    first = pixels[:, : window[0]]
    centre: NDArray[np.float64] = first.mean(axis=(1, 2), dtype=np.float64)
    extent = first.max(axis=(1, 2)).astype(np.float64) - first.min(axis=(1, 2))
    grain = np.ldexp(1.0, np.frexp(extent)[1] - 9)
    rounded: NDArray[np.float64] = np.where(extent > 0, np.rint(centre / grain) * grain, first[:, 0, 0])
    return rounded


def difference(
    one: NDArray[Any], other: NDArray[Any], *, lattice: NDArray[np.float64], periods: Sequence[float | None]
) -> NDArray[np.float64]:
    """Give the latents `one` minus the latents `other`, ``(L, ...)``: shifts modulo the lattice, angles their period.

    The vectors of the `lattice` are ``(k, dimensions)`` px; the first latents are the shift. ``periods (L,)`` are None
    for latents without a period.
    """
    off: NDArray[np.float64] = one.astype(np.float64) - other
    if len(lattice):
        off[: lattice.shape[1]] = modulo_lattice(off[: lattice.shape[1]], lattice)
    for index, period in enumerate(periods):
        if period is not None:
            off[index] -= period * np.rint(off[index] / period)
    return off


def modulo_lattice(displacement: NDArray[np.float64], lattice: ArrayLike) -> NDArray[np.float64]:
    """Bring ``displacement (2 or 1, ...)`` px into the cell around 0 of the lattice vectors ``(k, 2)``, each (y, x)."""
    vectors = np.asarray(lattice, dtype=np.float64)[:, -len(displacement) :]
    cells = np.tensordot(np.linalg.pinv(vectors).T, displacement, axes=1)
    wrapped: NDArray[np.float64] = displacement - np.tensordot(vectors.T, np.rint(cells), axes=1)
    return wrapped


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
