"""Figures without global state: made without pyplot, shown by a notebook, saved as PNG, SVG or PDF."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..colours import Table, colour_table, label_colours
from ..optional import require

if TYPE_CHECKING:
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

__all__ = ["colour_map", "label_map", "new_figure", "png_of", "png_tag", "save_figure"]

#: Dots an inch of the picture in the HTML that a notebook shows of an object, and of a file.
SMALL_DPI, FILE_DPI = 60, 150
#: Text stays text, which a drawing program can change; and the same figure gives the same bytes.
_FORMATS: dict[str, dict[str, Any]] = {
    ".png": {"format": "png", "dpi": FILE_DPI},
    ".svg": {"format": "svg", "dpi": FILE_DPI, "metadata": {"Date": None}},
    ".pdf": {"format": "pdf", "dpi": FILE_DPI, "metadata": {"CreationDate": None}},
}
_TEXT_AS_TEXT: Any = {"svg.fonttype": "none", "svg.hashsalt": "shiftvae", "pdf.fonttype": 42}


def colour_map(name: Table) -> ListedColormap:
    """Give the colours of `colour_table` as matplotlib takes them."""
    from matplotlib.colors import ListedColormap

    return ListedColormap(colour_table(name) / 255, name=name)


def label_map(count: int) -> ListedColormap:
    """Give the colours of `label_colours` as matplotlib takes them."""
    from matplotlib.colors import ListedColormap

    return ListedColormap(label_colours(count) / 255, name="label")


def new_figure(size: tuple[float, float]) -> Figure:
    """Make a figure of ``(width, height)`` inches that pyplot does not know; a notebook shows it as a PNG.

    Raises
    ------
    ImportError
        if matplotlib is missing.
    """
    require("matplotlib", "a picture", "'shiftvae-rt[io]'")
    from matplotlib.figure import Figure

    class Picture(Figure):
        """A figure that IPython shows without pyplot."""

        def _repr_png_(self) -> bytes:
            return png_of(self)

    return Picture(figsize=size)


def save_figure(figure: Figure, path: Path) -> None:
    """Write `figure` to `path`, which ends in .png, .svg or .pdf."""
    import matplotlib as mpl

    with mpl.rc_context(_TEXT_AS_TEXT):
        figure.savefig(path, **_FORMATS[path.suffix.lower()])


def png_of(figure: Figure, dpi: int = 110) -> bytes:
    """Give the PNG of `figure` with `dpi` dots an inch."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def png_tag(figure: Figure, alt: str) -> str:
    """Give a small picture of `figure` as an HTML ``img``; `alt` says what it shows, without quotes or brackets."""
    data = base64.b64encode(png_of(figure, SMALL_DPI)).decode()
    return f'<img alt="{alt}" src="data:image/png;base64,{data}">'
