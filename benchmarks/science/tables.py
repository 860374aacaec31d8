"""Output of the figures of benchmarks/science: a Markdown table on the screen, JSON, and a section of the page.

A script collects its figures as rows, dicts with the same keys, and calls `show` for each and `publish` at the end::

    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)                      # --quick: a look; --write: JSON and docs/reference/benchmarks.md too
    options = parser.parse_args()
    rows = []
    for seed in range(1 if options.quick else 3):
        rows.append(score(seed))
        show(rows)
    if options.write:
        publish("lines", "Lines", about="What was measured, and how.", rows=rows, verdict="6 of 6 reach R2 0.95.")

`python benchmarks/science/run.py` runs them all with ``--write``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]
PAGE = HERE.parent / "docs" / "reference" / "benchmarks.md"
END = "<!-- end of science -->"

Rows = Sequence[Mapping[str, Any]]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the two options that all scripts of the suite have."""
    parser.add_argument("--quick", action="store_true", help="few rows and steps, for a look")
    parser.add_argument("--write", action="store_true", help="also write benchmarks/results and the page of benchmarks")


def table(rows: Rows) -> str:
    """Markdown table with the keys of the first row as its head."""
    return "\n".join([_head(rows[0]), *map(_line, rows)])


def show(rows: Rows) -> None:
    """Print the newest of `rows`, below the head of the table if it is the first."""
    if len(rows) == 1:
        print(_head(rows[0]))
    print(_line(rows[-1]), flush=True)


def publish(name: str, title: str, *, about: str, rows: Rows, details: Rows | None = None, verdict: str = "") -> None:
    """Write ``benchmarks/results/science-NAME.json``, and the section NAME of docs/reference/benchmarks.md.

    The file holds `details`, by default the rows. The section holds the title, what was measured, the table and the
    verdict, between marks of its name; it replaces the section of that name, or becomes the last of the science ones.
    """
    out = _results(name)
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(list(rows if details is None else details), indent=1) + "\n")
    start, end = f"<!-- science {name} -->", f"<!-- end of {name} -->"
    text = "\n\n".join([start, f"### {title}", about.strip(), table(rows), *filter(None, [verdict.strip()]), end])
    page = PAGE.read_text()
    if start in page:
        before, rest = page.split(start)
        PAGE.write_text(before + text + rest.split(end)[1])
    else:
        before, after = page.split(END)
        PAGE.write_text(before + text + "\n\n" + END + after)


def last_details(name: str) -> list[dict[str, Any]]:
    """Details that were published last; an empty list without any."""
    out = _results(name)
    return json.loads(out.read_text()) if out.exists() else []


def _results(name: str) -> Path:
    return HERE / "results" / f"science-{name}.json"


def _head(row: Mapping[str, Any]) -> str:
    return "| " + " | ".join(name.replace("_", " ") for name in row) + " |\n|" + "---|" * len(row)


def _line(row: Mapping[str, Any]) -> str:
    return "| " + " | ".join(map(_cell, row.values())) + " |"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.1e}" if 0 < abs(value) < 1e-3 else f"{value:.4g}"
    return str(value)
