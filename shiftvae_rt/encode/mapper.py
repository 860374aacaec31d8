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
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..array_types import Float32
from ..domain import DomainGauge
from ..errors import FrameError, ModelFileError, ShiftVaeError, WindowError
from ..fields import GrainLattice, MeanLattice
from ..frame import DTYPES, PixelSize, as_pixels, pixel_size_text
from ..kernels.threads import check_threads
from ..latent_map import LatentMap
from ..model.model_file import ModelFile
from ..pictures.notebook import table_and_picture
from .decoder import Decoder
from .model_check import check_model
from .provider_choice import ON_CPU, choose_provider
from .routes import Route, choose_route, usual_provider
from .scan_mapper import ScanMapper

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["LatentMapper"]


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
        What runs the network: ``"native"`` (the C++ core), ``"onnxruntime"`` (on the CPU), ``"cuda"``, ``"tensorrt"``,
        or ``"auto"``: the fastest, measured once on this machine. By default ``"native"``, or ``"onnxruntime"`` for a
        network over single windows. The attributes `provider` and `provider_reason` name the one in use, and why.

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
        self,
        model: str | os.PathLike[str] | ModelFile,
        *,
        stride: int = 4,
        threads: int = 1,
        provider: str | None = None,
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
        #: The decoder, from latents ``(n, L)`` to windows ``(n, C, h, w)``.
        self.draw: Callable[[Float32], Float32]
        usable = [s for s in manifest.strides if stride > 0 and stride % s == 0]
        if not usable:
            raise WindowError(
                f"the model has strides {manifest.strides}, got {stride}: choose one of them or a multiple"
            )
        check_threads(threads)
        try:
            choice = choose_provider(self.model, stride, threads=threads, wanted=provider)
            self.provider, self.provider_reason = choice.provider, choice.reason
            self.route: Route = choose_route(self.model, stride, provider=self.provider)
            self.threads = threads if self.provider in ON_CPU else 1
            check_model(self.model, self._begin_golden, stride, exact=self.provider == usual_provider(self.model))
            decoder = self.model.decoder_graph
            self.draw = self._draw_nothing if decoder is None else Decoder(decoder).draw
            if manifest.domain is not None:
                self.gauge = DomainGauge(manifest, manifest.domain, stride)
        except ShiftVaeError:
            raise
        except Exception as error:  # onnxruntime has no common base class for what a bad graph raises
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ModelFileError(
                f"{self.model.path}: onnxruntime cannot run its encoder ({reason}): export the model again"
            ) from error

    def _draw_nothing(self, latents: Float32) -> Float32:  # noqa: ARG002  # in the place of a decoder
        raise ModelFileError(f"{self.model.path} has no decoder, so it draws no windows: import its decoder too")

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
        frame, scan = self.model.golden.frame, self._begin_golden()
        scan.push_pixels(frame)
        return scan.result().plot(frame[:, 0] if self.model.manifest.dimensions == 1 else frame)

    def _begin_golden(self) -> ScanMapper:
        """Begin the encoding of the model's own test frame."""
        frame = self.model.golden.frame
        return ScanMapper(self, frame.shape[1:], frame.dtype, None)

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

    def mean_lattice(self, pixel_size_nm: tuple[float, float] | None) -> MeanLattice | None:
        """Give the mean lattice of the training scan, px, for frames with pixels of `pixel_size_nm` ``(y, x)`` in nm.

        None for a model without a lattice of two vectors.
        """
        manifest = self.model.manifest
        if manifest.dimensions != 2 or len(manifest.lattice) != 2:
            return None
        height, width = pixel_size_nm or manifest.pixel_size_nm or (1.0, 1.0)
        first, second = manifest.lattice
        if manifest.grains:
            grains = [GrainLattice(grain.vectors, _gradient(grain.strain)) for grain in manifest.grains]
            return MeanLattice((first, second), grains[0].gradient, height / width, tuple(grains[1:]))
        if manifest.domain is None:
            return MeanLattice((first, second), aspect=height / width, superlattice=manifest.superlattice)
        gradient = _gradient(manifest.domain.strain)
        return MeanLattice((first, second), gradient, height / width, superlattice=manifest.superlattice)

    def terminate(self) -> None:
        """Make the encoding in another thread fail soon; later ones are not affected."""
        self.route.terminate()


def _gradient(strain: Sequence[Sequence[float]]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Displacement along y and x for a px along y and x, from that along y, and along x: of y and of x."""
    (yy, xy), (yx, xx) = strain
    return (yy, yx), (xy, xx)


def _make_mapper(model: ModelFile, stride: int, threads: int, provider: str) -> LatentMapper:
    return LatentMapper(model, stride=stride, threads=threads, provider=provider)


@functools.cache
def _keep_memory() -> None:
    """Let glibc keep the memory of a frame's maps for the next frame, instead of asking for it again page by page.

    It learns from a freed block how much to keep, 64 MiB at most, which is what 32 MiB teach it. No page is touched.
    """
    np.empty(31 << 20, np.uint8)
