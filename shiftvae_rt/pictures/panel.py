"""One panel of a picture: an image with its colour bar and scale bar, or a curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .captions import Colours, limits_of, table_of
from .figure import colour_map, label_map
from .scale_bar import draw_scale_bar

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

__all__ = ["INK", "Extent", "Panel", "draw_curve", "draw_image", "own_extent"]

#: Outer edges of an image in px of the frame: left, right, top, bottom.
Extent = tuple[float, float, float, float]

INK = "#333333"
_CURVE = "#08519c"
_BAND = "#9ecae1"


@dataclass(frozen=True)
class Panel:
    """One image of a picture.

    Parameters
    ----------
    title
        Name of the panel.
    image
        ``(rows, cols)``; NaN is left blank, on a hatched ground. One row is drawn as a curve.
    unit
        Unit of the values, for the colour bar.
    extent_px
        Outer edges in px of the frame; None for an image on the frame's own pixels.
    colours
        Kind of the values.
    limits
        Ends of the colour bar; None chooses them, see `captions.limits_of`.
    band
        Half width of the band around a curve, ``(1, cols)``.
    """

    title: str
    image: NDArray[Any]
    unit: str = ""
    extent_px: Extent | None = None
    colours: Colours = "content"
    limits: tuple[float, float] | None = None
    band: NDArray[Any] | None = None


def draw_image(
    figure: Figure, axis: Axes, panel: Panel, view: Extent, pixel_size_nm: tuple[float, float] | None
) -> None:
    """Draw the image of `panel` where it lies within the `view`, the part of the frame that all panels show."""
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_color("#bbbbbb")
    edges = pixel_size_nm or (1.0, 1.0)
    first, last, upper, lower = panel.extent_px or own_extent(panel.image)
    low, high = panel.limits or limits_of(panel.image, panel.colours)
    ticks, named = [low, (low + high) / 2, high], panel.colours == "label"
    if named:
        ticks = [float(label) for label in range(int(low), int(high) + 1)]
    drawn = axis.imshow(
        np.asarray(panel.image, dtype=np.float32),
        cmap=label_map(len(ticks)) if named else colour_map(table_of(panel.colours)),
        vmin=low - 0.5 * named,
        vmax=high + 0.5 * named,
        extent=(first, last, lower, upper),
        interpolation="nearest",
    )
    if not np.isfinite(panel.image).all():
        axis.add_patch(_hatched(first, last, upper, lower))
    edge_nm = None if pixel_size_nm is None else pixel_size_nm[1]
    draw_scale_bar(axis, edge_nm, (first, last, upper, lower), view_width=view[1] - view[0])
    _show(axis, view, edges)
    if panel.colours == "grey":
        return  # the scale of detector counts is of no use here
    bar = figure.colorbar(drawn, ax=axis, fraction=0.045, pad=0.02, ticks=ticks)
    bar.ax.set_yticklabels([f"{value:.0f}" if named else _number(value, high - low) for value in ticks])
    bar.ax.tick_params(labelsize=7, colors=INK, length=2)
    bar.outline.set_visible(False)
    bar.ax.set_title(panel.unit, fontsize=7.5, color=INK, pad=3)


def _hatched(left: float, right: float, top: float, bottom: float) -> Rectangle:
    """Ground that shows where an image is blank: white is also the colour of a phase."""
    from matplotlib.patches import Rectangle

    place: dict[str, Any] = {"xy": (left, top), "width": right - left, "height": bottom - top, "zorder": -1}
    return Rectangle(**place, facecolor="white", edgecolor="#a6b0ba", linewidth=0, hatch="//////")


def _show(axis: Axes, view: Extent, edges: tuple[float, float]) -> None:
    left, right, top, bottom = view
    axis.set_xlim(left, right)
    axis.set_ylim(bottom, top)
    axis.set_aspect(edges[0] / edges[1])


def own_extent(image: NDArray[Any]) -> Extent:
    """Edges of an image on the frame's own pixels."""
    rows, cols = image.shape
    return -0.5, cols - 0.5, -0.5, rows - 0.5


def draw_curve(axis: Axes, panel: Panel, edge: float) -> None:
    """Draw the one row of `panel` over its place, `edge` long for a px."""
    axis.tick_params(labelsize=7, colors=INK, length=2)
    axis.set_ylabel(panel.unit, fontsize=8, color=INK)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    values, count = panel.image[0], panel.image.shape[1]
    first, last, _, _ = panel.extent_px or own_extent(panel.image)
    x = edge * (first + (last - first) / count * (np.arange(count) + 0.5))
    if panel.colours == "cyclic":  # a line would jump from one end of the period to the other
        axis.plot(x, values, color=_CURVE, linestyle="none", marker=".", markersize=3)
        return
    if panel.band is not None:
        axis.fill_between(x, values - panel.band[0], values + panel.band[0], color=_BAND, linewidth=0)
    axis.plot(x, values, color=_CURVE, linewidth=0.9)


def _number(value: float, span: float) -> str:
    decimals = max(0, 1 - int(np.floor(np.log10(span))))
    text = f"{value:.{decimals}f}" if decimals < 5 and abs(value) < 1e5 else f"{value:.1e}"
    return text[1:] if text.startswith("-") and not text.strip("-0.") else text  # no minus before zero
