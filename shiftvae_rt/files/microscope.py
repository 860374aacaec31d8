"""DigitalMicrograph, EMD (Velox, Berkeley) and HyperSpy files, through RosettaSciIO.

RosettaSciIO is GPL-3.0. It is an optional extra (`[io]`), imported here and only when such a file is opened; nothing of
shiftvae-rt is derived from it or needs it, and a runtime that is fed over the wire does not install it.
"""

from __future__ import annotations

import logging
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

from .calibration import length_nm, square_pixel_nm
from .recording import LazyPixels, Recording, choose

__all__ = ["read"]

_PLUGINS = {".dm3": "digitalmicrograph", ".dm4": "digitalmicrograph", ".emd": "emd", ".hspy": "hspy"}


def read(path: Path, wanted: str | None) -> Recording:
    """Open the one signal of the file, or the one that `wanted` names by title or number.

    Of several signals, images come before spectra: a survey image is taken from a file that also holds its spectra.
    """
    plugin = import_module(f"rsciio.{_PLUGINS[path.suffix.lower()]}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about metadata that we do not use
        logging.getLogger("rsciio").setLevel(logging.ERROR)
        signals = [signal for signal in plugin.file_reader(str(path), lazy=True) if signal["data"].dtype.kind in "uifb"]
    images = [signal for signal in signals if _signal_axes(signal) == 2]
    candidates = signals if wanted is not None else images or signals
    titles = [str(signal["metadata"].get("General", {}).get("title", "")) for signal in candidates]
    at = choose(path, titles, wanted, "signal")
    return _recording(path, candidates[at], titles[at])


def _recording(path: Path, signal: dict[str, Any], title: str) -> Recording:
    dimensions = _signal_axes(signal)
    axes = signal["axes"][-dimensions:]
    sizes = [length_nm(float(axis["scale"]), str(axis["units"])) for axis in axes]
    size_nm = sizes[0] if dimensions == 1 else square_pixel_nm(sizes[0], sizes[1], path)
    pixels: LazyPixels = signal["data"]
    if len(pixels.shape) > dimensions + 1:
        pixels = signal["data"].reshape(-1, *pixels.shape[-dimensions:])  # a map of spectra or images, one by one
    metadata = {"title": title, "units": [str(axis["units"]) for axis in axes]}
    return Recording(pixels, dimensions, size_nm, metadata)


def _signal_axes(signal: dict[str, Any]) -> int:
    """2 for images, 1 for signals."""
    return min(2, max(1, sum(not axis["navigate"] for axis in signal["axes"])))
