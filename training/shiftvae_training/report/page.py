"""HTML of the report: one file with pictures, style and script inside, which fetches nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

__all__ = ["code", "figure", "folded", "items", "kept", "listed", "numbers", "page", "paragraph", "section", "table"]


def page(title: str, lead: str, sections: Sequence[tuple[str, str, str]], *, first: str) -> str:
    """HTML of the whole page.

    Parameters
    ----------
    title, lead
        Heading, and the line below it, as text.
    sections
        Name of the anchor, title, HTML of each section; the list of contents leads to them.
    first
        HTML before the first section.
    """
    static = files(__package__) / "static"
    style, script = ((static / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    links = "".join(f'<a href="#{anchor}">{escape(name)}</a>' for anchor, name, _ in sections)
    parts = [f'<section id="{anchor}"><h2>{escape(name)}</h2>\n{body}</section>' for anchor, name, body in sections]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>\n{style}</style></head>\n<body><main>"
        f'<header><h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p><nav>{links}</nav></header>\n'
        + "\n".join([first, *parts])
        + f"\n</main><script>{script}</script></body></html>\n"
    )


def section(title: str, *parts: str) -> str:
    """A heading within a section, with its `parts`, which are HTML."""
    return f"<div><h3>{escape(title)}</h3>\n" + "\n".join(parts) + "</div>"


def folded(title: str, explanation: str, *parts: str) -> str:
    """HTML `parts` that are shown on a click on their title, which a line explains; a printed page shows them all."""
    top = f"<summary>{escape(title)}<span>{escape(explanation)}</span></summary>"
    return f"<details>{top}\n" + "\n".join(parts) + "</details>"


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of text; `kind` is a class of the style sheet."""
    return f"<p{f' class={kind!r}' if kind else ''}>{escape(text)}</p>"


def code(text: str) -> str:
    """A command, as text."""
    return f"<code>{escape(text)}</code>"


def items(texts: Iterable[str], kind: str = "") -> str:
    """A list of texts."""
    lines = "".join(f"<li{f' class={kind!r}' if kind else ''}>{escape(text)}</li>" for text in texts)
    return f"<ul>{lines}</ul>" if lines else ""


def listed(words: Sequence[str], last: str = "and") -> str:
    """A list in words: "a, b and c"."""
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else "".join(words)


def kept(inside: str) -> str:
    """HTML that is not divided between two printed pages."""
    return f'<div class="kept">{inside}</div>'


def figure(source: str, alt: str, caption: str = "", *, wide: bool = False) -> str:
    """A picture with a caption; `source` is a ``data:`` address. A `wide` one is scrolled on a small screen."""
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    image = f'<img alt="{escape(alt)}" src="{source}">'
    return f"<figure>{f'<div class=wide>{image}</div>' if wide else image}{below}</figure>"


def numbers(rows: Iterable[tuple[str, str, str]]) -> str:
    """A table of numbers: name, value, and a line that explains it."""
    cells = "".join(
        f'<tr><td>{escape(name)}</td><td><b>{escape(value)}</b></td><td class="plain">{escape(line)}</td></tr>'
        for name, value, line in rows
    )
    return f'<div class="scroll"><table><tbody>{cells}</tbody></table></div>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of text."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table></div>'
