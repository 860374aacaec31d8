"""The script that makes the folder for a Windows PC without internet: what is in it, and what it refuses."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "offline_folder" / "make_folder.py"


def wheel(folder: Path, name: str, tag: str, *requires: str) -> Path:
    """An empty wheel that requires others."""
    path, info = folder / f"{name}-1.0-{tag}.whl", f"{name}-1.0.dist-info"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0", "Provides-Extra: cpu"]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{info}/METADATA", "\n".join([*lines, *(f"Requires-Dist: {one}" for one in requires), ""]))
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def index(tmp_path) -> Path:
    """Wheels that pip finds in place of an index: one for Windows, one for Linux alone."""
    folder = tmp_path / "index"
    folder.mkdir()
    wheel(folder, "shiftvae_rt", "cp311-cp311-win_amd64", 'onnxruntime; extra == "cpu"')
    wheel(folder, "onnxruntime", "cp311-cp311-win_amd64")
    return folder


def make(index: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index)}
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_the_folder_holds_wheels_for_windows_models_a_menu_and_the_name_of_the_installer(index, tiny_model, tmp_path):
    folder = tmp_path / "stick"
    done = make(index, folder, tiny_model, "--extras", "cpu")
    assert done.returncode == 0, done.stderr
    assert {file.name for file in (folder / "wheels").iterdir()} == {file.name for file in index.iterdir()}
    assert (folder / "models" / tiny_model.name).read_bytes() == tiny_model.read_bytes()
    facts = runpy.run_path(str(SCRIPT))
    note = (folder / "Python.txt").read_text()
    assert facts["INSTALLER"] in note
    assert re.search(r"SHA-256 [0-9a-f]{64}$", note, re.MULTILINE)
    assert facts["INSTALLER"] in done.stdout


def test_the_menu_is_a_batch_file_that_installs_from_the_folder_alone(index, tiny_model, tmp_path):
    make(index, tmp_path / "stick", tiny_model, "--extras", "cpu")
    raw = (tmp_path / "stick" / "shiftvae.bat").read_bytes()
    assert raw.count(b"\r\n") == raw.count(b"\n") > 20
    menu = raw.decode("ascii")
    assert '--no-index --find-links wheels "shiftvae-rt[cpu]"' in menu
    assert f'serve "models\\{tiny_model.name}"' in menu
    assert "@" not in menu.replace("@echo", "")
    assert set(re.findall(r"goto (\w+)", menu)) <= set(re.findall(r"^:(\w+)", menu.replace("\r", ""), re.MULTILINE))


def test_a_wheel_of_ours_is_taken_in_place_of_the_release(index, tiny_model, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    ours = (index / "shiftvae_rt-1.0-cp311-cp311-win_amd64.whl").rename(
        own / "shiftvae_rt-1.0-cp311-cp311-win_amd64.whl"
    )
    done = make(index, tmp_path / "stick", tiny_model, "--wheel", ours, "--extras", "cpu")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "stick" / "wheels" / ours.name).exists()


def test_what_has_no_wheel_for_windows_is_said_and_nothing_is_left_behind(index, tiny_model, tmp_path):
    (index / "onnxruntime-1.0-cp311-cp311-win_amd64.whl").unlink()
    wheel(index, "onnxruntime", "cp311-cp311-manylinux_2_28_x86_64")
    done = make(index, tmp_path / "stick", tiny_model, "--extras", "cpu")
    assert done.returncode == 1
    assert "could not be fetched" in done.stderr
    assert "onnxruntime" in done.stderr
    assert not (tmp_path / "stick").exists()


def test_a_folder_that_is_there_and_a_file_that_is_no_model_are_refused(index, tiny_model, tmp_path):
    assert "there already" in make(index, tmp_path, tiny_model).stderr
    assert "expected a model file" in make(index, tmp_path / "stick", SCRIPT).stderr
    assert not (tmp_path / "stick").exists()
