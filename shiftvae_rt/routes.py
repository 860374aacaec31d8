"""The two ways from lines of a frame to latents, and the rule that chooses.

- `DenseRoute`: one fully convolutional graph over the frame; neighbouring windows share their work, and C++ reads the
  latents from what it says.
- `WindowRoute`: the graph takes windows one by one, for a network whose first layer is as large as a window (the mlp).
  C++ cuts and normalises them, or does that first layer for all of them from the spectra of the frame's lines, where
  that takes fewer operations.

Both give each window the same bits whether its lines come with the whole frame, in a band or row by row.
"""

from __future__ import annotations

import math
import threading
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .encoder import Encoder, LineEncoder, RowEncoder
from .errors import FrameError, ModelFileError
from .filter_bank import FilterBank, spectra_pay
from .model_file import ModelFile
from .readout import Readout
from .window_grid import WindowGrid
from .windows import Normalisation, difference_frame, extract_windows, window_statistics

__all__ = ["DenseRoute", "Route", "RowStream", "WindowRoute", "choose_route"]

Floats = NDArray[np.float32]
#: Graphs of a network that takes windows: one for all of it, or one for a linear first layer and one for the rest.
WINDOW_GRAPHS = ["windows.onnx", "filters.onnx", "features.onnx"]
#: Pixels of windows that go into one run.
WINDOW_PIXELS = 1 << 19
#: Values of a first layer that are held at a time, but at least for as many rows of windows as C++ takes together.
FIRST_LAYER_VALUES = 1 << 20
ROWS_OF_SPECTRA = 12
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
        """Mean and std ``(L, rows, cols)`` of every window in ``lines (C, H, W)``, raw detector units.

        By one thread; several may encode at a time.
        """
        ...

    def rows(self, width: int, centre: NDArray[np.float64]) -> RowStream | None:
        """A stream for a frame of `width` px that comes in parts, or None if `encode` serves as well."""
        ...

    def terminate(self) -> None:
        """Make the run of a graph that is going on in another thread fail soon."""
        ...


def choose_route(model: ModelFile, stride: int, *, provider: str) -> Route:
    """The route for a model: by its graphs."""
    if any(model.has_graph(name) for name in WINDOW_GRAPHS):
        return WindowRoute(model, stride, provider=provider)
    return DenseRoute(model, stride, provider=provider)


