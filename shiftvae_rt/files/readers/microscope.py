"""DigitalMicrograph, EMD of Velox and HyperSpy files, through RosettaSciIO.

RosettaSciIO is GPL-3.0. It is an optional extra (`[io]`), imported here and only when such a file is opened. Nothing in
shiftvae-rt is derived from it, and a runtime that gets its frames over the network does not need it.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from ..axes import Arranged, Layout, layout_of
from ..calibration import length_nm, pixel_edges_nm
from ..recording import LazyPixels, Recording, choose

__all__ = ["pick", "read"]

_PLUGINS = {
    ".dm3": "digitalmicrograph",
    ".dm4": "digitalmicrograph",
    ".emd": "emd",
    ".hspy": "hspy",
}


def read(path: Path, wanted: str | None, *, plugin: str | None = None) -> Recording:
    """Open the only signal of the file, or the one that `wanted` names by title or number.

    Among several signals, images come before spectra: a survey image is taken from a file that also holds its spectra.
    `plugin` is RosettaSciIO's name for a format that the ending does not identify.
    """
    module = import_module(f"rsciio.{plugin or _PLUGINS[path.suffix.lower()]}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about metadata that we do not use
        logging.getLogger("rsciio").setLevel(logging.ERROR)
        signals = module.file_reader(str(path), lazy=True)
    return pick(path, wanted, signals)


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
            pixels = signal["data"].reshape(-1, samples)
        return Recording(pixels, 1, steps[-1], metadata, unclear)
    own = [at for at, axis in enumerate(axes) if not axis["navigate"]]
    layout = layout_of([str(axes[at].get("name", "")) for at in own])
    y, x = own[layout.y], own[layout.x]
    layout = Layout(tuple(at for at in range(len(axes)) if at not in (y, x)), None, y, x)
    return Recording(Arranged(pixels, layout), 2, pixel_edges_nm(steps[y], steps[x]), metadata)


def _signal_axes(signal: dict[str, Any]) -> int:
    """Give the number of axes of a frame: 2 for images, 1 for signals."""
    return min(2, max(1, sum(not axis["navigate"] for axis in signal["axes"])))
