"""What is installed: a header of C99, a library that exports `sv_*` alone, its packages, and examples that run."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from c_library import ROOT, need, said, tool

from shiftvae_rt import LatentMapper, get_include, get_library

EXAMPLES = ROOT / "examples" / "c_library"
MOST_BYTES = 700_000
NEEDED = {"libc", "libm", "libpthread", "ld-linux-x86-64", "ld-linux-aarch64"}

pytestmark = [
    pytest.mark.timeout(600),  # the first of them builds the library
    pytest.mark.skipif(sys.platform != "linux", reason="the packages of a Linux library are looked at"),
]


@pytest.fixture
def found(prefix) -> dict[str, str]:
    """An environment in which the library is found by pkg-config and by the loader."""
    libraries = prefix / "lib"
    return os.environ | {"PKG_CONFIG_PATH": str(libraries / "pkgconfig"), "LD_LIBRARY_PATH": str(libraries)}


@pytest.fixture
def frame() -> np.ndarray:
    return np.random.default_rng(0).poisson(80, (70, 90)).astype(np.uint16)


def test_only_the_functions_of_the_header_are_exported(prefix):
    need("nm")
    lines = said(["nm", "-D", "--defined-only", prefix / "lib" / "libshiftvae.so"]).splitlines()
    exported = {line.split()[-1].split("@")[0] for line in lines}
    header = (prefix / "include" / "shiftvae.h").read_text(encoding="utf-8")
    assert exported == set(re.findall(r"^SV_API [^(]*?(\w+)\(", header, re.MULTILINE))
    assert len(exported) == 23


def test_the_library_is_small_and_needs_nothing_but_the_c_library(prefix):
    need("readelf")
    library = (prefix / "lib" / "libshiftvae.so").resolve()
    assert library.stat().st_size <= MOST_BYTES
    dynamic = said(["readelf", "-d", library])
    assert {name.split(".")[0] for name in re.findall(r"\(NEEDED\).*\[(.*?)\]", dynamic)} <= NEEDED
    assert "[libshiftvae.so.1]" in dynamic


@pytest.mark.parametrize("compiler", ["cc -std=c99 -pedantic-errors", "c++ -std=c++11 -pedantic-errors"])
def test_the_header_is_plain_c99_and_c_plus_plus(prefix, tmp_path, compiler):
    need(compiler.split()[0])
    source = tmp_path / ("header.c" if compiler.startswith("cc") else "header.cpp")
    source.write_text("#include <shiftvae.h>\nint main(void) { return sv_abi_version() == 0; }\n")
    said([*compiler.split(), "-Wall", "-Wextra", "-Werror", f"-I{prefix / 'include'}", "-c", source], cwd=tmp_path)


def test_the_c_example_builds_with_pkg_config_and_gives_the_map_of_python(prefix, found, frame, tiny_model, tmp_path):
    need("cc", "pkg-config")
    source = EXAMPLES / "example.c"
    assert len(source.read_text(encoding="utf-8").splitlines()) <= 60
    said(
        ["sh", "-c", f"cc -Wall -Wextra -Werror {source} $(pkg-config --cflags --libs shiftvae)"],
        cwd=tmp_path,
        env=found,
    )
    frame.tofile(tmp_path / "frame.raw")
    answer = said(["./a.out", tiny_model, "frame.raw", "70", "90", "map.raw"], cwd=tmp_path, env=found)
    wanted = LatentMapper(tiny_model).map(frame)
    assert "line 16: rows 0 to 0 of 14\n" in answer
    assert re.findall(r"^(\w+): mean", answer, re.MULTILINE) == list(wanted.names)
    np.testing.assert_array_equal(np.fromfile(tmp_path / "map.raw", np.float32), wanted.mean.ravel())


def test_the_code_on_the_page_compiles(prefix, tmp_path):
    need("cc")
    page = (ROOT / "docs" / "how-to" / "c-library.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```c\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    for number, block in enumerate(blocks):
        source = tmp_path / f"{number}.c"
        source.write_text(block)
        options = ["-std=c99", "-pedantic-errors", "-Wall", "-Wextra", "-Werror", f"-I{prefix / 'include'}"]
        said(["cc", *options, "-c", source], cwd=tmp_path)


def test_the_c_example_says_what_was_wrong(prefix, found, tmp_path):
    need("cc", "pkg-config")
    said(["sh", "-c", f"cc {EXAMPLES / 'example.c'} $(pkg-config --cflags --libs shiftvae)"], cwd=tmp_path, env=found)
    (tmp_path / "bad.svae").write_bytes(b"no zip")
    done = subprocess.run(
        ["./a.out", "bad.svae", "frame.raw", "70", "90", "map.raw"],
        cwd=tmp_path,
        env=found,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "bad.svae: the model file is not a zip" in done.stderr


def test_the_python_example_gives_the_map_of_python(prefix, frame, tiny_model, tmp_path):
    np.save(tmp_path / "frame.npy", frame)
    library = prefix / "lib" / "libshiftvae.so"
    answer = said([sys.executable, EXAMPLES / "example.py", library, tiny_model, "frame.npy", "map.npy"], cwd=tmp_path)
    wanted = LatentMapper(tiny_model).map(frame)
    assert answer.splitlines()[0].startswith("dy: mean ")
    np.testing.assert_array_equal(np.load(tmp_path / "map.npy"), wanted.mean)


def test_find_package_finds_it_wherever_it_was_moved(prefix, found, tmp_path):
    need("cmake", "cc")
    moved = tmp_path / "moved"
    said(["cp", "-a", prefix, moved])
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.20)\nproject(host LANGUAGES C)\nfind_package(shiftvae CONFIG REQUIRED)\n"
        f"add_executable(host {EXAMPLES / 'example.c'})\ntarget_link_libraries(host PRIVATE shiftvae::shiftvae)\n"
    )
    cmake = tool("cmake")
    said([cmake, "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={moved}"])
    said([cmake, "--build", tmp_path / "build"])
    assert (tmp_path / "build" / "host").exists()


def test_an_installation_without_the_library_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr("shiftvae_rt._core.__file__", str(tmp_path / "_core.so"))
    for find in (get_include, get_library):
        with pytest.raises(FileNotFoundError, match="built without the C library"):
            find()
