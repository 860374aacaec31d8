"""The notebooks of the book run, and each cell still shows what is stored: the same kinds of output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

DOCS = Path(__file__).parents[2] / "docs"
NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.ipynb"))

pytestmark = pytest.mark.timeout(600)  # trainings, on a machine that may be busy


def shown(notebook) -> list[list[list[str]]]:
    """Kinds of what each cell of code shows; what is written to stderr does not count."""
    return [
        [
            sorted(output["data"]) if "data" in output else ["stdout"]
            for output in cell["outputs"]
            if output.get("name") != "stderr"
        ]
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]


def test_there_are_three():
    assert [path.stem for path in NOTEBOOKS] == ["first-model", "live-stream", "meaning-of-a-latent"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_what_is_stored(path, tmp_path):
    copy = tmp_path / path.name
    copy.write_bytes(path.read_bytes())
    command = [sys.executable, str(DOCS / "run_notebooks.py"), str(copy)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=580)
    assert done.returncode == 0, done.stderr[-3000:]
    assert shown(json.loads(copy.read_text())) == shown(json.loads(path.read_text()))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_stored_notebook_holds_no_trace_of_a_machine(path):
    text = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert all(not cell.metadata for cell in notebook.cells)
    assert all(trace not in text for trace in ("/home/", "/root/", "/tmp/", "site-packages", "Traceback"))
    assert len(text) < 700_000
