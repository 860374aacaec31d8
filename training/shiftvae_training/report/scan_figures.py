"""Figure of a window of the scan, with the lattice vectors."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from shiftvae_rt.array_types import Float64
from shiftvae_rt.pictures.scale_bar import draw_scale_bar

from .figure_style import ACCENT, INK, bare, limits, subplots

__all__ = ["draw_cell"]


def draw_cell(
    frame: Float64, window: tuple[int, int], vectors: Float64, pixel_size_nm: tuple[float, float] | None
) -> Figure:
    """Draw the middle of ``frame (H, W)``, one window there and the lattice vectors; a line signal with its windows."""
    height, width = frame.shape
    if height == 1:
        figure, axes = subplots(1, 1, 2.0)
        ax = axes[0, 0]
        ax.plot(frame[0], color=INK, linewidth=0.7)
        for start in np.linspace(0, width - window[1], 4).astype(int):
            ax.axvspan(start, start + window[1], color=ACCENT, alpha=0.15, linewidth=0)
        ax.set_xlabel("sample, px; four windows are marked")
        return figure
    figure, axes = subplots(1, 1, 3.6, width=3.6)
    ax = axes[0, 0]
    top, left = ((n - w) // 2 for n, w in zip(frame.shape, window, strict=True))
    rows, cols = (
        slice(max(0, start - n), min(most, start + 2 * n))
        for start, n, most in zip((top, left), window, frame.shape, strict=True)
    )
    extent = (cols.start - 0.5, cols.stop - 0.5, rows.start - 0.5, rows.stop - 0.5)
    edge_y, edge_x = pixel_size_nm or (1.0, 1.0)
    low, high = limits(frame)
    ax.imshow(
        frame[rows, cols],
        cmap="gray",
        vmin=low,
        vmax=high,
        extent=(*extent[:2], extent[3], extent[2]),
        aspect=edge_y / edge_x,
    )
    ax.add_patch(Rectangle((left - 0.5, top - 0.5), window[1], window[0], fill=False, color=ACCENT, lw=1.4))
    y0, x0 = top + (window[0] - 1) / 2, left + (window[1] - 1) / 2
    for y, x in vectors:
        ax.annotate("", (x0 + x, y0 + y), (x0, y0), arrowprops={"arrowstyle": "->", "color": "#facc15", "lw": 1.8})
    draw_scale_bar(ax, None if pixel_size_nm is None else edge_x, extent)
    bare(ax, "a window (orange) and the lattice vectors (yellow)" if len(vectors) else "a window")
    return figure
