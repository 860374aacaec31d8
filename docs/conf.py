"""How Sphinx builds the book: `make docs`, without a network. The reasons are in decisions/book.md."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import shiftvae_rt

project = "shiftvae-rt"
author = "shiftvae-rt contributors"
copyright = author
release = version = shiftvae_rt.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "command_line", "manifest_schema"]
exclude_patterns = ["_ext", "**.ipynb_checkpoints"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # the outputs are stored; tests/docs/test_notebooks.py runs them

default_role = "py:obj"  # `LatentMap` in a docstring becomes a link
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_attr_annotations = False  # the signature has the types

html_theme = "furo"
html_title = f"{project} {release}"
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_copy_source = False
html_show_sourcelink = False

ARRAY = re.compile(r"~?(?:numpy\.)?ndarray\[tuple\[~?(?:typing\.)?Any, \.\.\.\], ~?(?:numpy\.)?dtype\[([\w.~]+)\]\]")


def say_array(*event: Any) -> tuple[str | None, str | None]:
    """Write array types in signatures as the source has them, `NDArray[float32]`."""
    signature, returns = (text and ARRAY.sub(_plain, text) for text in event[-2:])
    return signature, returns


def _plain(array: re.Match[str]) -> str:
    return f"NDArray[{array[1].split('.')[-1]}]"


def suit_napoleon(*event: Any) -> None:
    """Change what napoleon misreads: names that share a description, and a colon in the first line of a property."""
    what, lines = event[1], event[-1]
    lines[:] = [line.replace(", ", ",") if re.fullmatch(r"\w+(, \w+)+", line) else line for line in lines]
    if what in ("property", "attribute", "data"):
        lines.insert(0, "")


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-signature", say_array)
    app.connect("autodoc-process-docstring", suit_napoleon, priority=400)  # before napoleon's 500
