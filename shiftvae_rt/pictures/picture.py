"""Pictures of frames and maps side by side: one scale bar, a colour bar for each panel, and nothing else.

Every panel of a picture shows the same part of the sample, so that a feature can be followed from panel to panel.
Needs matplotlib; draws without a screen and without pyplot's global state.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from .figure import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Colours", "Panel", "draw_picture"]

#: Kind of the values. grey: a frame. content: a latent, whose sign and zero mean nothing. signed: a quantity around
#: zero. cyclic: a phase, or a shift modulo the lattice. sequential: a magnitude. unused: a latent without variation,
#: whose values mean nothing.
Colours = Literal["grey", "content", "signed", "cyclic", "sequential", "unused"]

_MAPS = {
    "grey": "gray",
    "content": "viridis",
    "signed": "RdBu_r",
    "cyclic": "twilight_shifted",
    "sequential": "viridis",
}
_NICE_NM = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_INK = "#333333"
_WARNING = "#b3261e"
_LETTERS_AN_INCH = 11.0  # of bold text, 10 points
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
        ``(rows, cols)``; NaN is left blank. One row is drawn as a curve.
    unit
        Unit of the values, for the colour bar.
    extent_px
        ``(left, right, top, bottom)``, outer edges in px of the frame; None for an image on the frame's own pixels.
    colours
        Kind of the values.
    limits
        Ends of the colour bar; None chooses them from the 1st to the 99th percentile.
    band
        Half width of the band around a curve, ``(1, cols)``.
    """

    title: str
    image: NDArray[Any]
    unit: str = ""
    extent_px: tuple[float, float, float, float] | None = None
    colours: Colours = "sequential"
    limits: tuple[float, float] | None = None
    band: NDArray[Any] | None = None


