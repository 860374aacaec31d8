"""HTML of an object for notebooks: its `repr`, a few facts, and a small picture if matplotlib is installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from importlib.util import find_spec
from typing import TYPE_CHECKING

from .figure import png_tag

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["table_and_picture"]


def table_and_picture(words: str, draw: Callable[[], Figure] | None, *, facts: Mapping[str, str] | None = None) -> str:
    """Give the HTML of an object.

    Parameters
    ----------
    words
        The `repr` of the object.
    draw
        Draws its picture; None if there is nothing to draw. Without matplotlib a line says how to install it.
    facts
        Name -> value, one for each line.
    """
    rows = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th><td style="text-align:left">{escape(value)}</td></tr>'
        for name, value in (facts or {}).items()
    )
    parts = [f"<div><code>{escape(words)}</code></div>", f"<table>{rows}</table>" if rows else ""]
    if draw is not None and find_spec("matplotlib") is None:
        parts.append("<div>pictures: pip install 'shiftvae-rt[io]'</div>")
    elif draw is not None:
        parts.append(png_tag(draw(), "picture of it"))
    return "".join(parts)
