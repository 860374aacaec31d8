"""HTML of the report: one file with its pictures inside, which fetches nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["facts", "figure", "page", "paragraph", "section", "table"]

STYLE = """
:root { --ink: #1f2933; --soft: #52606d; --line: #e4e7eb; --accent: #c2410c; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #fff; font: 15px/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue",
  Arial, sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 40px 24px 80px; }
header { border-bottom: 2px solid var(--ink); padding-bottom: 14px; margin-bottom: 22px; }
h1 { font-size: 26px; line-height: 1.2; margin: 0 0 4px; font-weight: 650; }
h2 { font-size: 17px; margin: 44px 0 8px; padding-top: 12px; border-top: 1px solid var(--line); font-weight: 650; }
p { margin: 6px 0; max-width: 78ch; }
.lead { color: var(--soft); margin: 0; }
.verdict { font-size: 17px; margin: 0 0 18px; }
figure { margin: 14px 0 4px; }
figure img { display: block; max-width: 100%; height: auto; }
figcaption, .note { color: var(--soft); font-size: 13px; max-width: 84ch; }
dl.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(210px, 1fr)); gap: 1px;
  background: var(--line); border: 1px solid var(--line); margin: 18px 0; }
dl.facts div { background: #fff; padding: 9px 12px; }
dl.facts dt { color: var(--soft); font-size: 12px; }
dl.facts dd { margin: 0; font-variant-numeric: tabular-nums; font-weight: 600; }
table { border-collapse: collapse; margin: 12px 0; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 5px 18px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top;
  overflow-wrap: anywhere; }
th { color: var(--soft); font-weight: 500; font-size: 12.5px; white-space: nowrap; }
.side { display: flex; flex-wrap: wrap; gap: 10px 30px; align-items: flex-start; }
.side figure { max-width: 470px; }
.flag { color: var(--accent); }
@media print { main { padding: 0; } h2 { break-after: avoid; } figure { break-inside: avoid; } }
"""


def page(title: str, lead: str, body: Iterable[str]) -> str:
    """The whole document; `title` and `lead` are text, `body` is HTML."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>\n"
        f'<header><h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p></header>\n'
        + "\n".join(body)
        + "\n</main></body></html>\n"
    )


def section(title: str, *parts: str) -> str:
    """A heading with its `parts`, which are HTML."""
    return f"<section><h2>{escape(title)}</h2>\n" + "\n".join(parts) + "</section>"


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of text; `kind` is a class of the style sheet."""
    return f"<p{f' class={kind!r}' if kind else ''}>{escape(text)}</p>"


def figure(source: str, alt: str, caption: str = "") -> str:
    """A picture with a caption; `source` is a ``data:`` address."""
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure><img alt="{escape(alt)}" src="{source}">{below}</figure>'


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """A grid of names and values, as text."""
    cells = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in pairs)
    return f'<dl class="facts">{cells}</dl>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, flagged: int | None = None) -> str:
    """A table of text; column `flagged` stands out."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = []
    for row in rows:
        cells = (
            f"<td{' class=flag' if index == flagged else ''}>{escape(cell)}</td>" for index, cell in enumerate(row)
        )
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table><thead><tr>{top}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
