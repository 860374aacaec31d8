"""The training report of a model, for a notebook or a browser."""

from __future__ import annotations

import tempfile
import webbrowser
from dataclasses import dataclass
from html import escape
from pathlib import Path

__all__ = ["Report"]


@dataclass(frozen=True)
class Report:
    """Training report: one self-contained page of HTML, which a notebook shows."""

    html: str

    def open(self) -> Path:
        """Show the report in a browser; returns the temporary file to which it was written."""
        with tempfile.NamedTemporaryFile("w", suffix=".html", delete=False, encoding="utf-8") as file:
            file.write(self.html)
        webbrowser.open(Path(file.name).as_uri())
        return Path(file.name)

    def __repr__(self) -> str:
        return f"<Report of {len(self.html)} characters: .open() shows it in a browser>"

    def _repr_html_(self) -> str:
        return f'<iframe srcdoc="{escape(self.html)}" style="width:100%;height:600px;border:0"></iframe>'