def draw_picture(
    panels: Sequence[Panel],
    *,
    title: str = "",
    pixel_size_nm: tuple[float, float] | None = None,
    columns: int | None = None,
    warning: str = "",
) -> Figure:
    """Draw `panels` in reading order.

    Parameters
    ----------
    panels
        The panels, at least one.
    title
        Text above all panels.
    pixel_size_nm
        Edges ``(y, x)`` of a frame's pixel, for the shape of the panels and the scale bar; None draws square pixels
        and labels the first panel's axes in px instead.
    columns
        Panels in a row; None chooses.
    warning
        Text that makes the picture doubtful, on a band across its top.

    Returns
    -------
    matplotlib.figure.Figure
        A new figure, unknown to pyplot; a notebook shows it as a PNG.

    Raises
    ------
    ImportError
        if matplotlib is missing.
    """
    extents = [_extent(panel) for panel in panels]
    left, right = min(e[0] for e in extents), max(e[1] for e in extents)
    top, bottom = min(e[2] for e in extents), max(e[3] for e in extents)
    edges = pixel_size_nm or (1.0, 1.0)
    curves = all(panel.image.shape[0] == 1 for panel in panels)
    columns = 1 if curves else columns or _columns(len(panels))
    lines = -(-len(panels) // columns)
    height = 1.5 if curves else min(6.0, max(1.2, 3.0 * edges[0] * (bottom - top) / (edges[1] * (right - left))))
    width = 7.5 if curves else 3.6 * columns
    said = textwrap.wrap(warning, int(_LETTERS_AN_INCH * width))
    band = 0.2 * len(said) + 0.16 * bool(said)
    above = band + 0.35 * bool(title)
    total = lines * (height + 0.45) + above
    figure = new_figure((width, total))
    figure.set_layout_engine("constrained", rect=(0, 0, 1, 1 - above / total))
    centred: dict[str, Any] = {"ha": "center", "parse_math": False}  # a file name may contain dollar signs
    figure.text(0.5, 1 - (band + 0.1) / total, title, fontsize=11, color=_INK, va="top", **centred)
    if said:
        _draw_warning(figure, "\n".join(said), band / total)
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for panel, extent, axis in zip(panels, extents, axes, strict=False):
        if curves:
            _draw_curve(axis, panel, extent, edges[1])
        else:
            _draw_image(figure, axis, panel, extent)
            axis.set_aspect(edges[0] / edges[1])
            axis.set_ylim(bottom, top)
            axis.set_xlim(left, right)
        axis.set_title(panel.title, fontsize=9.5, color=_INK, loc="left", pad=4)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    if curves:
        for axis in axes:
            axis.sharex(axes[-1])
            axis.tick_params(labelbottom=axis is axes[-1])
        axes[-1].set_xlabel("px" if pixel_size_nm is None else "nm", fontsize=8, color=_INK)
    elif pixel_size_nm is not None:
        _scale_bar(axes[0], right - left, bottom - top, pixel_size_nm[1])
    else:
        axes[0].set_xticks([round(left + 0.5), round(right - 0.5)])
        axes[0].set_yticks([round(top + 0.5), round(bottom - 0.5)])
        axes[0].set_xlabel("px", fontsize=8, color=_INK, labelpad=-6)
    return figure


def _draw_warning(figure: Figure, text: str, share: float) -> None:
    """Write `text` on a band across the top `share` of the figure."""
    from matplotlib.patches import Rectangle

    figure.add_artist(Rectangle((0, 1 - share), 1, share, transform=figure.transFigure, facecolor=_WARNING, zorder=0))
    words: dict[str, Any] = {"color": "white", "weight": "bold", "ha": "center", "va": "center", "parse_math": False}
    figure.text(0.5, 1 - share / 2, text, fontsize=10, **words)


def _columns(count: int) -> int:
    return count if count <= 4 else -(-count // -(-count // 4))


def _extent(panel: Panel) -> tuple[float, float, float, float]:
    rows, cols = panel.image.shape
    return panel.extent_px or (-0.5, cols - 0.5, -0.5, rows - 0.5)


def _limits(panel: Panel) -> tuple[float, float]:
    if panel.limits is not None:
        return panel.limits
    values = np.asarray(panel.image, dtype=np.float64)
    values = values[np.isfinite(values)]
    if values.size == 0:
        return 0.0, 1.0
    tails = (0, 100) if panel.colours == "cyclic" else (1, 99)
    low, high = (float(value) for value in np.percentile(values, tails))
    if panel.colours in ("cyclic", "signed"):
        high = max(high, -low)
        low = -high
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _draw_image(figure: Figure, axis: Axes, panel: Panel, extent: tuple[float, float, float, float]) -> None:
    left, right, top, bottom = extent
    axis.set_xticks([])
    axis.set_yticks([])
    axis.tick_params(labelsize=7, colors=_INK, length=2)
    for spine in axis.spines.values():
        spine.set_color("#bbbbbb")
    if panel.colours == "unused":
        _say_unused(axis)
        return
    low, high = _limits(panel)
    drawn = axis.imshow(
        np.asarray(panel.image, dtype=np.float32),
        cmap=_MAPS[panel.colours],
        vmin=low,
        vmax=high,
        extent=(left, right, bottom, top),
        interpolation="nearest",
    )
    if panel.colours == "grey":
        return  # the scale of detector counts is of no use here
    bar = figure.colorbar(drawn, ax=axis, fraction=0.045, pad=0.02, ticks=[low, (low + high) / 2, high])
    bar.ax.set_yticklabels([_number(value, high - low) for value in (low, (low + high) / 2, high)])
    bar.ax.tick_params(labelsize=7, colors=_INK, length=2)
    bar.outline.set_visible(False)
    bar.ax.set_title(panel.unit, fontsize=7.5, color=_INK, pad=3)


def _number(value: float, span: float) -> str:
    decimals = max(0, 1 - int(np.floor(np.log10(span))))
    return f"{value:.{decimals}f}" if decimals < 5 and abs(value) < 1e5 else f"{value:.1e}"


def _draw_curve(axis: Axes, panel: Panel, extent: tuple[float, float, float, float], edge: float) -> None:
    axis.tick_params(labelsize=7, colors=_INK, length=2)
    axis.set_ylabel(panel.unit, fontsize=8, color=_INK)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    if panel.colours == "unused":
        _say_unused(axis)
        return
    values, count = panel.image[0], panel.image.shape[1]
    x = edge * (extent[0] + (extent[1] - extent[0]) / count * (np.arange(count) + 0.5))
    if panel.colours == "cyclic":  # a line would jump from one end of the period to the other
        axis.plot(x, values, color=_CURVE, linestyle="none", marker=".", markersize=3)
        return
    if panel.band is not None:
        axis.fill_between(x, values - panel.band[0], values + panel.band[0], color=_BAND, linewidth=0)
    axis.plot(x, values, color=_CURVE, linewidth=0.9)


def _say_unused(axis: Axes) -> None:
    axis.set_facecolor("#e4e4e4")
    axis.set_yticks([])
    centred: dict[str, Any] = {"transform": axis.transAxes, "ha": "center", "va": "center"}
    axis.text(0.5, 0.5, "no variation found", fontsize=9, color="#888888", **centred)


def _scale_bar(axis: Axes, width: float, height: float, edge_nm: float) -> None:
    fitting = [length for length in _NICE_NM if length <= 0.3 * width * edge_nm]
    if not fitting:
        return
    import matplotlib.patheffects as effects

    left, bottom = axis.get_xlim()[0], axis.get_ylim()[0]
    x0, x1, y = left + 0.05 * width, left + 0.05 * width + fitting[-1] / edge_nm, bottom - 0.05 * height
    outline = [effects.withStroke(linewidth=3.5, foreground="black", alpha=0.7)]
    axis.plot([x0, x1], [y, y], color="white", linewidth=2.2, solid_capstyle="butt", path_effects=outline)
    axis.text(
        (x0 + x1) / 2,
        y - 0.02 * height,
        f"{fitting[-1]:g} nm",
        color="white",
        fontsize=8.5,
        ha="center",
        va="bottom",
        path_effects=[effects.withStroke(linewidth=2, foreground="black", alpha=0.7)],
    )
