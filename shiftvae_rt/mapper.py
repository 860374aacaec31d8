"""Frame in, latent map out; or rows in, rows of the map out.

The whole flow::

    frame -> as_pixels -> bands of rows -> encoder graph (scaling, normalisation, network) -> LatentMap

The graph takes raw detector units. A constant is subtracted before it, in exact arithmetic: the encoder removes every
window's mean anyway, and float32 would otherwise spend its digits on the detector's offset.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .encoder import Encoder
from .errors import FrameError, ModelFileError, PixelSizeError, ShiftVaeError, WindowError
from .frame import DTYPES, as_pixels
from .latent_map import LatentMap
from .model_file import ModelFile
from .window_grid import WindowGrid
from .windows import convert_frame

__all__ = ["LatentMapper", "ScanMapper"]

#: Frame and model may differ by this much in pixel size, relative.
PIXEL_SIZE_TOLERANCE = 0.03
#: The model's test frame may come out wrong by this much of a latent's spread (other processors round differently).
GOLDEN_TOLERANCE = 1e-3
#: Pixels encoded in one run of the graph: bounds the memory for large frames.
BAND_PIXELS = 1 << 20


class LatentMapper:
    """Encodes every window of a frame with the model in a model file.

    Parameters
    ----------
    model
        Path of a ``.svae`` file, or one already read.
    stride
        px between windows: one of the model's strides, or a multiple of its largest.
    threads
        Threads of one encoding.
    provider
        Where onnxruntime runs: ``"cpu"``, ``"cuda"`` or ``"tensorrt"``.

    Raises
    ------
    ModelFileError
        if the file is damaged or foreign, or its own test vectors do not come out.
    ProviderError
        if onnxruntime is missing or cannot run there.
    WindowError
        for a stride that the model does not have.
    """

    def __init__(
        self, model: str | os.PathLike[str] | ModelFile, *, stride: int = 4, threads: int = 1, provider: str = "cpu"
    ) -> None:
        self.model = model if isinstance(model, ModelFile) else ModelFile.read(model)
        self.stride = stride
        manifest = self.model.manifest
        usable = [s for s in manifest.strides if stride > 0 and stride % s == 0]
        if not usable:
            raise WindowError(
                f"stride {stride} cannot be had from strides {manifest.strides}: choose one or a multiple"
            )
        self._graph_stride = max(usable)
        self._threads = threads
        graph = self.model.encoder_graph(self._graph_stride)
        try:
            self._encoder = Encoder(graph, threads=threads, provider=provider)
            self._check_golden()
        except ShiftVaeError:
            raise
        except Exception as error:  # onnxruntime has no common base class for what a bad graph raises
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ModelFileError(
                f"{self.model.path}: onnxruntime refuses its encoder ({reason}): export it again"
            ) from error

    @property
    def window(self) -> tuple[int, int]:
        """``(height, width)`` of a window in px."""
        return self.model.manifest.window

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the latents, shift first."""
        return tuple(latent.name for latent in self.model.manifest.latents)

    @property
    def units(self) -> tuple[str, ...]:
        """Units of the latents."""
        return tuple(latent.unit for latent in self.model.manifest.latents)

    def map(self, frame: ArrayLike, *, pixel_size_nm: float | None = None) -> LatentMap:
        """Encode every window of one frame.

        Parameters
        ----------
        frame
            Raw detector units, ``(height, width)`` or ``(channels, height, width)``; for a 1D model ``(length,)`` or
            ``(channels, length)``. Not kept, not changed.
        pixel_size_nm
            Edge of a pixel, if known; compared with the model's.

        Raises
        ------
        FrameError, WindowError, PixelSizeError
            for a frame that cannot be encoded: axes, dtype, NaN, no contrast at all, smaller than the window, or
            sampled more than 3 % away from the training data.
        """
        pixels = as_pixels(frame, dimensions=self.model.manifest.dimensions)
        scan = ScanMapper(self, pixels.shape[1:], pixels.dtype, pixel_size_nm)
        scan.push_pixels(pixels)
        return scan.result()

    def begin_scan(
        self, frame_shape: tuple[int, ...], *, dtype: Any = np.float32, pixel_size_nm: float | None = None
    ) -> ScanMapper:
        """Start a frame that will arrive in rows; the result is the same, to the bit, as from the whole frame.

        Parameters
        ----------
        frame_shape
            ``(height, width)`` of the frame to come.
        dtype
            Of the rows to come.

        Raises
        ------
        FrameError, WindowError, PixelSizeError
            As for `map`, as far as shape, dtype and pixel size tell.
        """
        if len(frame_shape) != 2:
            raise FrameError(f"expected a frame shape (height, width), got {tuple(frame_shape)}")
        kind = np.dtype(dtype).newbyteorder("=")
        if kind.name not in DTYPES:
            raise FrameError(f"expected rows of dtype {', '.join(DTYPES)}, got {kind.name}: convert them first")
        return ScanMapper(self, (int(frame_shape[0]), int(frame_shape[1])), kind, pixel_size_nm)

    def _encode(
        self, pixels: NDArray[Any], centre: NDArray[np.float64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Encode ``pixels (C, H, W)``: mean and std ``(L, rows, cols)``."""
        frame, _ = convert_frame(pixels, centre, threads=self._threads)
        mean, std = self._encoder.encode(frame[np.newaxis])
        step = self.stride // self._graph_stride
        return mean[0, :, ::step, ::step], std[0, :, ::step, ::step]

    def _check_golden(self) -> None:
        """Encode the model's own test frame; a wrong runtime or a damaged graph shows here, not on a sample."""
        golden, manifest = self.model.golden, self.model.manifest
        wanted_mean, wanted_std = golden.mean[self._graph_stride], golden.std[self._graph_stride]
        frame, _ = convert_frame(golden.frame, frame_centre(golden.frame, manifest.window))
        mean, std = (output[0] for output in self._encoder.encode(frame[np.newaxis]))
        if mean.shape != wanted_mean.shape or std.shape != wanted_std.shape:
            raise ModelFileError(
                f"{self.model.path}: its encoder gives shape {mean.shape}, its test vectors {wanted_mean.shape}: "
                "export it again"
            )
        off = mean.astype(np.float64) - wanted_mean
        if manifest.lattice:
            off[: manifest.dimensions] = modulo_lattice(off[: manifest.dimensions], manifest.lattice)
        spread = np.maximum([latent.spread for latent in manifest.latents], wanted_std.mean(axis=(1, 2)))
        error = float(np.max(np.abs([off, std - wanted_std]) / spread[:, None, None]))
        if not error <= GOLDEN_TOLERANCE:  # also catches NaN
            raise ModelFileError(
                f"{self.model.path}: its test frame comes out wrong by {error:.2g} of a latent's spread here: "
                "the file or this onnxruntime is broken; export it again or update onnxruntime"
            )


class ScanMapper:
    """A frame on its way: rows of pixels in, rows of the latent map out. Made by `LatentMapper.begin_scan`."""

    def __init__(
        self, mapper: LatentMapper, frame_shape: tuple[int, int], dtype: np.dtype[Any], pixel_size_nm: float | None
    ) -> None:
        manifest = mapper.model.manifest
        _check_pixel_size(pixel_size_nm, manifest.pixel_size_nm)
        self._mapper = mapper
        self._pixel_size_nm = pixel_size_nm if pixel_size_nm is not None else manifest.pixel_size_nm
        self.grid = WindowGrid(frame_shape, manifest.window, mapper.stride)
        self.valid_rows = 0
        self._rows_done = 0
        self._pixels = np.empty((manifest.channels, *frame_shape), dtype)
        self._centre: NDArray[np.float64] | None = None
        shape = (len(manifest.latents), self.grid.rows, self.grid.cols)
        self._mean, self._std = np.empty(shape, np.float32), np.empty(shape, np.float32)

    @property
    def complete(self) -> bool:
        """True when every row of the map is there."""
        return self._rows_done == self.grid.rows

    def push_rows(self, rows: ArrayLike) -> LatentMap | None:
        """Append lines of the frame, ``(n, width)`` or ``(channels, n, width)``; rows of the map that became complete.

        Raises
        ------
        FrameError
            for lines of another width, dtype or number of channels, NaN, more lines than the frame has, or a frame
            without any contrast at its end.
        """
        return self.push_pixels(as_pixels(rows))

    def push_pixels(self, pixels: NDArray[Any]) -> LatentMap | None:
        """As `push_rows`, for lines that already went through `as_pixels`."""
        channels, height, width = self._pixels.shape
        after = self.valid_rows + pixels.shape[1]
        if (
            pixels.shape[0] != channels
            or pixels.shape[2] != width
            or after > height
            or pixels.dtype != self._pixels.dtype
        ):
            raise FrameError(
                f"expected at most {height - self.valid_rows} more lines of {channels} channel(s), {width} px and "
                f"{self._pixels.dtype}, got {pixels.dtype} of shape {pixels.shape} (channels, lines, px)"
            )
        self._pixels[:, self.valid_rows : after] = pixels
        self.valid_rows = after
        if after == height:
            _check_contrast(self._pixels)
        return self._advance()

    def result(self) -> LatentMap:
        """The rows of the map so far, from row 0."""
        return self._band(0, self._rows_done)

    def _advance(self) -> LatentMap | None:
        first, last = self._rows_done, self.grid.rows_complete(self.valid_rows)
        if last == first:
            return None
        window, stride = self.grid.window[0], self.grid.stride
        if self._centre is None:
            self._centre = frame_centre(self._pixels, self.grid.window)
        step = max(1, (BAND_PIXELS // self._pixels.shape[2] - window) // stride)
        for row in range(first, last, step):
            until = min(row + step, last)
            band = np.ascontiguousarray(self._pixels[:, row * stride : (until - 1) * stride + window])
            self._mean[:, row:until], self._std[:, row:until] = self._mapper._encode(band, self._centre)
        self._rows_done = last
        return self._band(first, last)

    def _band(self, first: int, last: int) -> LatentMap:
        mapper = self._mapper
        return LatentMap(
            mean=self._mean[:, first:last],
            std=self._std[:, first:last],
            names=mapper.names,
            units=mapper.units,
            varies=mapper.model.manifest.varies,
            grid=self.grid,
            model_sha256=mapper.model.sha256,
            pixel_size_nm=self._pixel_size_nm,
            first_row=first,
        )


def frame_centre(pixels: NDArray[Any], window: tuple[int, int]) -> NDArray[np.float64]:
    """The constant that is subtracted from each channel of ``pixels (C, H, W)``, ``(C,)``.

    The mean of the first window's rows: of those alone, so that a frame that arrives line by line is treated like a
    whole one. Rounded to a power of two near a 500th of their range, so that counts minus it are exact in float32, and
    heights in metres lose their offset too.
    """
    first = pixels[:, : window[0]]
    centre: NDArray[np.float64] = first.mean(axis=(1, 2), dtype=np.float64)
    extent = first.max(axis=(1, 2)).astype(np.float64) - first.min(axis=(1, 2))
    grain = np.ldexp(1.0, np.frexp(extent)[1] - 9)
    rounded: NDArray[np.float64] = np.where(extent > 0, np.rint(centre / grain) * grain, first[:, 0, 0])
    return rounded


def modulo_lattice(displacement: NDArray[np.float64], lattice: ArrayLike) -> NDArray[np.float64]:
    """Bring ``displacement (2 or 1, ...)`` px into the cell around 0 of the lattice vectors ``(k, 2)``, each (y, x)."""
    vectors = np.asarray(lattice, dtype=np.float64)
    if len(displacement) == 1:
        vectors = vectors[:, 1:]
    cells = np.tensordot(np.linalg.pinv(vectors).T, displacement, axes=1)
    wrapped: NDArray[np.float64] = displacement - np.tensordot(vectors.T, np.rint(cells), axes=1)
    return wrapped


def _check_contrast(pixels: NDArray[Any]) -> None:
    if all(channel.min() == channel.max() for channel in pixels):
        raise FrameError(
            f"the frame is constant (every pixel is {pixels[0, 0, 0]}): "
            "the beam is blanked or the wrong channel was sent"
        )


def _check_pixel_size(frame_nm: float | None, model_nm: float | None) -> None:
    if frame_nm is None or model_nm is None:
        return
    if not abs(frame_nm / model_nm - 1) <= PIXEL_SIZE_TOLERANCE:
        raise PixelSizeError(
            f"the frame has {frame_nm:.5g} nm/px, the model was trained at {model_nm:.5g} nm/px, more than 3 % apart: "
            f"resample the frame by {frame_nm / model_nm:.3g}, or train on this magnification"
        )
