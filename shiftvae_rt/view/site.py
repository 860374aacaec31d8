"""The files of the page, and what a browser is told about them."""

from __future__ import annotations

from importlib.resources import files

import msgspec

from ..colours import NO_VARIATION, colour_table

__all__ = ["POLICY", "page_files"]

#: Nothing from elsewhere, nothing inline, no other page around this one.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_MODULES = ("page", "link", "panels", "arrows", "places", "history", "traces", "status", "save")
_KINDS = {
    "index.html": "text/html",
    "page.css": "text/css",
    **{f"{name}.js": "text/javascript" for name in _MODULES},
    "uplot/uPlot.iife.min.js": "text/javascript",
    "uplot/uPlot.min.css": "text/css",
    "uplot/LICENSE": "text/plain",
}


def page_files() -> dict[str, tuple[str, bytes]]:
    """Content type and bytes by path: the page is ``/``."""
    static = files("shiftvae_rt.view") / "static"
    found = {f"/{name}": (kind, (static / name).read_bytes()) for name, kind in _KINDS.items()}
    found["/"] = found.pop("/index.html")
    found["/colours.json"] = ("application/json", _colours())
    return found


def _colours() -> bytes:
    """Every table as 256 colours of six hexadecimal digits in one string."""
    tables = {name: colour_table(name).tobytes().hex() for name in ("grey", "content", "signed", "cyclic")}
    return msgspec.json.encode({**tables, "unused": bytes(NO_VARIATION).hex()})
