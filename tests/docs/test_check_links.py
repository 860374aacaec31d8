"""The check of the built book: what it must find, and what it must not."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "check_links.py"


@pytest.fixture(scope="module")
def faults():
    spec = importlib.util.spec_from_file_location("check_links", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.faults


def book(folder: Path, body: str) -> Path:
    (folder / "other.html").write_text('<h1 id="here">Other</h1>')
    (folder / "page.html").write_text(f"<html><body>{body}</body></html>")
    return folder


@pytest.mark.parametrize(
    "body",
    [
        '<a href="other.html">other</a>',
        '<a href="other.html#here">a place on it</a>',
        '<a id="top"></a><a href="#top">up</a>',
        '<a href="https://example.org/anything">elsewhere: not asked</a>',
        '<img src="data:image/png;base64,AAAA">',
    ],
    ids=["page", "anchor", "own anchor", "elsewhere", "data"],
)
def test_a_sound_page_passes(faults, tmp_path, body):
    assert faults(book(tmp_path, body)) == []


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<a href="gone.html">gone</a>', "gone.html leads to no file"),
        ('<a href="other.html#there">a place that is not</a>', "#there leads to no anchor"),
        ('<img src="gone.png">', "gone.png leads to no file"),
        ('<script src="https://cdn.example.org/x.js"></script>', "loads https://cdn.example.org/x.js"),
        ('<link rel="stylesheet" href="//fonts.example.org/a.css">', "loads //fonts.example.org/a.css"),
    ],
    ids=["page", "anchor", "picture", "script", "style"],
)
def test_a_fault_is_found(faults, tmp_path, body, fault):
    (found,) = faults(book(tmp_path, body))
    assert fault in found


def test_a_style_that_loads_a_font_is_found(faults, tmp_path):
    folder = book(tmp_path, "")
    (folder / "a.css").write_text("@font-face { src: url('https://fonts.example.org/a.woff2') }")
    assert [fault.split(": ")[1] for fault in faults(folder)] == [
        "loads https://fonts.example.org/a.woff2 from the network"
    ]


def test_no_pages_are_a_fault(faults, tmp_path):
    assert "build the book first" in faults(tmp_path)[0]
