"""Signals as HyperSpy describes them: ``data``, ``axes`` and ``metadata``; one of them becomes a recording.

The layout of its files, in HDF5 (.hspy) and in Zarr (.zspy), is that of its public description: a group for each signal
below ``Experiments``, in it ``data``, a group ``axis-N`` for each axis, and ``metadata``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ..axes import Arranged, Layout, layout_of
from ..calibration import length_nm, pixel_edges_nm
from ..recording import LazyPixels, Recording, choose

__all__ = ["pick", "signals_of"]


def signals_of(experiments: Any, opened: Callable[[Any], Any]) -> list[dict[str, Any]]:
    """List the signals in the group ``Experiments``; `opened` makes an array in the file one that can be indexed."""
    found = []
    for name in sorted(experiments):
        group = experiments[name]
        if "data" not in group:
            continue
        axes = [dict(group[f"axis-{at}"].attrs) for at in range(group["data"].ndim) if f"axis-{at}" in group]
        title = dict(group["metadata/General"].attrs).get("title") if "metadata/General" in group else None
        found.append({"data": opened(group["data"]), "axes": axes, "metadata": {"General": {"title": title or name}}})
    return found


def pick(path: Path, wanted: str | None, signals: Sequence[dict[str, Any]]) -> Recording:
    """Open one of `signals`, which have ``data``, ``axes`` and ``metadata`` like HyperSpy's."""
    signals = [signal for signal in signals if signal["data"].dtype.kind in "uifb"]
    images = [signal for signal in signals if _signal_axes(signal) == 2]
    candidates = signals if wanted is not None else images or signals
    titles = [str(signal["metadata"].get("General", {}).get("title", "")) for signal in candidates]
    at = choose(path, titles, wanted, "signal")
    return _recording(candidates[at], titles[at])


def _recording(signal: dict[str, Any], title: str) -> Recording:
    """Give the frames of a signal: the names of its axes tell y from x; all axes outside the image count frames."""
    dimensions = _signal_axes(signal)
    axes = signal["axes"]
    steps = [length_nm(abs(float(axis.get("scale", 0))), str(axis.get("units", ""))) for axis in axes]
    metadata = {"title": title, "units": [str(axis.get("units", "")) for axis in axes[-dimensions:]]}
    pixels: LazyPixels = signal["data"]
    if dimensions == 1:
        unclear = None
        if len(pixels.shape) > 2:
            *places, samples = pixels.shape
            unclear = (
                f"a spectrum image, {' x '.join(map(str, places))} spectra of {samples} samples: give --signal (in "
                "Python dimensions=1) to take every spectrum as a signal of its own; for an image sum a range of "
                "energies, and save that"
            )
            pixels = _Spectra(pixels)
        return Recording(pixels, 1, steps[-1], metadata, unclear)
    own = [at for at, axis in enumerate(axes) if not axis["navigate"]]
    layout = layout_of([str(axes[at].get("name", "")) for at in own])
    y, x = own[layout.y], own[layout.x]
    layout = Layout(tuple(at for at in range(len(axes)) if at not in (y, x)), None, y, x)
    return Recording(Arranged(pixels, layout), 2, pixel_edges_nm(steps[y], steps[x]), metadata)


def _signal_axes(signal: dict[str, Any]) -> int:
    """Give the number of axes of a frame: 2 for images, 1 for signals."""
    return min(2, max(1, sum(not axis["navigate"] for axis in signal["axes"])))


class _Spectra:
    """The spectra of a spectrum image one after another, ``(spectra, samples)``."""

    def __init__(self, source: LazyPixels) -> None:
        self._source, self._places = source, source.shape[:-1]
        self.shape = (prod(self._places), source.shape[-1])

    def __getitem__(self, index: Any, /) -> Any:
        return self._source[tuple(map(int, np.unravel_index(index, self._places)))]
