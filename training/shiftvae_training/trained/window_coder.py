"""Encoding and decoding of windows that are already cut, with the graphs of a model file.

For whole frames a map is faster, because neighbouring windows share their work. The latents equal those of the map
within 1e-5 of a latent's spread, which `export` checks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shiftvae_rt.array_types import Float32
from shiftvae_rt.encode.onnx_graph import OnnxGraph
from shiftvae_rt.errors import FrameError, ModelFileError
from shiftvae_rt.model.model_file import ModelFile

__all__ = ["WindowCoder"]

#: Largest number of windows in one call of a graph.
TOGETHER = 256


class WindowCoder:
    """Encoder and decoder of a model file.

    Parameters
    ----------
    file
        The model file.
    """

    def __init__(self, file: ModelFile) -> None:
        self._file, self._manifest = file, file.manifest
        self._names = [latent.name for latent in file.manifest.latents]
        training = file.manifest.training
        self._classes = training.classes if training is not None else ()

    def encode(self, windows: ArrayLike) -> tuple[Float32, Float32]:
        """Means and standard deviations ``(..., latents)`` of raw ``windows (..., C, h, w)``.

        See `TrainedModel.encode`.
        """
        pixels = np.asarray(windows)
        shapes = self._shapes()
        shape = next((s for s in shapes if pixels.ndim > len(s) and pixels.shape[-len(s) :] == s), None)
        if shape is None:
            known = " or ".join(f"(n, {', '.join(map(str, shape))})" for shape in shapes)
            raise FrameError(f"expected windows of shape {known}, got {pixels.shape}: cut them at the model's window")
        if pixels.dtype.kind not in "uif":
            raise FrameError(f"expected windows of real numbers, got {pixels.dtype.name}")
        if not np.isfinite(pixels).all():
            raise FrameError(f"expected windows of finite numbers, got {(~np.isfinite(pixels)).sum()} NaN or infinite")
        flat = pixels.reshape(-1, *shapes[0])
        if self._manifest.intensity.normalisation == "zscore":  # independent of the mean, which would cost digits
            flat = flat - flat.mean(axis=(2, 3), keepdims=True, dtype=np.float64)
        latents = len(self._names)
        stacked = _in_parts(lambda part: np.stack(self._encoder.run(frame=part), axis=1), flat, (2, latents, 1, 1))
        found = stacked.reshape(*pixels.shape[: pixels.ndim - len(shape)], 2, latents)
        return found[..., 0, :].copy(), found[..., 1, :].copy()

    def decode(self, latents: ArrayLike, *, motif: str | None = None) -> Float32:
        """Windows ``(..., C, h, w)`` of reported ``latents (..., L)``; see `TrainedModel.decode`."""
        values = np.asarray(latents, dtype=np.float32)
        if values.ndim < 1 or values.shape[-1] != len(self._names):
            order = ", ".join(self._names)
            raise FrameError(f"expected latents of shape (..., {len(self._names)}): {order}; got shape {values.shape}")
        if not np.isfinite(values).all():
            raise FrameError(f"expected finite latents, got {(~np.isfinite(values)).sum()} that are NaN or infinite")
        if (motif is not None or self._classes) and motif not in self._classes:
            known = f"one of {', '.join(self._classes)}" if self._classes else "None, as the model has no classes"
            raise FrameError(f"expected motif to be {known}, got {motif!r}")
        one_hot = np.array([[name == motif for name in self._classes]], np.float32)

        def draw(part: Float32) -> Float32:
            extra = {"class": np.repeat(one_hot, len(part), axis=0)} if self._classes else {}
            return self._decoder.run(latents=part, **extra)[0]

        shape = (self._manifest.channels, *self._manifest.window)
        return _in_parts(draw, values.reshape(-1, len(self._names)), shape).reshape(*values.shape[:-1], *shape)

    def _shapes(self) -> list[tuple[int, ...]]:
        """Accepted shapes of a window, the full one first."""
        channels, (height, width) = self._manifest.channels, self._manifest.window
        shapes: list[tuple[int, ...]] = [(channels, height, width)]
        if self._manifest.dimensions == 1:
            shapes.append((channels, width))
        if channels == 1:
            shapes += [shape[1:] for shape in shapes]
        return shapes

    @cached_property
    def _encoder(self) -> OnnxGraph:
        return OnnxGraph(self._file.encoder_graph(self._manifest.strides[0]))

    @cached_property
    def _decoder(self) -> OnnxGraph:
        if self._file.decoder_graph is None:
            raise ModelFileError(f"{self._file.path} has no decoder: its model cannot draw")
        return OnnxGraph(self._file.decoder_graph)


def _in_parts(run: Callable[[Float32], Float32], values: NDArray[Any], shape: tuple[int, ...]) -> Float32:
    """Result ``(n, *shape)`` of `run` for all of ``values (n, ...)``, computed in parts."""
    found = np.empty((len(values), *shape), np.float32)
    for first in range(0, len(values), TOGETHER):
        part = np.ascontiguousarray(values[first : first + TOGETHER], np.float32)
        found[first : first + TOGETHER] = run(part)
    return found
