"""The latents of another route, improved on each window, for a motif that turns or differs in size."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...array_types import Float32
from ...errors import ModelFileError
from ...kernels.frame_scaling import LEAST_SD
from ...kernels.rounds import Rounds
from ...kernels.windows import extract_windows
from ...model.model_file import ModelFile
from ..onnx_graph import OnnxGraph
from .route import Route, RowStream

__all__ = ["ROUNDS_GRAPH", "RefinedRoute"]

#: Member of a model file that holds the constants of the rounds.
ROUNDS_GRAPH = "rounds.onnx"
#: Names of its outputs, in order.
ARRAYS = ("points", "motif", "inverse", "deviation")
#: Pixels of windows that are cut at a time: they are read from the L2 cache.
WINDOW_PIXELS = 1 << 17


class RefinedRoute:
    """Gives each window to the rounds, with the latents of `route`; see `Rounds`.

    Parameters
    ----------
    model, stride
        The model, and px between windows.
    route
        Encodes the windows first.

    Raises
    ------
    ModelFileError
        if the constants do not fit each other or the manifest.
    """

    def __init__(self, model: ModelFile, stride: int, route: Route) -> None:
        manifest = model.manifest
        graph = OnnxGraph(model.graph(ROUNDS_GRAPH))
        arrays = dict(zip(ARRAYS, (np.ascontiguousarray(value) for value in graph.run()), strict=False))
        kinds = [latent.kind for latent in manifest.latents]
        period = next((latent.period or 0.0 for latent in manifest.latents if latent.kind == "rotation"), 0.0)
        try:
            self._rounds = Rounds(arrays, window=manifest.window, period=period, grows="scale" in kinds)
        except ModelFileError as error:
            raise ModelFileError(f"{model.path}: {ROUNDS_GRAPH}: {error}") from error
        if arrays["motif"].shape[:2] != (1 + kinds.count("content"), manifest.channels):
            raise ModelFileError(
                f"{model.path}: {ROUNDS_GRAPH} has {arrays['motif'].shape[0] - 1} content latents and "
                f"{arrays['motif'].shape[1]} channels, the manifest says {kinds.count('content')} and "
                f"{manifest.channels}: export the model again"
            )
        self._route, self.stride, self._window = route, stride, manifest.window
        scale = manifest.intensity.channel_scale
        self._scale = np.reshape(scale, (-1, 1, 1)) if len(scale) > 1 else None  # one channel is scaled to 1 anyway
        self._floor = max(manifest.intensity.sd_floor, LEAST_SD) / (scale[0] if self._scale is None else 1.0)

    @property
    def description(self) -> str:
        """Description for people."""
        return f"{self._route.description}; then each window is compared with the motif in the motif's frame"

    def encode(self, lines: NDArray[Any], centre: NDArray[np.float64]) -> tuple[Float32, Float32]:
        """Encode lines, see `Route.encode`."""
        mean, _ = self._route.encode(lines, centre)
        return self.improve(lines, centre, mean)

    def rows(self, width: int, centre: NDArray[np.float64]) -> RowStream | None:
        """Begin a frame that arrives in parts, see `Route.rows`."""
        stream = self._route.rows(width, centre)
        return None if stream is None else RefinedRows(self, stream, centre)

    def terminate(self) -> None:
        """Make the encoding in another thread fail soon."""
        self._route.terminate()

    def improve(self, lines: NDArray[Any], centre: NDArray[np.float64], mean: Float32) -> tuple[Float32, Float32]:
        """Improve ``mean (L, rows, cols)`` of all windows in ``lines (C, H, W)``; gives mean and std."""
        if self._scale is not None:
            lines, centre = lines * self._scale, np.broadcast_to(centre, (len(lines),)) * self._scale[:, 0, 0]
        latents, rows, cols = mean.shape
        together = max(1, WINDOW_PIXELS // (cols * len(lines) * self._window[0] * self._window[1]))
        improved, std = np.empty_like(mean), np.empty_like(mean)
        for row in range(0, rows, together):
            until = min(row + together, rows)
            part = lines[:, row * self.stride : (until - 1) * self.stride + self._window[0]]
            windows = extract_windows(
                part, self._window, self.stride, normalisation="zscore", sd_floor=self._floor, centre=centre
            )
            found = self._rounds.improve(
                windows.reshape(-1, *windows.shape[2:]), mean[:, row:until].reshape(latents, -1)
            )
            improved[:, row:until], std[:, row:until] = (a.reshape(latents, -1, cols) for a in found)
        return improved, std


class RefinedRows:
    """A frame that arrives in parts."""

    def __init__(self, route: RefinedRoute, stream: RowStream, centre: NDArray[np.float64]) -> None:
        self._route, self._stream, self._centre = route, stream, centre
        self._rows_seen = 0

    @property
    def first_line(self) -> int:
        """First line that the next `push` needs: the first of the next window, or the first new one."""
        return self._stream.first_line

    def push(self, lines: NDArray[Any], top: int, rows: int) -> tuple[Float32, Float32]:
        """Encode the next rows of windows, see `RowStream.push`."""
        mean, _ = self._stream.push(lines, top, rows)
        first = self._rows_seen * self._route.stride - top
        self._rows_seen += rows
        return self._route.improve(lines[:, first:], self._centre, mean)
