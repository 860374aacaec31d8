"""Figures of what a model draws, of its training and of its uncertainties, each with its scale and unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.ticker import LogFormatter
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64
from shiftvae_rt.colours import Table
from shiftvae_rt.latent_map import LatentMap
from shiftvae_rt.pictures.figure import colour_map
from shiftvae_rt.pictures.scale_bar import draw_scale_bar

from ..finishing.balance import Balance
from ..fitting.course import Step
from .figure_style import ACCENT, FAINT, INK, bare, limits, subplots
from .latent_axis import LatentAxis
from .meaning import Meaning

__all__ = [
    "draw_balance",
    "draw_cell_histogram",
    "draw_losses",
    "draw_motif",
    "draw_reconstructions",
    "draw_traversal",
]


def draw_traversal(axis: LatentAxis, window: tuple[int, int], pixel_size_nm: tuple[float, float] | None) -> Figure:
    """Draw the motif along one latent, and the difference between its ends."""
    picked = range(0, len(axis.values), 2)
    shown = _inner(axis.templates.mean(axis=1), window)
    if window[0] == 1:
        figure, axes = subplots(1, 1, 2.0)
        colours = colour_map("content")(np.linspace(0, 0.9, len(axis.values)))
        for curve, colour in zip(shown[:, 0], colours, strict=True):
            axes[0, 0].plot(np.arange(window[1]) - (window[1] - 1) / 2, curve, color=colour)
        ends = f"{axis.name} from {axis.values[0]:+.1f} to {axis.values[-1]:+.1f}"
        axes[0, 0].set_xlabel(f"px from the motif; dark to light: {ends}")
        axes[0, 0].set_ylabel("sd of a window")
        return figure
    figure, axes = subplots(1, len(picked) + 1, 1.85)
    low, high = limits(shown, 0.1)
    change = shown[-1] - shown[0]
    most = float(np.abs(change).max()) or 1.0
    for ax, index in zip(axes[0], picked, strict=False):
        _show(ax, shown[index], "grey", (low, high), pixel_size_nm)
        bare(ax, f"{axis.name} = {axis.values[index] + 0.0:+.1f}".replace("-0.0", "+0.0"))
    _show(axes[0, -1], change, "signed", (-most, most), pixel_size_nm)
    bare(axes[0, -1], "last - first")
    return figure


def draw_motif(meaning: Meaning, window: tuple[int, int], pixel_size_nm: tuple[float, float] | None) -> Figure:
    """Draw the mean motif, with its columns numbered."""
    figure, axes = subplots(1, 1, 2.6, width=2.6)
    ax, motif = axes[0, 0], meaning.motif
    margin = _margin(motif.shape, window)
    shown = _inner(motif[None], window)[0]
    _show(ax, shown, "grey", limits(shown, 0.1), pixel_size_nm)
    for number, (y, x) in enumerate(meaning.anchor_px + meaning.columns_px - margin, start=1):
        if 0 <= y < shown.shape[0] and 0 <= x < shown.shape[1]:
            ax.plot(x, y, "o", markersize=15, markerfacecolor="white", markeredgecolor=ACCENT, alpha=0.85)
            ax.text(x, y, str(number), color=ACCENT, ha="center", va="center", fontsize=9, weight="bold")
    bare(ax)
    return figure


def _margin(shape: tuple[int, ...], window: tuple[int, int]) -> NDArray[np.intp]:
    """Rows and columns by which a template is larger than the window, at each side."""
    return np.array([max(0, (n - w) // 2) for n, w in zip(shape, window, strict=True)])


def _inner(templates: NDArray[Any], window: tuple[int, int]) -> NDArray[Any]:
    """The part of ``templates (n, h, w)`` that a window sees."""
    top, left = _margin(templates.shape[1:], window)
    return templates[:, top : top + window[0], left : left + window[1]]


def _show(
    ax: Axes,
    image: NDArray[Any],
    colours: Table,
    ends: tuple[float, float],
    pixel_size_nm: tuple[float, float] | None,
) -> None:
    """Show a window with its scale bar."""
    edge_y, edge_x = pixel_size_nm or (1.0, 1.0)
    ax.imshow(image, cmap=colour_map(colours), vmin=ends[0], vmax=ends[1], aspect=edge_y / edge_x)
    extent = (-0.5, image.shape[1] - 0.5, -0.5, image.shape[0] - 0.5)
    draw_scale_bar(ax, None if pixel_size_nm is None else edge_x, extent, size=6.5)


def draw_reconstructions(
    windows: Float64, drawn: Float64, noise_sd: float, pixel_size_nm: tuple[float, float] | None
) -> Figure:
    """Draw windows ``(n, h, w)``, their reconstructions, and the residuals in standard deviations of the noise."""
    if windows.shape[1] == 1:
        figure, axes = subplots(1, len(windows), 1.8, sharey=True)
        for ax, seen, made in zip(axes[0], windows[:, 0], drawn[:, 0], strict=True):
            ax.plot(seen, color=FAINT, linewidth=0.7)
            ax.plot(made, color=ACCENT)
        return figure
    figure, axes = subplots(3, 1, 4.9)
    low, high = limits(windows)
    rest = (windows - drawn) / noise_sd
    edge_y, edge_x = pixel_size_nm or (1.0, 1.0)
    extent = (-0.5, windows.shape[2] - 0.5, -0.5, windows.shape[1] - 0.5)
    for ax, title, images, colours, ends in (
        (axes[0, 0], "windows", windows, "gray", (low, high)),
        (axes[1, 0], "reconstructions", drawn, "gray", (low, high)),
        (axes[2, 0], "residuals, in sd of the noise", rest, colour_map("signed"), (-4.0, 4.0)),
    ):
        ax.imshow(_side_by_side(images), cmap=colours, vmin=ends[0], vmax=ends[1], aspect=edge_y / edge_x)
        draw_scale_bar(ax, None if pixel_size_nm is None else edge_x, extent, size=6.5)
        bare(ax, title)
    figure.colorbar(axes[2, 0].images[0], ax=axes[2, 0], shrink=0.8, aspect=20, pad=0.01).outline.set_visible(False)
    return figure


def _side_by_side(images: Float64) -> Float64:
    """One image of ``images (n, h, w)`` with gaps: a pair of axes for each would take seconds to draw."""
    gap = max(1, images.shape[2] // 8)
    return np.concatenate(list(np.pad(images, [(0, 0), (0, 0), (0, gap)], constant_values=np.nan)), axis=1)[:, :-gap]


def draw_losses(history: Sequence[Step]) -> Figure:
    """Draw held-out loss, information and noise against steps; the first looks do not set the scale of the loss."""
    figure, axes = subplots(1, 3, 1.9)
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


def _padded(values: Float64) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    pad = 0.08 * (high - low) + 1e-6
    return low - pad, high + pad


def draw_cell_histogram(shift: Float64, vectors: Float64) -> Figure:
    """Draw the histogram of ``shift (axes, n)`` px within the cell: flat when every position is equally likely."""
    figure, axes = subplots(1, 1, 2.9 if len(shift) == 2 else 1.7, width=3.6)
    ax = axes[0, 0]
    if len(shift) == 1:
        ax.hist(shift[0], bins=40, color=FAINT)
        ax.set_xlabel("dx, px")
        return figure
    bins = [int(np.clip(np.ptp(along), 8, 28)) for along in shift]  # a finer one beats with whole pixels
    counts, y, x = np.histogram2d(shift[0], shift[1], bins=bins)
    image = ax.imshow(counts, extent=(x[0], x[-1], y[-1], y[0]), cmap="Greys", vmin=0, aspect="equal")
    if len(vectors) == 2:
        corners = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]) @ vectors
        ax.add_patch(Polygon(corners[:, ::-1], fill=False, edgecolor=ACCENT, linewidth=1.2))
    ax.set_xlabel("dx, px")
    ax.set_ylabel("dy, px")
    figure.colorbar(image, ax=ax, shrink=0.8, aspect=25, label="windows").outline.set_visible(False)
    return figure


class _PlainNumbers(LogFormatter):
    """Labels such as 0.1 on a logarithmic axis: to set a power of ten as a formula takes half a second."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:g}" if super().__call__(x, pos) else ""


def draw_balance(latent_map: LatentMap, axes_of_shift: int, used: Sequence[int], balance: Balance) -> Figure:
    """Draw the uncertainty of the content against that of the position: each window, and all as the noise changes."""
    figure, axes = subplots(1, 1, 2.9, width=4.4)
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
    for along in (ax.xaxis, ax.yaxis):
        along.set_major_formatter(_PlainNumbers())
        along.set_minor_formatter(_PlainNumbers(labelOnlyBase=False))
    ax.set_xlabel("uncertainty of the position, px")
    ax.set_ylabel("uncertainty of the content, its units")
    ax.legend(frameon=False)
    return figure
