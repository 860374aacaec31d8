"""The pages outside the book: what they link to is there, and so is every page that the sources name."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = (".py", ".pyi", ".md", ".toml", ".cpp", ".hpp", ".yml", "Makefile")


def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in done.stdout.splitlines() if name.endswith(SOURCES) and (ROOT / name).is_file()]


def test_links_of_pages_outside_the_book_lead_somewhere():
    pages = [path for path in tracked() if path.suffix == ".md" and path.parts[len(ROOT.parts)] != "docs"]
    assert ROOT / "README.md" in pages
    dead = [f"{page.relative_to(ROOT)}: {link}" for page in pages for link in dead_links(page)]
    assert dead == []


def dead_links(page: Path) -> list[str]:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    near = [link for link in links if not link.startswith(("http:", "https:", "mailto:"))]
    return [link for link in near if not (page.parent / link).exists()]


def test_pages_that_are_named_anywhere_exist():
    named = re.compile(r"(?<![\w/])docs/[\w/-]+\.(?:md|py|svg|png|ipynb)")
    texts = {path.relative_to(ROOT): path.read_text(encoding="utf-8") for path in tracked()}
    dead = [
        f"{path}: {name}" for path, text in texts.items() for name in named.findall(text) if not (ROOT / name).exists()
    ]
    assert dead == []


def test_files_that_pages_name_exist():
    named = re.compile(
        r"(?<![\w/])(?:benchmarks|cpp|examples|shiftvae_rt|tests|training)/[\w/-]+\.(?:json|md|py|[ch]pp)"
    )
    texts = {path.relative_to(ROOT): path.read_text(encoding="utf-8") for path in tracked() if path.suffix == ".md"}
    dead = [
        f"{path}: {name}" for path, text in texts.items() for name in named.findall(text) if not (ROOT / name).exists()
    ]
    assert dead == []
