"""The parts of the report on where the motif sits, for experts: its place in the cell, and the uncertainties."""

from __future__ import annotations

import numpy as np

from shiftvae_rt.array_types import Float64

from ..finishing.balance import balance_under_noise
from .figure_style import data_uri
from .findings import Findings, windows_of
from .model_figures import draw_balance, draw_cell_histogram
from .page import figure, folded

__all__ = ["position_parts"]


#: Number of windows in the figure of uncertainties.
BALANCED = 300


def position_parts(found: Findings) -> list[str]:
    """HTML of the parts on the position of the motif."""
    axes = found.trained.model.dimensions
    vectors = np.array(found.manifest.lattice).reshape(-1, 2)
    histogram = data_uri(draw_cell_histogram(_shifts_anywhere(found), vectors))
    caption = (
        "Position of the motif in the cell. The windows are cut at random places, so every position should be equally "
        "likely."
    )
    parts = [
        folded(
            "Position in the cell",
            "whether the model finds the motif at all places alike",
            figure(histogram, "shift histogram", caption),
        )
    ]
    if found.used:
        under_noise = balance_under_noise(found.trained.model, windows_of(found, BALANCED), seed=0)
        balance = data_uri(draw_balance(found.latent_map, axes, found.used, under_noise))
        caption = (
            "Dots: windows of the scan. Lines: windows drawn by the model with the given multiple of the scan's noise; "
            "their posterior sd, and the true error that 68 % of them stay within. They were calibrated at 1; the "
            "posterior sd of the shift also includes distortion of the lattice."
        )
        line = "how both grow with the noise of a scan"
        parts.append(
            folded(
                "Uncertainty of content and position",
                line,
                figure(balance, "uncertainty of position, content", caption),
            )
        )
    return parts


def _shifts_anywhere(found: Findings) -> Float64:
    """Shifts ``(axes, n)`` px of windows at random places: a regular grid of windows would beat with the lattice.

    With several grains, those of the first.
    """
    model, frame = found.trained.model, found.frame
    h, w = model.window
    rng = np.random.default_rng(0)
    strips = []
    for top in rng.integers(frame.shape[1] - h + 1, size=120 if h > 1 else 1):
        left = int(rng.integers(min(8, frame.shape[2] - w + 1)))
        strip = np.asarray(frame[:, top : top + h, left:], np.float64)
        centred = strip - strip.mean(axis=(1, 2), keepdims=True)
        mean, _ = model.map_frame(centred.astype(np.float32), 1 if h == 1 else 8)
        shown = mean[2] == 0 if found.manifest.grains else np.ones(mean.shape[1:], bool)
        strips.append(mean[: model.dimensions, shown])
    return np.concatenate(strips, axis=1).astype(float)
