"""The two ways from lines of a frame to latents, and the rule that chooses.

- `DenseRoute`: one fully convolutional graph over the frame; neighbouring windows share their work, and C++ reads the
  latents from what it says.
- `WindowRoute`: C++ cuts and normalises the windows, the graph takes them one by one. For a network that shares
  nothing between windows (the mlp).

Both give each window the same bits whether its lines come with the whole frame, in a band or row by row.
"""

from __future__ import annotations

import threading
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .encoder import Encoder, LineEncoder, RowEncoder
from .errors import FrameError, ModelFileError
from .model_file import ModelFile
from .readout import Readout
from .window_grid import WindowGrid
from .windows import difference_frame, extract_windows, window_statistics

__all__ = ["DenseRoute", "Route", "RowStream", "WindowRoute", "choose_route"]

Floats = NDArray[np.float32]
#: Windows that go into one run of the window route: they should still be in the L2 cache when they are read.
WINDOW_PIXELS = 1 << 19
#: Standard deviations below this are divided by this: a constant window gives zeros.
LEAST_SD = 1e-15


class RowStream(Protocol):
    """A frame on its way through a route that keeps state."""

    @property
    def first_line(self) -> int:
        """The first line of the frame that the next call of `push` needs."""
        ...

    def push(self, lines: NDArray[Any], top: int, rows: int) -> tuple[Floats, Floats]:
        """Mean and std ``(L, rows, cols)`` of the next `rows` rows of windows.

        ``lines (C, n, W)`` begin at line `top` of the frame and end with the last line of the last row.
        """
        ...


class Route(Protocol):
    """How a model's windows are encoded."""

    @property
    def description(self) -> str:
        """For people: what it is and why it was chosen."""
        ...

    def encode(self, lines: NDArray[Any], centre: NDArray[np.float64]) -> tuple[Floats, Floats]:
        """Mean and std ``(L, rows, cols)`` of every window in ``lines (C, H, W)``, raw detector units."""
        ...

    def rows(self, width: int, centre: NDArray[np.float64]) -> RowStream | None:
        """A stream for a frame of `width` px that comes in parts, or None if `encode` serves as well."""
        ...

    def terminate(self) -> None:
        """Make the run of a graph that is going on in another thread fail soon."""
        ...


def choose_route(model: ModelFile, stride: int, *, threads: int, provider: str) -> Route:
    """The route for a model: by its graphs."""
    if model.has_graph("windows.onnx"):
        return WindowRoute(model, stride, threads=threads, provider=provider)
    return DenseRoute(model, stride, threads=threads, provider=provider)