class DenseRoute:
    """One convolutional graph over the lines.

    Parameters
    ----------
    model, stride
        The model, and px between windows: one of its strides, or a multiple of the largest.
    provider
        See `Encoder`.
    """

    def __init__(self, model: ModelFile, stride: int, *, provider: str) -> None:
        manifest = model.manifest
        self.grid_stride = max(s for s in manifest.strides if stride % s == 0)
        self.stride, self.window = stride, manifest.window
        self._scale = np.asarray(manifest.intensity.channel_scale, np.float32)
        self._floor = np.float32(max(manifest.intensity.sd_floor, LEAST_SD))
        member = f"dense_s{self.grid_stride}.onnx"
        self._encoder = Encoder(model.graph(member), provider=provider)
        if "readout" not in self._encoder.metadata:
            raise ModelFileError(f"{model.path}: {member} is of another version: export the model again")
        self._readout = Readout.from_json(self._encoder.metadata["readout"], f"{model.path}: {member}")
        member = f"rows_s{self.grid_stride}.onnx"
        self._rows = RowEncoder(model.graph(member), provider=provider) if model.has_graph(member) else None
        #: For single lines: it moves a fraction of the state.
        self.line: LineEncoder | None = None
        if self.grid_stride == 1 and provider == "cpu" and model.has_graph("line_s1.onnx"):
            self.line = LineEncoder(model.graph("line_s1.onnx"))

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
        found, finite = difference_frame(lines, above=above)
        if not finite:
            raise FrameError("neighbouring pixels differ by more than float32 can hold: rescale the frame")
        return found[np.newaxis] if self.window[0] > 1 else np.ascontiguousarray(found[np.newaxis, ::2])

    def window_sd(self, lines: NDArray[Any], centre: NDArray[np.float64]) -> Floats:
        """What the graph divides by, ``(1, 1, rows, cols)``: one scale for all channels, in scaled units."""
        _, sd = window_statistics(lines, self.window, self.grid_stride, centre=centre)
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
        return self._readout.read(code[0, :, first::step, ::step])


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
    """Windows one by one: what their network takes of each, and then the network, for some rows of them at a time.

    Parameters as for `DenseRoute`.
    """

    def __init__(self, model: ModelFile, stride: int, *, provider: str) -> None:
        manifest, intensity = model.manifest, model.manifest.intensity
        self._stride, self._window = stride, manifest.window
        members = [name for name in WINDOW_GRAPHS if model.has_graph(name)]
        if members not in (WINDOW_GRAPHS[:1], WINDOW_GRAPHS[1:]):
            raise ModelFileError(f"{model.path}: its graphs are of another version: export the model again")
        graphs = [Encoder(model.graph(name), provider=provider) for name in members]
        if len(graphs[-1].output_shape) != 2:
            raise ModelFileError(f"{model.path}: {members[-1]} is of another version: export the model again")
        self._readout: Readout | None = None
        if "readout" in graphs[-1].metadata:
            self._readout = Readout.from_json(graphs[-1].metadata["readout"], f"{model.path}: {members[-1]}")
        # what normalises a window of one channel undoes any scaling before it
        scale, normalisation = intensity.channel_scale, intensity.normalisation
        self._scaled = len(scale) > 1 or normalisation == "none"
        self._offset, self._scale = (np.reshape(a, (-1, 1, 1)) for a in (intensity.channel_offset, scale))
        floor = max(intensity.sd_floor, LEAST_SD) / (1 if self._scaled else scale[0])
        self._source: WindowCutter | WindowFilters = WindowCutter(
            (len(scale), *self._window), stride, normalisation, floor
        )
        linear = len(graphs) > 1 and (len(scale) == 1 or normalisation != "minmax")
        if linear and spectra_pay((graphs[0].output_shape[1], len(scale), *self._window), stride):
            filters = self._source.filters(graphs[0])
            bank = FilterBank(filters, stride, normalisation=normalisation, sd_floor=floor)
            self._source, graphs = WindowFilters(bank), graphs[1:]
        self._graphs, self._own = graphs, threading.local()

    def terminate(self) -> None:
        """As `Route.terminate`."""
        for graph in self._graphs:
            graph.terminate()

    @property
    def description(self) -> str:
        """For people."""
        return f"window by window, {self._source.description}; rows: nothing is encoded twice"

    def encode(self, lines: NDArray[Any], centre: NDArray[np.float64]) -> tuple[Floats, Floats]:
        """As `Route.encode`."""
        if self._scaled:
            lines = (lines - self._offset) * self._scale
            centre = (np.broadcast_to(centre, (len(lines),)) - self._offset[:, 0, 0]) * self._scale[:, 0, 0]
        grid = WindowGrid((lines.shape[1], lines.shape[2]), self._window, self._stride)
        together = min(grid.rows, self._source.rows_together(grid.cols))
        outputs: list[Floats] = []
        for row in range(0, grid.rows, together):
            count = min(together, grid.rows - row)
            values = self._room(count * grid.cols)
            part = lines[:, row * self._stride : (row + count - 1) * self._stride + self._window[0]]
            self._source.take(part, centre, values[: count * grid.cols].reshape(count, grid.cols, -1))
            found = self._run(values)[:, :, : count * grid.cols]
            outputs.append(found.reshape(*found.shape[:2], count, grid.cols))
        found = outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=2)
        mean, std = found if self._readout is None else self._readout.read(found[0])
        return mean, std

    def rows(self, width: int, centre: NDArray[np.float64]) -> RowStream | None:  # noqa: ARG002 - the protocol's
        """None: a row of windows needs nothing from the row above."""
        return None

    def _run(self, values: Floats) -> Floats:
        """Code ``(1, K, N)``, or mean and std ``(2, L, N)``, of what the source took of ``(N, ...)`` windows."""
        outputs: list[Floats] = []
        for part in np.array_split(values, -(-len(values) // self._source.together)):
            found: tuple[Floats, ...] = (part,)
            for graph in self._graphs:
                found = graph.encode(**{graph.inputs[0]: found[0]})
            outputs.append(np.stack(found))
        return outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=2)

    def _room(self, count: int) -> Floats:
        """Memory of this thread for windows; at least two: a product of one row is rounded differently."""
        count, size = max(count, 2), self._source.size
        buffer: Floats = getattr(self._own, "buffer", np.zeros(0, np.float32))
        if buffer.size < count * size:
            self._own.buffer = buffer = np.zeros(count * size, np.float32)
        return buffer[: count * size].reshape(count, size)


class WindowCutter:
    """The windows themselves, normalised, for a network that takes their pixels."""

    description = "each cut and encoded by itself: sharing would not pay"

    def __init__(self, shape: tuple[int, int, int], stride: int, normalisation: Normalisation, sd_floor: float) -> None:
        self._shape, self._stride = shape, stride
        self._normalisation, self._sd_floor = normalisation, sd_floor
        self.size = math.prod(shape)
        #: Windows that a graph takes in one run: they should still be in the L2 cache when they are read.
        self.together = max(4, WINDOW_PIXELS // self.size)

    def rows_together(self, cols: int) -> int:
        """Rows of so many windows that are taken in one call."""
        return max(1, self.together // cols)

    def take(self, lines: NDArray[Any], centre: NDArray[np.float64], out: Floats) -> None:
        """Write what the network takes of each window of `lines` to ``out (rows, cols, size)``."""
        extract_windows(
            lines,
            self._shape[1:],
            self._stride,
            normalisation=self._normalisation,
            sd_floor=self._sd_floor,
            centre=centre,
            out=out.reshape(*out.shape[:2], *self._shape),
        )

    def filters(self, graph: Encoder) -> Floats:
        """The filters ``(units, C, h, w)`` of a graph that multiplies windows by them: its answers to single pixels."""
        answers = []
        for first in range(0, self.size, 128):
            pixels = np.eye(min(128, self.size - first), self.size, first, dtype=np.float32)
            answers.append(graph.encode(**{graph.inputs[0]: pixels})[0])
        found: Floats = np.concatenate(answers).T.reshape(-1, *self._shape)
        return found


class WindowFilters:
    """What a network's first layer makes of each window, from the spectra of the lines."""

    description = "the first layer from the spectra of lines, which neighbours share: it saves operations"
    #: As of `WindowCutter`.
    together = 2048

    def __init__(self, bank: FilterBank) -> None:
        self._bank, self.size = bank, bank.units

    def rows_together(self, cols: int) -> int:
        """As `WindowCutter.rows_together`."""
        blocks = FIRST_LAYER_VALUES // (cols * self.size * ROWS_OF_SPECTRA)
        return max(1, blocks) * ROWS_OF_SPECTRA

    def take(self, lines: NDArray[Any], centre: NDArray[np.float64], out: Floats) -> None:
        """As `WindowCutter.take`."""
        self._bank.apply(lines, centre, out)
