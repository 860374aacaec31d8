"""S6: what must not be in the code that faces the network."""

from __future__ import annotations

import ast
from importlib.metadata import requires
from pathlib import Path

import pytest

import shiftvae_rt

SOURCES = sorted(Path(shiftvae_rt.__file__).parent.rglob("*.py"))
FORBIDDEN_NAMES = {"eval", "exec", "recv_pyobj", "send_pyobj", "CONFLATE", "XPUB_NODROP", "unpickle"}
FORBIDDEN_MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}


def sins(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            found += [name for name in names if name.partition(".")[0] in FORBIDDEN_MODULES]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_NAMES:
            found.append(node.func.id)
        elif isinstance(node, ast.Attribute) and node.attr in FORBIDDEN_NAMES:
            found.append(node.attr)
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            found += [] if isinstance(node.value, ast.Constant) and node.value.value is False else ["allow_pickle"]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "tcp://*" in node.value:
            found.append("tcp://*")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_module_unpickles_evaluates_or_binds_everywhere(path: Path) -> None:
    assert sins(ast.parse(path.read_text())) == []


@pytest.mark.parametrize(
    "code",
    ["import pickle", "from pickle import loads", "eval('1')", "s.recv_pyobj()", "np.load(f, allow_pickle=True)",
     "zmq.CONFLATE", "s.bind('tcp://*:5701')"],
)  # fmt: skip
def test_each_of_them_would_be_seen(code: str) -> None:
    assert sins(ast.parse(code))


def test_the_versions_that_are_asked_for_are_the_safe_ones() -> None:
    asked = " ".join(requires("shiftvae-rt") or [])
    assert "onnx>=1.21" in asked
    assert "torch>=2.10" in asked