class DenseRoute:
    """One convolutional graph over the lines.

    Parameters
    ----------
    model, stride
        The model, and px between windows: one of its strides, or a multiple of the largest.
    threads, provider
        See `Encoder`.
    """

    def __init__(self, model: ModelFile, stride: int, *, threads: int, provider: str) -> None:
        manifest = model.manifest
        self.grid_stride = max(s for s in manifest.strides if stride % s == 0)
        self.stride, self.window, self.threads = stride, manifest.window, threads
        self._scale = np.asarray(manifest.intensity.channel_scale, np.float32)
        self._floor = np.float32(max(manifest.intensity.sd_floor, LEAST_SD))
        member = f"dense_s{self.grid_stride}.onnx"
        self._encoder = Encoder(model.graph(member), threads=threads, provider=provider)
        if "readout" not in self._encoder.metadata:
            raise ModelFileError(f"{model.path}: {member} is of another version: export the model again")
        self._readout = Readout.from_json(self._encoder.metadata["readout"], f"{model.path}: {member}")
        member = f"rows_s{self.grid_stride}.onnx"
        self._rows = (
            RowEncoder(model.graph(member), threads=threads, provider=provider) if model.has_graph(member) else None
        )
        #: For single lines: it moves a fraction of the state.
        self.line: LineEncoder | None = None
        if self.grid_stride == 1 and provider == "cpu" and model.has_graph("line_s1.onnx"):
            self.line = LineEncoder(model.graph("line_s1.onnx"), threads=threads)

    @property
    def description(self) -> str:
        """For people."""
        rows = "layers keep their last lines" if self._rows else "lines above are encoded again"
        return f"dense, stride {self.grid_stride}: neighbouring windows share their work; rows: {rows}"

    def encode(self, lines: NDArray[Any], centre: NDArray[np.float64]) -> tuple[Floats, Floats]:
        """As `Route.encode`."""
        sd = self.window_sd(lines, centre)
        (code,) = self._encoder.encode(differences=self.differences(lines, above=False), sd=sd)
        return self.read(code, 0)

    def rows(self, width: int, centre: NDArray[np.float64]) -> RowStream | None:
        """As `Route.rows`."""
        return None if self._rows is None else DenseRows(self, self._rows, width, centre)

    def terminate(self) -> None:
        """As `Route.terminate`."""
        for encoder in (self._encoder, self._rows, self.line):
            if encoder is not None:
                encoder.terminate()

    def differences(self, lines: NDArray[Any], *, above: bool) -> Floats:
        """What the graph sees of the lines, ``(1, 2 C, H, W - 1)``; for a signal ``(1, C, 1, W - 1)``.

        Raises
        ------
        FrameError
            if a difference is beyond float32.
        """
        found, finite = difference_frame(lines, above=above, threads=self.threads)
        if not finite:
            raise FrameError("neighbouring pixels differ by more than float32 can hold: rescale the frame")
        return found[np.newaxis] if self.window[0] > 1 else np.ascontiguousarray(found[np.newaxis, ::2])

    def window_sd(self, lines: NDArray[Any], centre: NDArray[np.float64]) -> Floats:
        """What the graph divides by, ``(1, 1, rows, cols)``: one scale for all channels, in scaled units."""
        _, sd = window_statistics(lines, self.window, self.grid_stride, centre=centre, threads=self.threads)
        if len(sd) == 1:
            sd *= self._scale[0]
        else:
            scaled = (self._scale[:, None, None] * sd).astype(np.float64)
            sd = np.sqrt(np.square(scaled).mean(axis=0, keepdims=True)).astype(np.float32)
        np.maximum(sd, self._floor, out=sd)
        return sd[np.newaxis]

    def read(self, code: Floats, first: int) -> tuple[Floats, Floats]:
        """Mean and std ``(L, rows, cols)`` of the windows at `stride` of those at the graph's, from row `first` on."""
        step = self.stride // self.grid_stride
        return self._readout.read(code[0, :, first::step, ::step], threads=self.threads)


class DenseRows:
    """The dense route in parts: each layer's last lines are its state, so no line is encoded twice."""

    def __init__(self, route: DenseRoute, encoder: RowEncoder, width: int, centre: NDArray[np.float64]) -> None:
        self._route, self._encoder, self._centre = route, encoder, centre
        self._state = encoder.start(width)
        self._rings: list[LineRing] = []  # the state instead, while lines come one by one
        self._lines_seen = self._rows_seen = 0  # of the frame; of windows at the graph's stride

    @property
    def first_line(self) -> int:
        """As `RowStream.first_line`: of the next window, or the one above the next lines."""
        return max(0, min(self._rows_seen * self._route.grid_stride, self._lines_seen - 1))

    def push(self, lines: NDArray[Any], top: int, rows: int) -> tuple[Floats, Floats]:
        """As `RowStream.push`."""
        route, start = self._route, self._lines_seen == 0
        first_line = self._rows_seen * route.grid_stride - top
        sd = route.window_sd(lines[:, first_line:], self._centre)
        fresh = lines if start else lines[:, self._lines_seen - 1 - top :]
        code = self._encode(route.differences(fresh, above=not start), sd, start=start)
        self._lines_seen = top + lines.shape[1]
        self._rows_seen += sd.shape[2]
        first = 0 if start else route.stride // route.grid_stride - 1
        mean, std = route.read(code, first)
        if mean.shape[1] != rows:
            raise RuntimeError(f"expected {rows} rows of windows, the graph gave {mean.shape[1]}")
        return mean, std

    def _encode(self, differences: Floats, sd: Floats, *, start: bool) -> Floats:
        line = self._route.line
        if line is not None and differences.shape[2] == 1 and not start:
            if not self._rings:
                self._rings = [LineRing(lines, d) for lines, d in zip(self._state, line.dilations, strict=True)]
            above = [ring.above() for ring in self._rings]
            code, new = line.encode_line(above, differences=differences, sd=sd)
            for ring, value in zip(self._rings, new, strict=True):
                ring.add(value)
            return code
        if self._rings:
            self._state, self._rings = [ring.in_order() for ring in self._rings], []
        (code,), self._state = self._encoder.encode_next(self._state, differences=differences, sd=sd)
        return code


