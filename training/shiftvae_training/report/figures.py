"""The figures of the report, each with its scale and unit."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle
from numpy.typing import NDArray

from shiftvae_rt.latent_map import LatentMap

from ..fitting.optimise import Step
from ..lattice.strain import Strain
from .balance import Balance
from .meaning import LatentAxis

__all__ = [
    "data_uri",
    "draw_balance",
    "draw_cell_histogram",
    "draw_latent_maps",
    "draw_losses",
    "draw_reconstructions",
    "draw_scan",
    "draw_strain",
    "draw_traversal",
    "quiet_style",
]

Floats = NDArray[np.float64]

INK, FAINT, ACCENT = "#1f2933", "#9aa5b1", "#c2410c"
STYLE: Any = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "lines.linewidth": 1.0,
    "image.interpolation": "nearest",
}
#: Windows along a side of a shift map.
SHOWN = 40
#: Width of the page's column, inches.
WIDTH = 9.2


def quiet_style() -> AbstractContextManager[None]:
    """Context manager that sets the style in which figures are drawn and encoded."""
    return mpl.rc_context(STYLE)


def data_uri(figure: Figure) -> str:
    """PNG of `figure` as a ``data:`` address, 110 dots per inch."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _axes(rows: int, cols: int, height: float, **options: Any) -> tuple[Figure, NDArray[Any]]:
    figure = Figure(figsize=(options.pop("width", WIDTH), height), layout="constrained")
    return figure, np.asarray(figure.subplots(rows, cols, squeeze=False, **options))


def _bare(ax: Axes, title: str = "") -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_title(title)


def _limits(values: Floats, share: float = 0.5) -> tuple[float, float]:
    low, high = np.nanpercentile(values, [share, 100 - share])
    return float(low), float(high) if high > low else float(low) + 1.0


def _scale_bar(ax: Axes, shape: tuple[int, ...], pixel_size_nm: tuple[float, float] | None) -> None:
    """Draw a scale bar of a round length, about a fifth of the width, in nm if the pixel size is known."""
    unit = pixel_size_nm[1] if pixel_size_nm else 1.0
    target = shape[1] * unit / 5
    step = 10.0 ** np.floor(np.log10(target))
    length = step * max(f for f in (1, 2, 5) if f * step <= target)
    y, x = 0.94 * shape[0], 0.04 * shape[1]
    ax.plot([x, x + length / unit], [y, y], color="white", linewidth=3, solid_capstyle="butt")
    label = f"{length:g} {'nm' if pixel_size_nm else 'px'}"
    ax.text(x, y - 0.02 * shape[0], label, color="white", va="bottom", fontsize=8)


