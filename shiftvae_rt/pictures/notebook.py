"""What a notebook shows of an object: its `repr`, a few facts, and a small picture where matplotlib is installed."""

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
    """HTML of an object.

    Parameters
    ----------
    words
        What it is.
    draw
        Makes its picture; None where there is nothing to draw. Without matplotlib a line says how to get it.
    facts
        Name -> value, one a line.
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
