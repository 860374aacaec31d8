"""Intensity scaling of a foreign model's windows: a part of the model that its weights do not contain."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shiftvae_rt.errors import FrameError
from shiftvae_rt.model.manifest import Intensity

__all__ = ["Scaling", "parse_scaling"]

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"


@dataclass(frozen=True)
class Scaling:
    """Scaling of intensities to 0..1.

    Parameters
    ----------
    kind
        ``"window"`` scales each window by its own range; ``"scan"`` all frames by the range of the whole scan;
        ``"range"`` all frames from `low` to `high`; ``"none"`` leaves the values unchanged.
    low, high
        Raw values that become 0 and 1.
    """

    kind: str
    low: float = 0.0
    high: float = 1.0

    def settled(self, frames: Sequence[NDArray[Any]]) -> Scaling:
        """Scaling with the range taken from `frames`, if that is its kind.

        Raises
        ------
        FrameError
            if the frames are constant.
        """
        if self.kind != "scan":
            return self
        low, high = float(min(f.min() for f in frames)), float(max(f.max() for f in frames))
        if not low < high:
            raise FrameError(
                f"the scan is constant ({low:g}): give one with structure, or its range as --scaling LOW:HIGH"
            )
        return Scaling("scan", low, high)

    def apply(self, windows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scale ``windows (n, h, w)``; a constant window becomes zeros if its own range is used."""
        low, high = np.float64(self.low), np.float64(self.high)
        if self.kind == "window":
            low, high = windows.min(axis=(1, 2), keepdims=True), windows.max(axis=(1, 2), keepdims=True)
        scaled: NDArray[np.float64] = (windows - low) / np.where(high > low, high - low, 1)
        return scaled

    @property
    def intensity(self) -> Intensity:
        """Scaling as the manifest and the graphs need it."""
        return Intensity(
            normalisation="minmax" if self.kind == "window" else "none",
            channel_offset=(self.low,),
            channel_scale=(1 / (self.high - self.low),),
            sd_floor=0.0,
        )

    @property
    def in_words(self) -> str:
        """Scaling in words."""
        words = {"window": "every window to 0..1 by its own range", "none": "raw values, no scaling"}
        whose = "of the scan" if self.kind == "scan" else "that was given"
        return words.get(self.kind, f"{self.low:g} to {self.high:g} becomes 0..1, the range {whose}")


def parse_scaling(text: str) -> Scaling:
    """Read ``window``, ``scan``, ``none`` or ``LOW:HIGH``; raises `ValueError` for anything else."""
    if text in ("window", "scan", "none"):
        return Scaling(text)
    found = re.fullmatch(f"({NUMBER}):({NUMBER})", text)
    if found and float(found[1]) < float(found[2]):
        return Scaling("range", float(found[1]), float(found[2]))
    raise ValueError(f"expected window, scan, none or a range such as 0:4095, got {text!r}")
