"""Every import contract is seen to break: an import that it forbids is planted in a copy of the tree."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parents[2]
CONTRACTS = {
    contract["id"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}
#: A room that the contract does not let in, beside what it must not import.
PLANTS = {
    "no-torch": ("shiftvae_rt.frame", "torch"),
    "no-sockets": ("shiftvae_rt.stream.protocol.wire", "zmq"),
    "zmq": ("shiftvae_rt.frame", "zmq"),
    "onnxruntime": ("shiftvae_rt.frame", "onnxruntime"),
}


def plant_of(contract: dict) -> tuple[str, str]:
    """The lowest room of a layered contract, and the highest; of a single layer, two that are to be independent."""
    if contract["id"] in PLANTS:
        return PLANTS[contract["id"]]
    container, layers = contract["containers"][0], contract["layers"]
    lowest, highest = (re.split(r"\s*\|\s*", layers[i])[i].strip("()") for i in (-1, 0))
    return f"{container}.{lowest}", f"{container}.{highest}"


def file_of(tree: Path, module: str) -> Path:
    folder = tree / ("training" if module.startswith("shiftvae_training") else "") / Path(*module.split("."))
    return folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")


#: `lint-imports`, without the finder of an editable install: it would lead back to the tree that was installed.
LINT = """
import sys
known = [repr(getattr(finder, "known_source_files", "")) for finder in sys.meta_path]
sys.meta_path[:] = [finder for finder, files in zip(sys.meta_path, known) if "shiftvae" not in files]
from importlinter.cli import lint_imports_command
lint_imports_command(["--no-cache"])
"""


def lint(tree: Path) -> str:
    paths = os.pathsep.join([str(tree), str(tree / "training")])
    done = subprocess.run(
        [sys.executable, "-c", LINT], cwd=tree, capture_output=True, text=True, timeout=110, check=False,
        env={**os.environ, "PYTHONPATH": paths, "COLUMNS": "200"},
    )  # fmt: skip
    return done.stdout


@pytest.fixture(scope="module")
def broken(tmp_path_factory) -> str:
    """What is said of a tree with all plants in it at once."""
    tree = tmp_path_factory.mktemp("tree")
    for package in ("shiftvae_rt", "training/shiftvae_training"):
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    for contract in CONTRACTS.values():
        room, forbidden = plant_of(contract)
        with file_of(tree, room).open("a") as file:
            file.write(f"\nimport {forbidden}\n")
    return lint(tree)


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_a_planted_import_breaks_its_contract(contract, broken):
    room, forbidden = plant_of(contract)
    assert f"{contract['name']} BROKEN" in broken
    said = broken.split("Broken contracts", 1)[1].split(f"\n{contract['name']}\n", 1)[1]
    assert re.search(rf"{re.escape(room)}[\w.]* (->|is not allowed to import|imports) {re.escape(forbidden)}", said)


def test_a_room_that_no_contract_names_is_refused(tmp_path):
    for package in ("shiftvae_rt", "training/shiftvae_training"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "shiftvae_rt" / "stream" / "service" / "annex.py").write_text('"""New."""\n')
    said = lint(tmp_path)
    assert "shiftvae_rt.stream.service imports downwards only BROKEN" in said
    assert "annex" in said


def packages() -> set[str]:
    folders = [ROOT / "shiftvae_rt", ROOT / "training" / "shiftvae_training"]
    return {
        ".".join((half.name, *package.parent.relative_to(half).parts))
        for half in folders
        for package in half.rglob("__init__.py")
    }


@pytest.mark.parametrize("half", ["shiftvae_rt", "training/shiftvae_training"])
def test_no_module_is_longer_than_three_hundred_lines(half):
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in (ROOT / half).rglob("*.py")}
    assert {str(path): size for path, size in sizes.items() if size > 300} == {}


def test_every_wing_has_a_contract():
    held = {contract["containers"][0] for contract in CONTRACTS.values() if contract["type"] == "layers"}
    assert packages() - held == set()


@pytest.mark.parametrize("package", sorted(packages()))
def test_a_folder_holds_no_more_than_twenty_files(package):
    assert len(list(file_of(ROOT, package).parent.glob("*.py"))) <= 20
