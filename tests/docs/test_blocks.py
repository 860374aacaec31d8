"""Every block of the tutorial and of the guides runs, on a small simulated scan and a model of a short training."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from page_runner import Block, Shell, blocks_of, run_console

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
HERE = Path(__file__).parent
PAGES = [DOCS / "tutorial.md", *sorted((DOCS / "how-to").glob("*.md"))]

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="the blocks are for bash"),
    pytest.mark.timeout(300),  # trainings, on a machine that may be busy
]


def environment() -> dict[str, str]:
    folder = Path(sys.executable).parent
    return os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}


def own_network() -> list[str]:
    """What runs a command with a loopback of its own, where every port is free; nothing where none is to be had."""
    enter = ["unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    try:
        works = subprocess.run([*enter, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        works = False
    return enter if works else []


def run_page(page: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [*own_network(), sys.executable, str(HERE / "page_runner.py"), str(page)]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=False, timeout=280
    )


@pytest.fixture(scope="session")
def tutorial(tmp_path_factory) -> Path:
    """The folder in which the tutorial was followed: the guides go on from there."""
    folder = tmp_path_factory.mktemp("tutorial")
    done = run_page(DOCS / "tutorial.md", folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_tutorial_runs_and_leaves_what_it_promises(tutorial):
    for name in ("scan.tif", "movie.tif", "sample.svae", "sample.html", "map.png"):
        assert (tutorial / name).exists(), name


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.stem)
def test_the_blocks_of_a_guide_run(page, tutorial, tmp_path):
    for name in ("scan.tif", "movie.tif", "sample.svae"):
        shutil.copy(tutorial / name, tmp_path)
    done = run_page(page, tmp_path)
    assert done.returncode == 0, done.stderr


def test_every_guide_has_a_block_that_runs_or_says_why_not():
    without = [page.stem for page in PAGES if not blocks_of(page.read_text(encoding="utf-8"))]
    assert without == []


def test_blocks_are_found_with_their_language_and_line():
    page = "# Title\n\n```python\nx = 1\n```\n\n1. step\n\n   ```bash\n   ls\n   ```\n\n```powershell\ndir\n```\n"
    assert blocks_of(page) == [Block("python", "x = 1\n", 4), Block("bash", "ls\n", 10)]


@pytest.mark.parametrize(
    "text",
    ["false\ntrue\n", "shiftvae inspect there-is-none.svae\n", "exit 0\n"],
    ids=["false", "a named error", "exit"],
)
def test_a_line_that_fails_is_seen(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Shell() as shell, pytest.raises(RuntimeError, match="a line of this block failed"):
        shell.run(text)


def test_an_answer_that_differs_is_seen(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Shell() as shell:
        run_console(shell, "$ echo one two\none ...\n")
        with pytest.raises(RuntimeError, match="expected:\nthree"):
            run_console(shell, "$ echo one two\nthree\n")
