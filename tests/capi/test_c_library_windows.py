"""The library and its example as Windows programs, built by MinGW-w64 and run under wine: `make test-windows`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from c_library import ROOT, tool

from shiftvae_rt import LatentMapper

BUILT = ROOT / "build" / "windows" / "cpp" / "capi" / "libshiftvae.dll"
COMPILER = "x86_64-w64-mingw32-gcc-posix"
#: Half of it are the kernels for three instruction sets.
MOST_BYTES = 700_000
#: Libraries of Windows itself.
OF_WINDOWS = {"KERNEL32.dll", "msvcrt.dll"}
#: Largest difference from Python on Linux, in units of a latent's deviation over the frame.
MOST_OFF = 1e-5

pytestmark = [
    pytest.mark.timeout(300),  # the first program waits for wine to set up its folder
    pytest.mark.skipif(
        not BUILT.exists() or tool(COMPILER) is None or tool("wine") is None,
        reason="`make test-windows` builds the library of Windows, with MinGW-w64 and wine",
    ),
]


def run(command: list[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*map(str, command)], cwd=folder, capture_output=True, text=True, check=False, timeout=280, env=os.environ
    )


@pytest.fixture
def example(tmp_path) -> Path:
    """The example, built beside the library."""
    source = ROOT / "examples" / "c_library" / "example.c"
    options = ["-Wall", "-Wextra", f"-I{ROOT / 'cpp' / 'capi'}", BUILT.with_suffix(".dll.a"), "-o", "example.exe"]
    built = run([COMPILER, source, *options], tmp_path)
    assert built.returncode == 0, built.stderr
    (tmp_path / BUILT.name).symlink_to(BUILT)
    return tmp_path / "example.exe"


def test_the_library_is_small_and_needs_nothing_but_windows():
    assert BUILT.stat().st_size <= MOST_BYTES
    said = run(["x86_64-w64-mingw32-objdump", "-p", BUILT], BUILT.parent).stdout
    assert {line.split()[-1] for line in said.splitlines() if "DLL Name:" in line} == OF_WINDOWS


def test_the_example_gives_the_map_of_python(example, tiny_model):
    frame = np.random.default_rng(0).poisson(80, (70, 90)).astype(np.uint16)
    frame.tofile(example.parent / "frame.raw")
    done = run(["wine", example.name, tiny_model, "frame.raw", "70", "90", "map.raw"], example.parent)
    assert done.returncode == 0, done.stderr
    wanted = LatentMapper(tiny_model).map(frame).mean
    found = np.fromfile(example.parent / "map.raw", np.float32).reshape(wanted.shape)
    spread = wanted.std(axis=(1, 2), keepdims=True)
    assert (np.abs(found - wanted) / spread).max() <= MOST_OFF


def test_the_example_says_what_was_wrong(example):
    (example.parent / "bad.svae").write_bytes(b"no zip")
    done = run(["wine", example.name, "bad.svae", "frame.raw", "70", "90", "map.raw"], example.parent)
    assert done.returncode == 1
    assert "bad.svae: the model file is not a zip" in done.stderr
