"""Every test with a clock in it is marked, so that `make test-busy` runs it beside busy loops."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

FILES = sorted(Path(__file__).parents[1].rglob("test_*.py"))
READINGS = {"monotonic", "perf_counter", "process_time", "sleep"}
WAITS = {"wait_ready", "receive", "join", "communicate", "close", "poll"}
LIMITS = {"connect_s", "timeout_s", "timeout"}
#: A wait this long is there to end a test that hangs; a shorter one decides something.
HANGS_S = 10.0


def has_clock(function: ast.AST) -> bool:
    return any(map(reads_or_waits, ast.walk(function)))


def reads_or_waits(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in READINGS
    if isinstance(node, ast.Compare):
        return isinstance(node.left, ast.Call) and name_of(node.left) == "wait_for"
    if not isinstance(node, ast.Call):
        return False
    limits = [keyword.value for keyword in node.keywords if keyword.arg in LIMITS]
    if name_of(node) in WAITS:
        limits += node.args[:1]
    scale = 1000 if name_of(node) == "poll" else 1
    numbers = [limit.value for limit in limits if isinstance(limit, ast.Constant)]
    return any(isinstance(number, int | float) and 0 < number < HANGS_S * scale for number in numbers)


def name_of(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def is_marked(node: ast.Module | ast.FunctionDef) -> bool:
    if isinstance(node, ast.FunctionDef):
        return any("mark.clock" in ast.unparse(decorator) for decorator in node.decorator_list)
    return any("pytestmark" in ast.unparse(each) and "mark.clock" in ast.unparse(each) for each in node.body)


def unmarked(code: str) -> list[str]:
    module = ast.parse(code)
    tests = [each for each in module.body if isinstance(each, ast.FunctionDef) and each.name.startswith("test_")]
    return [] if is_marked(module) else [test.name for test in tests if has_clock(test) and not is_marked(test)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_test_with_a_clock_is_marked(path: Path) -> None:
    assert unmarked(path.read_text()) == [], "mark them with @pytest.mark.clock, or take the clock out"


@pytest.mark.parametrize(
    "line",
    ["t = time.monotonic()", "time.sleep(1)", "assert wait_for(f) < 2.5", "p.wait_ready(1.0)", "s.poll(300)",
     "Control(e, connect_s=0.2)"],
)  # fmt: skip
def test_a_clock_without_a_mark_is_seen(line: str) -> None:
    code = f"def test_it():\n    {line}\n"
    assert unmarked(code) == ["test_it"]
    assert unmarked(f"@pytest.mark.clock\n{code}") == unmarked(f"pytestmark = pytest.mark.clock\n{code}") == []
    assert unmarked("def test_it():\n    p.wait_ready(LIMIT_S); s.poll(10000); p.close(0)\n") == []
