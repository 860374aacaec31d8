"""A trained model in a program: it maps frames, encodes and decodes windows, and is saved to and loaded from a file.

It computes with the graphs of its model file, as the instrument will, so that a saved and loaded model gives the same
bits.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from shiftvae_rt.array_types import Float32
from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.errors import ModelFileError
from shiftvae_rt.frame import Frame, PixelSize, pixel_size_text
from shiftvae_rt.latent_map import LatentMap
from shiftvae_rt.model.model_file import ModelFile
from shiftvae_rt.pictures.notebook import table_and_picture

from ..export import write_with_report
from ..fitting.course import Step
from ..fitting.training_state import read_looks
from .report_document import Report
from .traversal import Traversal, points_of
from .window_coder import WindowCoder

__all__ = ["TrainedModel", "load"]

#: Range of a traversal in spreads of the latent to each side; number of values for one latent, and for each of two.
SPREADS, STEPS, STEPS_OF_TWO = 2.0, 9, 7


def load(path: str | os.PathLike[str]) -> TrainedModel:
    """Read the model file (.svae) at `path`, written by `TrainedModel.save` or a command.

    Raises
    ------
    ModelFileError
        if it is missing, damaged, foreign or of another version.
    """
    return TrainedModel(ModelFile.read(path))


class TrainedModel:
    """Trained model, from `fit` or `load`.

    Parameters
    ----------
    file
        The model file, read or still in memory.
    """

    def __init__(self, file: ModelFile) -> None:
        self.file = file

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the latents, in the order of `encode`: ``"dy", "dx", ..., "z1", "z2", ...``."""
        return tuple(latent.name for latent in self.file.manifest.latents)

    @property
    def units(self) -> tuple[str, ...]:
        """Units of the latents: ``"px"``, ``"deg"``, ``"%"``; ``""`` for content, in deviations over the scan."""
        return tuple(latent.unit for latent in self.file.manifest.latents)

    @property
    def window(self) -> tuple[int, int]:
        """Size ``(height, width)`` of a window, px."""
        return self.file.manifest.window

    @cached_property
    def history(self) -> tuple[Step, ...]:
        """All looks at held-out regions during the training; empty for an imported model."""
        return read_looks(self.file)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model file at `path` and its report beside it, as .html; existing files are replaced.

        Parameters
        ----------
        path
            A name that ends in ``.svae``.

        Raises
        ------
        ModelFileError
            for another ending.
        DataFileError
            if a file cannot be written.
        """
        if Path(path).suffix.lower() != ".svae":
            raise ModelFileError(f"expected a model file that ends in .svae, got {os.fspath(path)}: rename it")
        write_with_report(path, self.file)

    def mapper(self, *, stride: int = 4, threads: int = 1) -> LatentMapper:
        """Make the `LatentMapper` of this model, for many frames or for frames that arrive row by row.

        Parameters
        ----------
        stride
            px between windows: one of the model's strides, or a multiple of the largest.
        threads
            Threads that share a frame, 1 to 256.

        Raises
        ------
        WindowError
            for a stride or a number of threads that is not supported.
        """
        known = self._mappers.get((stride, threads))
        if known is None:
            known = self._mappers[stride, threads] = LatentMapper(self.file, stride=stride, threads=threads)
        return known

    def map(self, frame: Frame | ArrayLike, *, stride: int = 4, pixel_size_nm: PixelSize = None) -> LatentMap:
        """Encode every window of one frame.

        Parameters
        ----------
        frame
            Raw detector units, ``(height, width)`` or ``(channels, height, width)``; for a 1D model ``(length,)`` or
            ``(channels, length)``. A `Frame` carries its pixel size.
        stride
            px between windows.
        pixel_size_nm
            Edge of a pixel, nm, or ``(y, x)``; compared with the model's.

        Raises
        ------
        FrameError, WindowError, PixelSizeError
            see `LatentMapper.map`.
        """
        if isinstance(frame, Frame):
            size = frame.pixel_size_nm if pixel_size_nm is None else pixel_size_nm
            return self.mapper(stride=stride).map(frame.pixels, pixel_size_nm=size)
        return self.mapper(stride=stride).map(frame, pixel_size_nm=pixel_size_nm)

    def encode(self, windows: ArrayLike) -> tuple[Float32, Float32]:
        """Encode windows that are already cut.

        Parameters
        ----------
        windows
            Raw detector units, ``(..., channels, height, width)`` px as in `window`; for one channel also
            ``(..., height, width)``; for a 1D model without ``height``.

        Returns
        -------
        mean, std
            Posterior means and standard deviations, ``(..., latents)`` float32 each, in the order of `names` and in
            `units`.

        Raises
        ------
        FrameError
            for windows of another shape, and for NaN.
        """
        return self._coder.encode(windows)

    def decode(self, latents: ArrayLike, *, motif: str | None = None) -> Float32:
        """Draw windows from latents.

        Parameters
        ----------
        latents
            ``(..., latents)`` in the order of `names` and in `units`, as `encode` gives them.
        motif
            Name of the class to draw, for a model that was trained with classes.

        Returns
        -------
        windows
            ``(..., channels, height, width)`` float32, normalised as for the network: mean 0, in units of a window's
            standard deviation. A signal has height 1.

        Raises
        ------
        FrameError
            for another number of latents, NaN, or a class that the model does not have.
        ModelFileError
            for a model file without a decoder.
        """
        return self._coder.decode(latents, motif=motif)

    def traverse(self, name: str, *, values: ArrayLike | None = None, motif: str | None = None) -> Traversal:
        """Draw the motif along one latent, all others at 0.

        Parameters
        ----------
        name
            One of `names`.
        values
            ``(n,)`` in the latent's unit; default nine, two spreads to either side.
        motif
            As for `decode`.

        Raises
        ------
        KeyError
            for another name; it lists the names.
        FrameError, ModelFileError
            as `decode`.
        """
        return self._walk((name,), (values,), STEPS, motif)

    def manifold(
        self,
        down: str = "z1",
        across: str = "z2",
        *,
        values: tuple[ArrayLike | None, ArrayLike | None] = (None, None),
        motif: str | None = None,
    ) -> Traversal:
        """Draw the motif over the plane of two latents, all others at 0.

        Parameters
        ----------
        down, across
            Two of `names`.
        values
            ``(n,)`` and ``(m,)`` in the latents' units; default seven each, two spreads to either side.
        motif
            As for `decode`.

        Raises
        ------
        KeyError
            for another name; it lists the names.
        FrameError, ModelFileError
            as `decode`.
        """
        return self._walk((down, across), values, STEPS_OF_TWO, motif)

    def report(self) -> Report:
        """Training report, which a notebook shows; ``report().open()`` shows it in a browser.

        Raises
        ------
        ModelFileError
            for a model without a report, such as an imported one.
        """
        if self.file.report is None:
            raise ModelFileError(f"{self.file.path} holds no report: it was imported, or trained without one")
        return Report(self.file.report)

    def __repr__(self) -> str:
        height, width = self.window
        size = f"{width}" if height == 1 else f"{height} x {width}"
        encoder = f"{self.file.manifest.encoder} encoder"
        return f"<TrainedModel {self.file.sha256[:8]}: {encoder}, window {size} px, {', '.join(self.names)}>"

    def _repr_html_(self) -> str:
        manifest = self.file.manifest
        facts = {"pixel": pixel_size_text(manifest.pixel_size_nm)}
        if manifest.training is not None:
            facts |= {"lattice": manifest.training.period_reason, "chosen": "; ".join(manifest.training.choices)}
            facts |= {"training": f"{manifest.training.steps} steps"}
        pairs = zip(manifest.latents, manifest.varies, strict=True)
        walked = next((latent.name for latent, varies in pairs if latent.kind == "content" and varies), None)
        if walked is None or self.file.decoder_graph is None or (manifest.training and manifest.training.classes):
            return table_and_picture(repr(self), None, facts=facts)
        return table_and_picture(repr(self), self.traverse(walked).plot, facts=facts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TrainedModel) and self.file.sha256 == other.file.sha256

    def __hash__(self) -> int:
        return hash(self.file.sha256)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy as the model file."""
        return TrainedModel, (self.file,)

    @cached_property
    def _coder(self) -> WindowCoder:
        return WindowCoder(self.file)

    @cached_property
    def _mappers(self) -> dict[tuple[int, int], LatentMapper]:
        return {}

    def _walk(
        self, names: tuple[str, ...], values: Sequence[ArrayLike | None], steps: int, motif: str | None
    ) -> Traversal:
        walks = []
        for name, given in zip(names, values, strict=True):
            if name not in self.names:
                raise KeyError(f"no latent {name!r}: this model has {', '.join(self.names)}")
            spread = self.file.manifest.latents[self.names.index(name)].spread
            walk = np.linspace(-SPREADS * spread, SPREADS * spread, steps) if given is None else np.ravel(given)
            walks.append(np.asarray(walk, dtype=np.float32))
        points = points_of([self.names.index(name) for name in names], walks, len(self.names))
        return Traversal(names, tuple(walks), self.decode(points, motif=motif))
