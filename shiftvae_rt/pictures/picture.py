"""Pictures of frames and maps side by side: scale bars, a colour bar for each panel, one legend, and nothing else.

Every panel of a picture shows the same part of the sample, so that a feature can be followed from panel to panel.
Needs matplotlib; draws without a screen and without pyplot's global state.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .figure import new_figure
from .panel import INK, Extent, Panel, draw_curve, draw_image, own_extent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_picture"]

_WARNING = "#b3261e"
#: Letters an inch: of bold text, 10 points; and of the legend, 8 points.
_LETTERS_AN_INCH, _SMALL_LETTERS_AN_INCH = 11.0, 15.0
_SOFT = "#666666"


def draw_picture(
    panels: Sequence[Panel],
    *,
    title: str = "",
    pixel_size_nm: tuple[float, float] | None = None,
    warning: str = "",
    legend: str = "",
) -> Figure:
    """Draw `panels` in reading order.

    Parameters
    ----------
    panels
        The panels, at least one.
    title
        Text above all panels.
    pixel_size_nm
        Edges ``(y, x)`` of a frame's pixel, for the shape of the panels and the scale bars; None draws square pixels
        and scale bars in px.
    warning
        Text that makes the picture doubtful, on a band across its top.
    legend
        Text below all panels.

    Returns
    -------
    matplotlib.figure.Figure
        A new figure, unknown to pyplot; a notebook shows it as a PNG.

    Raises
    ------
    ImportError
        if matplotlib is missing.
    """
    extents = [panel.extent_px or own_extent(panel.image) for panel in panels]
    view = (
        min(extent[0] for extent in extents),
        max(extent[1] for extent in extents),
        min(extent[2] for extent in extents),
        max(extent[3] for extent in extents),
    )
    edges = pixel_size_nm or (1.0, 1.0)
    curves = all(panel.image.shape[0] == 1 for panel in panels)
    columns = 1 if curves else _columns(len(panels))
    lines = -(-len(panels) // columns)
    height = 1.5 if curves else _height(view, edges)
    width = 7.5 if curves else 3.6 * max(columns, 2)
    said = textwrap.wrap(warning, int(_LETTERS_AN_INCH * width))
    explained = textwrap.wrap(legend, int(_SMALL_LETTERS_AN_INCH * width))
    band = 0.2 * len(said) + 0.16 * bool(said)
    above, below = band + 0.35 * bool(title), 0.14 * len(explained) + 0.1 * bool(explained)
    total = lines * (height + 0.45) + above + below
    figure = new_figure((width, total))
    figure.set_layout_engine("constrained", rect=(0, below / total, 1, 1 - (above + below) / total))
    centred: dict[str, Any] = {"ha": "center", "parse_math": False}  # a file name may contain dollar signs
    figure.text(0.5, 1 - (band + 0.1) / total, title, fontsize=11, color=INK, va="top", **centred)
    figure.text(0.5, 0.07 / total, "\n".join(explained), fontsize=8, color=_SOFT, va="bottom", **centred)
    if said:
        _draw_warning(figure, "\n".join(said), band / total)
    axes = _axes(figure, len(panels), columns)
    for panel, axis in zip(panels, axes, strict=True):
        if curves:
            draw_curve(axis, panel, edges[1])
        else:
            draw_image(figure, axis, panel, view, pixel_size_nm)
        axis.set_title(panel.title, fontsize=9.5, color=INK, loc="left", pad=4)
    if curves:
        for axis in axes:
            axis.sharex(axes[-1])
            axis.tick_params(labelbottom=axis is axes[-1])
        axes[-1].set_xlabel("px" if pixel_size_nm is None else "nm", fontsize=8, color=INK)
    return figure


def _axes(figure: Figure, count: int, columns: int) -> list[Axes]:
    """Axes for `count` panels; a last line with fewer panels stands in the middle, so that no place looks forgotten."""
    lines = -(-count // columns)
    grid = figure.add_gridspec(lines, 2 * columns)
    axes = []
    for number in range(count):
        line, place = divmod(number, columns)
        indent = columns - min(columns, count - line * columns)
        axes.append(figure.add_subplot(grid[line, indent + 2 * place : indent + 2 * place + 2]))
    return axes


def _columns(count: int) -> int:
    """Panels in a line, at most four: lines as full as each other."""
    return -(-count // -(-count // 4))


def _height(view: Extent, edges: tuple[float, float]) -> float:
    """Height of an image, inches."""
    left, right, top, bottom = view
    return min(6.0, max(1.2, 3.0 * edges[0] * (bottom - top) / (edges[1] * (right - left))))


def _draw_warning(figure: Figure, text: str, share: float) -> None:
    """Write `text` on a band across the top `share` of the figure."""
    from matplotlib.patches import Rectangle

    figure.add_artist(Rectangle((0, 1 - share), 1, share, transform=figure.transFigure, facecolor=_WARNING, zorder=0))
    words: dict[str, Any] = {"color": "white", "weight": "bold", "ha": "center", "va": "center", "parse_math": False}
    figure.text(0.5, 1 - share / 2, text, fontsize=10, **words)
