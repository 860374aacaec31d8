"""Packs the modules of `shiftvae_rt` that a client needs under the name `shiftvae_client`.

All modules but those of the face `client` go in without docstrings and comments, which are half of the wheel. Blank
lines take their place, so that the line numbers of a traceback are those of the repository.
"""

from __future__ import annotations

import ast
import io
import shutil
import tempfile
import tokenize
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ClientModules(BuildHookInterface):
    """Build hook: `documented` and `modules` of pyproject.toml are folders and files below ``shiftvae_rt``.

    All of the folder ``shiftvae_client`` here goes in beside them.
    """

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  # hatch calls it so
        here = Path(self.root)
        runtime, own = here.parent / "shiftvae_rt", here / "shiftvae_client"
        self._trimmed = Path(tempfile.mkdtemp())
        included = build_data["force_include"]
        for path in modules_at(runtime, self.config["documented"]):
            included[str(path)] = f"shiftvae_client/{path.relative_to(runtime).as_posix()}"
        for root, paths in ((runtime, modules_at(runtime, self.config["modules"])), (own, sorted(own.rglob("*.py")))):
            for path in paths:
                place = path.relative_to(root)
                trimmed = self._trimmed / place
                trimmed.parent.mkdir(parents=True, exist_ok=True)
                trimmed.write_text(code_alone(path.read_text()))
                included[str(trimmed)] = f"shiftvae_client/{place.as_posix()}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        shutil.rmtree(self._trimmed)


def modules_at(root: Path, entries: list[str]) -> list[Path]:
    """Modules below `root`: those named, and those directly in folders named."""
    sources = [root / entry for entry in entries]
    return [path for source in sources for path in (sorted(source.glob("*.py")) if source.is_dir() else [source])]


def code_alone(source: str) -> str:
    """Leave out comments, and replace each docstring by an empty one and blank lines."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            text = node.body[0]
            first, last = text.lineno - 1, text.end_lineno
            lines[first:last] = [" " * text.col_offset + '""', *[""] * (last - first - 1)]
    return "\n".join(lines) + "\n"