def draw_scan(
    frame: Floats, window: tuple[int, int], vectors: Floats, pixel_size_nm: tuple[float, float] | None
) -> Figure:
    """Draw ``frame (H, W)`` with a few windows marked, and one window enlarged with the lattice vectors."""
    height, width = frame.shape
    if height == 1:
        figure, axes = _axes(1, 1, 2.0)
        ax = axes[0, 0]
        ax.plot(frame[0], color=INK, linewidth=0.7)
        for start in np.linspace(0, width - window[1], 4).astype(int):
            ax.axvspan(start, start + window[1], color=ACCENT, alpha=0.15, linewidth=0)
        ax.set_xlabel("sample, px")
        return figure
    figure, axes = _axes(1, 2, 4.4, width_ratios=[1.25, 1])
    scan, one = axes[0]
    low, high = _limits(frame)
    scan.imshow(frame, cmap="gray", vmin=low, vmax=high)
    _bare(scan, f"scan, {width} x {height} px, with windows of {window[1]} x {window[0]} px")
    tops, lefts = (
        (np.array([0.15, 0.5, 0.85]) * (n - w)).astype(int) for n, w in zip(frame.shape, window, strict=True)
    )
    for top in tops:
        for left in lefts:
            scan.add_patch(Rectangle((left - 0.5, top - 0.5), window[1], window[0], fill=False, color=ACCENT, lw=0.9))
    _scale_bar(scan, frame.shape, pixel_size_nm)
    top, left = int(tops[1]), int(lefts[1])
    margin = [n // 2 for n in window]
    rows = slice(max(0, top - margin[0]), min(height, top + window[0] + margin[0]))
    cols = slice(max(0, left - margin[1]), min(width, left + window[1] + margin[1]))
    one.imshow(frame[rows, cols], cmap="gray", vmin=low, vmax=high, extent=_extent(rows, cols))
    one.add_patch(Rectangle((left - 0.5, top - 0.5), window[1], window[0], fill=False, color=ACCENT, lw=1.2))
    y0, x0 = top + (window[0] - 1) / 2, left + (window[1] - 1) / 2
    for y, x in vectors:
        one.annotate("", (x0 + x, y0 + y), (x0, y0), arrowprops={"arrowstyle": "->", "color": ACCENT, "lw": 1.4})
    _bare(one, "one window, with the lattice vectors" if len(vectors) else "one window")
    return figure


def _extent(rows: slice, cols: slice) -> tuple[float, float, float, float]:
    return cols.start - 0.5, cols.stop - 0.5, rows.stop - 0.5, rows.start - 0.5


def draw_latent_maps(latent_map: LatentMap, indices: Sequence[int]) -> Figure:
    """Draw maps of the latents at `indices`: grey without variation, cyclic colours for shifts and angles."""
    line = latent_map.mean.shape[1] == 1
    cols = 1 if line else min(3, max(2, len(indices)))
    rows = -(-len(indices) // cols)
    aspect = latent_map.mean.shape[1] / latent_map.mean.shape[2]
    figure, axes = _axes(rows, cols, rows * (1.5 if line else (WIDTH / cols) * aspect * 0.86 + 0.35))
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
            _bare(ax, name)
            continue
        title, colours = f"{name}, 1 unit = 1 sd over the scan", "viridis"
        low, high = _limits(values)
        if unit == "%":
            title, colours = f"{name}, %", "RdBu_r"
            low, high = -max(-low, high), max(-low, high)
        elif unit:  # a shift wraps around in every cell, so a part of the scan shows more than all of it
            middle = tuple(slice(max(0, (n - SHOWN) // 2), max(0, (n - SHOWN) // 2) + SHOWN) for n in values.shape)
            values, title, colours = values[middle], f"{name}, {unit}; middle of the scan", "twilight"
            low, high = -max(-low, high), max(-low, high)
        image = ax.imshow(values, cmap=colours, vmin=low, vmax=high)
        _bare(ax, title)
        bar = figure.colorbar(image, ax=ax, shrink=0.8, aspect=30, pad=0.02)
        bar.outline.set_visible(False)
    for ax in list(axes.flat)[len(indices) :]:
        ax.set_visible(False)
    return figure


def draw_strain(strain: Strain) -> Figure:
    """Draw strain in per cent and rotation in 0.01 rad, each colour scale centred on the median."""
    figure, axes = _axes(1, 4, 2.6)
    for ax, (name, values) in zip(
        axes[0],
        (("exx", strain.exx), ("eyy", strain.eyy), ("exy", strain.exy), ("rotation", strain.rotation)),
        strict=True,
    ):
        percent = 100 * values
        most = float(np.nanpercentile(np.abs(percent - np.median(percent)), 98)) or 1.0
        middle = float(np.median(percent))
        image = ax.imshow(percent, cmap="RdBu_r", vmin=middle - most, vmax=middle + most)
        _bare(ax, f"{name}, %" if name != "rotation" else "rotation, 0.01 rad")
        bar = figure.colorbar(image, ax=ax, orientation="horizontal", shrink=0.85, aspect=30, pad=0.03)
        bar.outline.set_visible(False)
    return figure


def draw_traversal(axis: LatentAxis, window: tuple[int, int]) -> Figure:
    """Draw the motif along one latent, and the difference between its ends."""
    picked = range(0, len(axis.values), 2)
    templates = axis.templates.mean(axis=1)
    margin = [max(0, (n - w) // 2) for n, w in zip(templates.shape[1:], window, strict=True)]
    shown = templates[:, margin[0] : margin[0] + window[0], margin[1] : margin[1] + window[1]]
    if window[0] == 1:
        figure, axes = _axes(1, 1, 2.0)
        colours = mpl.colormaps["viridis"](np.linspace(0, 0.9, len(axis.values)))
        for curve, colour in zip(shown[:, 0], colours, strict=True):
            axes[0, 0].plot(np.arange(window[1]) - (window[1] - 1) / 2, curve, color=colour)
        ends = f"{axis.name} from {axis.values[0]:+.1f} to {axis.values[-1]:+.1f}"
        axes[0, 0].set_xlabel(f"px from the motif; dark to light: {ends}")
        return figure
    figure, axes = _axes(1, len(picked) + 1, 1.75)
    low, high = _limits(shown, 0.1)
    for ax, index in zip(axes[0], picked, strict=False):
        ax.imshow(shown[index], cmap="gray", vmin=low, vmax=high)
        _bare(ax, f"{axis.name} = {axis.values[index] + 0.0:+.1f}".replace("-0.0", "+0.0"))
    change = shown[-1] - shown[0]
    most = float(np.abs(change).max()) or 1.0
    axes[0, -1].imshow(change, cmap="RdBu_r", vmin=-most, vmax=most)
    _bare(axes[0, -1], "last - first")
    return figure


def draw_reconstructions(windows: Floats, drawn: Floats, noise_sd: float) -> Figure:
    """Draw windows ``(n, h, w)``, their reconstructions, and the residuals in standard deviations of the noise."""
    if windows.shape[1] == 1:
        figure, axes = _axes(1, len(windows), 1.8, sharey=True)
        for ax, seen, made in zip(axes[0], windows[:, 0], drawn[:, 0], strict=True):
            ax.plot(seen, color=FAINT, linewidth=0.7)
            ax.plot(made, color=ACCENT)
        return figure
    figure, axes = _axes(3, len(windows), 4.7)
    low, high = _limits(windows)
    for column, seen, made in zip(axes.T, windows, drawn, strict=True):
        column[0].imshow(seen, cmap="gray", vmin=low, vmax=high)
        column[1].imshow(made, cmap="gray", vmin=low, vmax=high)
        column[2].imshow((seen - made) / noise_sd, cmap="RdBu_r", vmin=-4, vmax=4)
        for ax in column:
            _bare(ax)
    for ax, title in zip(axes[:, 0], ("windows", "reconstructions", "residuals, in sd of the noise"), strict=True):
        ax.set_title(title)
    figure.colorbar(axes[2, 0].images[0], ax=list(axes[2]), shrink=0.8, aspect=20, pad=0.01).outline.set_visible(False)
    return figure


def draw_losses(history: Sequence[Step]) -> Figure:
    """Draw held-out loss, information and noise against steps; the first looks do not set the scale of the loss."""
    figure, axes = _axes(1, 3, 1.9)
    steps = [look.step for look in history]
    for ax, title, values in (
        (axes[0, 0], "loss on held-out regions, nats a window", [look.loss for look in history]),
        (axes[0, 1], "information in shift (dark), content (light), nats", [look.kl_shift for look in history]),
        (axes[0, 2], "noise, sd of a window", [look.noise_sd for look in history]),
    ):
        ax.plot(steps, values, color=INK)
        ax.set_title(title)
        ax.set_xlabel("step")
    axes[0, 1].plot(steps, [look.kl_content for look in history], color=FAINT)
    tail = np.array([look.loss for look in history])[len(history) // 8 :]
    axes[0, 0].set_ylim(*_padded(tail))
    return figure


def _padded(values: Floats) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    pad = 0.08 * (high - low) + 1e-6
    return low - pad, high + pad


def draw_cell_histogram(shift: Floats, vectors: Floats) -> Figure:
    """Draw the histogram of ``shift (axes, n)`` px within the cell: flat when every position is equally likely."""
    figure, axes = _axes(1, 1, 2.9 if len(shift) == 2 else 1.7, width=3.6)
    ax = axes[0, 0]
    if len(shift) == 1:
        ax.hist(shift[0], bins=40, color=FAINT)
        ax.set_xlabel("dx, px")
        return figure
    counts, y, x = np.histogram2d(shift[0], shift[1], bins=28)
    image = ax.imshow(counts, extent=(x[0], x[-1], y[-1], y[0]), cmap="Greys", vmin=0, aspect="equal")
    if len(vectors) == 2:
        corners = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]) @ vectors
        ax.add_patch(Polygon(corners[:, ::-1], fill=False, edgecolor=ACCENT, linewidth=1.2))
    ax.set_xlabel("dx, px")
    ax.set_ylabel("dy, px")
    figure.colorbar(image, ax=ax, shrink=0.8, aspect=25, label="windows").outline.set_visible(False)
    return figure


def draw_balance(latent_map: LatentMap, axes_of_shift: int, used: Sequence[int], balance: Balance) -> Figure:
    """Draw the uncertainty of the content against that of the position: each window, and all as the noise changes."""
    figure, axes = _axes(1, 1, 2.9, width=4.4)
    ax = axes[0, 0]
    position = np.sqrt(np.square(latent_map.std[:axes_of_shift], dtype=float).mean(axis=0)).ravel()
    every = max(1, position.size // 3000)
    first_content = len(latent_map.names) - balance.claimed.shape[1] + 1
    for index, colour in zip(used, (INK, ACCENT, "#2563eb", "#15803d", *[FAINT] * 8), strict=False):
        name, column = latent_map.names[index], 1 + index - first_content
        ax.plot(position[::every], latent_map.std[index].ravel()[::every], ".", markersize=1.2, alpha=0.4, color=colour)
        for style, values, what in (("o-", balance.claimed, "posterior sd"), ("x--", balance.found, "true error")):
            ax.plot(values[:, 0], values[:, column], style, color=colour, markersize=4, label=f"{name}, {what}")
        for noise, x, y in zip(balance.noise, balance.found[:, 0], balance.found[:, column], strict=True):
            ax.annotate(f"{noise:g}", (x, y), (3, -8), textcoords="offset points", color=colour)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("uncertainty of the position, px")
    ax.set_ylabel("uncertainty of the content, its units")
    ax.legend(frameon=False)
    return figure
