"""The section of the report on where the motif sits."""

from __future__ import annotations

import numpy as np

from shiftvae_rt.array_types import Float64
from shiftvae_rt.fields import Fields, MeanLattice
from shiftvae_rt.kernels.lattice_fields import FieldStream

from .balance import balance_under_noise
from .figure_style import data_uri
from .findings import Findings, windows_of
from .model_figures import draw_balance, draw_cell_histogram
from .page import figure, section
from .scan_figures import draw_fields, draw_latent_maps

__all__ = ["position_section"]


#: Number of windows in the figure of uncertainties.
BALANCED = 300


def position_section(found: Findings) -> str:
    """HTML of the section on the position of the motif."""
    axes = found.trained.model.dimensions
    vectors = np.array(found.manifest.lattice).reshape(-1, 2)
    maps = data_uri(draw_latent_maps(found.latent_map, range(found.trained.model.first_content)))
    histogram = data_uri(draw_cell_histogram(_shifts_anywhere(found), vectors))
    parts = [figure(maps, "maps of the pose"), '<div class="side">']
    parts.append(
        figure(
            histogram,
            "shift histogram",
            "Position of the motif in the cell. The windows are cut at random places, so every position should be "
            "equally likely.",
        )
    )
    if found.used:
        under_noise = balance_under_noise(found.trained.model, windows_of(found, BALANCED), seed=0)
        balance = data_uri(draw_balance(found.latent_map, axes, found.used, under_noise))
        caption = (
            "Uncertainty of the content against uncertainty of the position. Dots: windows of the scan. Lines: windows "
            "drawn by the model with the given multiple of the scan's noise; their posterior sd, and the true error "
            "that 68 % of them stay within. They were calibrated at 1; the posterior sd of the shift also includes "
            "distortion of the lattice."
        )
        parts.append(figure(balance, "uncertainty of position and content", caption))
    parts.append("</div>")
    if len(vectors) == 2 and axes == 2 and min(found.latent_map.mean.shape[1:]) > 8:
        caption = (
            "Displacement of the motif from the mean lattice, its strain and its rotation, averaged over one period; "
            "y points down."
        )
        parts.append(figure(data_uri(draw_fields(_fields(found))), "displacement and strain maps", caption))
    return section("Position of the motif", *parts)


def _fields(found: Findings) -> Fields:
    """Fields of the map, also of one that the runtime has not made."""
    shift, sd = found.latent_map.mean[:2], found.latent_map.std[:2]
    first, second = found.manifest.lattice
    return FieldStream(found.latent_map.grid, MeanLattice((first, second))).push(shift, sd)


def _shifts_anywhere(found: Findings) -> Float64:
    """Shifts ``(axes, n)`` px of windows at random places: a regular grid of windows would beat with the lattice."""
    model, frame = found.trained.model, found.frame
    h, w = model.window
    rng = np.random.default_rng(0)
    strips = []
    for top in rng.integers(frame.shape[1] - h + 1, size=120 if h > 1 else 1):
        left = int(rng.integers(min(8, frame.shape[2] - w + 1)))
        strip = np.asarray(frame[:, top : top + h, left:], np.float64)
        centred = strip - strip.mean(axis=(1, 2), keepdims=True)
        mean, _ = model.map_frame(centred.astype(np.float32), 1 if h == 1 else 8)
        strips.append(mean[: model.dimensions].reshape(model.dimensions, -1))
    return np.concatenate(strips, axis=1).astype(float)