class LineRing:
    """The last lines before a layer, ``(1, C, lines, W)``: a new one takes the place of the oldest."""

    def __init__(self, lines: Floats, dilation: int) -> None:
        self._lines, self._dilation, self._oldest = lines, dilation, 0

    def above(self) -> Floats:
        """The lines that the next one needs: every `dilation`-th from the oldest on."""
        count = self._lines.shape[2]
        wanted: Floats = np.take(self._lines, (np.arange(0, count, self._dilation) + self._oldest) % count, axis=2)
        return wanted

    def add(self, line: Floats) -> None:
        """Put ``line (1, C, 1, W)`` in the place of the oldest."""
        self._lines[:, :, self._oldest] = line[:, :, 0]
        self._oldest = (self._oldest + 1) % self._lines.shape[2]

    def in_order(self) -> Floats:
        """All lines, oldest first."""
        return np.roll(self._lines, -self._oldest, axis=2)


class WindowRoute:
    """C++ cuts the windows, the graph encodes them; parameters as for `DenseRoute`."""

    def __init__(self, model: ModelFile, stride: int, *, threads: int, provider: str) -> None:
        manifest, intensity = model.manifest, model.manifest.intensity
        self._stride, self._window, self._threads = stride, manifest.window, threads
        self._normalisation, scale = intensity.normalisation, intensity.channel_scale
        # what normalises a window of one channel undoes any scaling before it
        self._scaled = len(scale) > 1 or intensity.normalisation == "none"
        self._offset, self._scale = (np.reshape(a, (-1, 1, 1)) for a in (intensity.channel_offset, scale))
        self._floor = max(intensity.sd_floor, LEAST_SD) / (1 if self._scaled else scale[0])
        self._encoder = Encoder(model.graph("windows.onnx"), threads=threads, provider=provider)
        self._buffer, self._lock = np.zeros(0, np.float32), threading.Lock()

    def terminate(self) -> None:
        """As `Route.terminate`."""
        self._encoder.terminate()

    @property
    def description(self) -> str:
        """For people."""
        return "window by window: this network shares nothing between windows; rows: nothing is encoded twice"

    def encode(self, lines: NDArray[Any], centre: NDArray[np.float64]) -> tuple[Floats, Floats]:
        """As `Route.encode`."""
        if self._scaled:
            lines = (lines - self._offset) * self._scale
            centre = (np.broadcast_to(centre, (len(lines),)) - self._offset[:, 0, 0]) * self._scale[:, 0, 0]
        grid = WindowGrid((lines.shape[1], lines.shape[2]), self._window, self._stride)
        size = len(lines) * self._window[0] * self._window[1]
        together = max(1, min(grid.rows, WINDOW_PIXELS // (grid.cols * size)))
        outputs: list[Floats] = []
        with self._lock:  # of the buffer
            for row in range(0, grid.rows, together):
                count = min(together, grid.rows - row)
                out = self._room(count * grid.cols, size)
                extract_windows(
                    lines[:, row * self._stride : (row + count - 1) * self._stride + self._window[0]],
                    self._window,
                    self._stride,
                    normalisation=self._normalisation,
                    sd_floor=self._floor,
                    centre=centre,
                    out=out[: count * grid.cols].reshape(count, grid.cols, len(lines), *self._window),
                    threads=self._threads,
                )
                both = np.stack(self._encoder.encode(windows=out))[:, 0, :, 0, : count * grid.cols]
                outputs.append(both.reshape(2, -1, count, grid.cols))
        mean, std = np.concatenate(outputs, axis=2)
        return mean, std

    def rows(self, width: int, centre: NDArray[np.float64]) -> RowStream | None:  # noqa: ARG002 - the protocol's
        """None: a row of windows needs nothing from the row above."""
        return None

    def _room(self, count: int, size: int) -> Floats:
        """Memory for windows, kept between calls; at least two: a product of one row is rounded differently."""
        count = max(count, 2)
        if self._buffer.size < count * size:
            self._buffer = np.zeros(count * size, np.float32)
        return self._buffer[: count * size].reshape(count, size)
