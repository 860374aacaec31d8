"""The page of promises: every test that it names exists, and every selection by `-k` finds a test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/reference/reliability.md"
NAMED = re.compile(r"`(?:[^`]* )?(?P<path>[\w/]*test_\w+\.py)(?: -k (?P<words>\"[^\"]+\"|\w+))?")


def selections(text: str) -> list[tuple[str, str]]:
    return [(match["path"], (match["words"] or "").strip('"')) for match in NAMED.finditer(text)]


def missing(path: str, words: str) -> list[str]:
    """File or words of `-k` that do not exist; a word must be in the name or the parameters of a test."""
    found = [ROOT / path] if "/" in path else list((ROOT / "tests").rglob(path))
    if len(found) != 1 or not found[0].is_file():
        return [path]
    text = found[0].read_text(encoding="utf-8")
    return [f"{path} -k {word}" for word in words.split(" or ") if word not in text]


def test_every_test_that_the_page_names_exists():
    named = selections(PAGE.read_text(encoding="utf-8"))
    assert len(named) > 50
    assert [fault for path, words in named for fault in missing(path, words)] == []


@pytest.mark.parametrize(
    "text",
    ["`test_gone.py`", "`pytest tests/stream/test_gone.py`", '`test_journal.py -k "link or no_such_test"`'],
    ids=["file", "path", "words"],
)
def test_a_name_that_leads_nowhere_is_caught(text: str):
    assert [fault for path, words in selections(text) for fault in missing(path, words)] != []
