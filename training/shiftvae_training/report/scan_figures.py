"""Figures of the scan and of the maps over it, each with its scale and unit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from shiftvae_rt.array_types import Float64
from shiftvae_rt.fields import Fields
from shiftvae_rt.latent_map import LatentMap

from .figure_style import ACCENT, FAINT, INK, WIDTH, bare, limits, scale_bar, subplots

__all__ = ["draw_fields", "draw_latent_maps", "draw_scan"]


#: Windows along a side of a shift map.
SHOWN = 40


def draw_scan(
    frame: Float64, window: tuple[int, int], vectors: Float64, pixel_size_nm: tuple[float, float] | None
) -> Figure:
    """Draw ``frame (H, W)`` with a few windows marked, and one window enlarged with the lattice vectors."""
    height, width = frame.shape
    if height == 1:
        figure, axes = subplots(1, 1, 2.0)
        ax = axes[0, 0]
        ax.plot(frame[0], color=INK, linewidth=0.7)
        for start in np.linspace(0, width - window[1], 4).astype(int):
            ax.axvspan(start, start + window[1], color=ACCENT, alpha=0.15, linewidth=0)
        ax.set_xlabel("sample, px")
        return figure
    figure, axes = subplots(1, 2, 4.4, width_ratios=[1.25, 1])
    scan, one = axes[0]
    low, high = limits(frame)
    scan.imshow(frame, cmap="gray", vmin=low, vmax=high)
    bare(scan, f"scan, {width} x {height} px, with windows of {window[1]} x {window[0]} px")
    tops, lefts = (
        (np.array([0.15, 0.5, 0.85]) * (n - w)).astype(int) for n, w in zip(frame.shape, window, strict=True)
    )
    for top in tops:
        for left in lefts:
            scan.add_patch(Rectangle((left - 0.5, top - 0.5), window[1], window[0], fill=False, color=ACCENT, lw=0.9))
    scale_bar(scan, frame.shape, pixel_size_nm)
    top, left = int(tops[1]), int(lefts[1])
    margin = [n // 2 for n in window]
    rows = slice(max(0, top - margin[0]), min(height, top + window[0] + margin[0]))
    cols = slice(max(0, left - margin[1]), min(width, left + window[1] + margin[1]))
    one.imshow(frame[rows, cols], cmap="gray", vmin=low, vmax=high, extent=_extent(rows, cols))
    one.add_patch(Rectangle((left - 0.5, top - 0.5), window[1], window[0], fill=False, color=ACCENT, lw=1.2))
    y0, x0 = top + (window[0] - 1) / 2, left + (window[1] - 1) / 2
    for y, x in vectors:
        one.annotate("", (x0 + x, y0 + y), (x0, y0), arrowprops={"arrowstyle": "->", "color": ACCENT, "lw": 1.4})
    bare(one, "one window, with the lattice vectors" if len(vectors) else "one window")
    return figure


def _extent(rows: slice, cols: slice) -> tuple[float, float, float, float]:
    return cols.start - 0.5, cols.stop - 0.5, rows.stop - 0.5, rows.start - 0.5


def draw_latent_maps(latent_map: LatentMap, indices: Sequence[int]) -> Figure:
    """Draw maps of the latents at `indices`: grey without variation, cyclic colours for shifts and angles."""
    line = latent_map.mean.shape[1] == 1
    cols = 1 if line else min(3, max(2, len(indices)))
    rows = -(-len(indices) // cols)
    aspect = latent_map.mean.shape[1] / latent_map.mean.shape[2]
    figure, axes = subplots(rows, cols, rows * (1.5 if line else (WIDTH / cols) * aspect * 0.86 + 0.35))
    for ax, index in zip(axes.flat, indices, strict=False):
        values = latent_map.mean[index].astype(float)
        name, unit = latent_map.names[index], latent_map.units[index]
        if line:
            ax.plot(latent_map.centre_x_px, values[0], color=INK if latent_map.varies[index] else FAINT)
            ax.set_ylabel(f"{name} {unit}".strip())
            continue
        if not latent_map.varies[index]:
            ax.imshow(np.full_like(values, 0.85), cmap="gray", vmin=0, vmax=1)
            ax.text(0.5, 0.5, "no variation found", transform=ax.transAxes, ha="center", color=INK)
            bare(ax, name)
            continue
        title, colours = f"{name}, 1 unit = 1 sd over the scan", "viridis"
        low, high = limits(values)
        if unit == "%":
            title, colours = f"{name}, %", "RdBu_r"
            low, high = -max(-low, high), max(-low, high)
        elif unit:  # a shift wraps around in every cell, so a part of the scan shows more than all of it
            middle = tuple(slice(max(0, (n - SHOWN) // 2), max(0, (n - SHOWN) // 2) + SHOWN) for n in values.shape)
            values, title, colours = values[middle], f"{name}, {unit}; middle of the scan", "twilight"
            low, high = -max(-low, high), max(-low, high)
        image = ax.imshow(values, cmap=colours, vmin=low, vmax=high)
        bare(ax, title)
        bar = figure.colorbar(image, ax=ax, shrink=0.8, aspect=30, pad=0.02)
        bar.outline.set_visible(False)
    for ax in list(axes.flat)[len(indices) :]:
        ax.set_visible(False)
    return figure


def draw_fields(fields: Fields) -> Figure:
    """Draw displacement, strain and rotation, each colour scale centred on the median."""
    figure, axes = subplots(2, 3, 2.6)
    for ax, name, unit, values in zip(axes.flat, fields.names, fields.units, fields.mean, strict=True):
        middle = float(np.median(values))
        most = float(np.nanpercentile(np.abs(values - middle), 98)) or 1.0
        image = ax.imshow(values, cmap="RdBu_r", vmin=middle - most, vmax=middle + most)
        bare(ax, f"{name}, {unit}")
        bar = figure.colorbar(image, ax=ax, orientation="horizontal", shrink=0.85, aspect=30, pad=0.03)
        bar.outline.set_visible(False)
    return figure
