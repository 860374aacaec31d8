"""What the pages for newcomers name is there: files, wings, and names in the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / "architecture.md", ROOT / "docs" / "questions.md", ROOT / "CONTRIBUTING.md"]
WINGS = ("shiftvae_rt", "training/shiftvae_training", "cpp")


def tree() -> dict[str, set[str]]:
    """What the tree on the page names: folder -> the files and folders that it has there."""
    (block,) = re.findall(r"```text\n(.*?)```", PAGES[0].read_text(encoding="utf-8"), re.DOTALL)
    found: dict[str, set[str]] = {}
    path: list[str] = []
    for line in block.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        names = re.split(r"\s{3,}", line.strip())[0].split()
        del path[depth:]
        here = "/".join(path)
        if here:
            found.setdefault(here, set()).update(name.rstrip("/") for name in names)
        if len(names) == 1 and names[0].endswith("/"):
            path.append(names[0].rstrip("/"))
            found.setdefault("/".join(path), set())
    return found


def test_every_file_of_the_tree_exists():
    rooms = [f"{folder}/{name}" for folder, names in tree().items() for name in names]
    assert len(rooms) > 100
    assert [room for room in rooms if not (ROOT / room).exists()] == []


@pytest.mark.parametrize("half", WINGS)
def test_every_wing_stands_in_the_tree(half):
    shown = tree()
    for folder in (ROOT / half).iterdir():
        if (folder / "__init__.py").exists():
            assert folder.name in shown[half], folder


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_path_on_the_page_exists(page):
    named = re.findall(
        r"`((?:shiftvae_rt|training|cpp|tests|benchmarks|docs)/[\w./-]*)`", page.read_text(encoding="utf-8")
    )
    assert len(named) > 5
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_names_that_the_questions_point_at_are_in_the_file_named_before_them():
    for file, name in re.findall(r"`([\w/]+\.py)`[^`\n]*`(\w+(?:\.\w+)?)`", PAGES[1].read_text(encoding="utf-8")):
        assert name.split(".")[-1].removesuffix(".py") in (ROOT / file).read_text(encoding="utf-8"), (file, name)
