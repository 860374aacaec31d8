"""Style of the report's figures, and their encoding for its page."""

from __future__ import annotations

import base64
import io
from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from shiftvae_rt.array_types import Float64

__all__ = ["ACCENT", "FAINT", "INK", "WIDTH", "bare", "data_uri", "limits", "quiet_style", "subplots"]


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
#: Width of the page's column, inches.
WIDTH = 9.2


def quiet_style() -> AbstractContextManager[None]:
    """Context manager that sets the style in which figures are drawn and encoded."""
    return mpl.rc_context(STYLE)


def data_uri(figure: Figure) -> str:
    """PNG of `figure` as a ``data:`` address, 110 dots per inch."""
    buffer = io.BytesIO()
    if (engine := figure.get_layout_engine()) is not None:  # else matplotlib draws twice, the first time for the layout
        engine.execute(figure)
        figure.set_layout_engine("none")
    figure.savefig(buffer, format="png", dpi=110)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def subplots(rows: int, cols: int, height: float, **options: Any) -> tuple[Figure, NDArray[Any]]:
    """Give a figure as wide as the page unless `width` in inches says otherwise, and its axes ``(rows, cols)``."""
    figure = Figure(figsize=(options.pop("width", WIDTH), height), layout="constrained")
    return figure, np.asarray(figure.subplots(rows, cols, squeeze=False, **options))


def bare(ax: Axes, title: str = "") -> None:
    """Take ticks and frame away; leave the title."""
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_title(title)


def limits(values: Float64, share: float = 0.5) -> tuple[float, float]:
    """Give the range of the colours: all values but a `share` in per cent at each end."""
    low, high = np.nanpercentile(values, [share, 100 - share])
    return float(low), float(high) if high > low else float(low) + 1.0
