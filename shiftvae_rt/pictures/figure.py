"""Figures without global state: made without pyplot, shown by a notebook, saved by `savefig`."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from ..optional import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["new_figure", "png_of", "png_tag"]

#: Dots an inch of the picture in the HTML that a notebook shows of an object.
SMALL_DPI = 60


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


def png_of(figure: Figure, dpi: int = 110) -> bytes:
    """Give the PNG of `figure` with `dpi` dots an inch."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def png_tag(figure: Figure, alt: str) -> str:
    """Give a small picture of `figure` as an HTML ``img``; `alt` says what it shows, without quotes or brackets."""
    data = base64.b64encode(png_of(figure, SMALL_DPI)).decode()
    return f'<img alt="{alt}" src="data:image/png;base64,{data}">'
