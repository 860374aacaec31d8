"""Scale bars: a round length in nm, or in px where the pixel size is unknown, readable on dark and on light."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_scale_bar", "round_length"]

#: Longest bar, as a share of the width of the image.
_SHARE = 0.3


def round_length(width: float) -> float:
    """Give the longest of ..., 1, 2, 5, 10, 20, ... that is a bar for an image `width` wide, in the same unit."""
    most = _SHARE * width
    decade = 10.0 ** np.floor(np.log10(most))
    return float(decade * max(step for step in (1, 2, 5) if step * decade <= most * (1 + 1e-9)))


def draw_scale_bar(
    axis: Axes,
    edge_nm: float | None,
    extent: tuple[float, float, float, float],
    *,
    view_width: float | None = None,
    size: float = 8.0,
) -> None:
    """Draw a scale bar at the lower left of an image, with y pointing down.

    Parameters
    ----------
    axis
        Axes, in px of the frame.
    edge_nm
        Edge of a pixel along x, nm; None for a bar in px.
    extent
        Edges ``(left, right, top, bottom)`` of the image, px of the frame.
    view_width
        Width whose share the bar has, px, so that images side by side have the same bar; None takes that of the image.
    size
        Height of the letters, points.
    """
    left, right, top, bottom = extent
    width, height = right - left, bottom - top
    length = round_length((view_width or width) * (edge_nm or 1.0))
    unit = "px" if edge_nm is None else "nm"
    x0, y = left + 0.05 * width, bottom - 0.05 * height
    x1 = x0 + length / (edge_nm or 1.0)
    for colour, thickness in (("black", 3.8), ("white", 2.0)):
        axis.plot([x0, x1], [y, y], color=colour, linewidth=thickness, solid_capstyle="butt")
    axis.text(
        x0,
        y - 0.035 * height,
        f"{length:g} {unit}",
        color="white",
        fontsize=size,
        va="bottom",
        bbox={"facecolor": "black", "alpha": 0.6, "pad": 1.2, "linewidth": 0},
    )
