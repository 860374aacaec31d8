"""Packs the modules of `shiftvae_rt` that a client needs under the name `shiftvae_client`.

Modules below the face `client` go in without docstrings and comments, which are half of the wheel. Blank lines take
their place, so that the line numbers of a traceback are those of the repository.
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
    """Build hook: `documented` and `modules` of pyproject.toml are folders and files below ``shiftvae_rt``."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  # hatch calls it so
        runtime = Path(self.root).parent / "shiftvae_rt"
        self._trimmed = Path(tempfile.mkdtemp())
        for entry in (*self.config["documented"], *self.config["modules"]):
            source = runtime / entry
            for path in sorted(source.glob("*.py")) if source.is_dir() else [source]:
                place = path.relative_to(runtime)
                if entry in self.config["modules"]:
                    path = self._trimmed / place
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(code_alone((runtime / place).read_text()))
                build_data["force_include"][str(path)] = f"shiftvae_client/{place.as_posix()}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        shutil.rmtree(self._trimmed)


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
