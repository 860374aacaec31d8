"""What is installed of the client: a C99 header, a library that exports `svc_*` alone, packages, examples that run."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from c_library import ROOT, need, said, tool
from client_library import HEADER

pytestmark = [
    pytest.mark.timeout(600),  # the first of them builds the library
    pytest.mark.skipif(sys.platform != "linux", reason="the packages of a Linux library are looked at"),
]
EXAMPLES = ROOT / "examples"
NEEDED = {"libc", "libm", "libpthread", "ld-linux-x86-64", "ld-linux-aarch64", "libzmq"}
MOST_BYTES = 500_000
STRICT = "-pedantic-errors -Wall -Wextra -Werror"


@pytest.fixture
def found(client_prefix) -> dict[str, str]:
    """An environment in which the library is found by pkg-config and by the loader."""
    libraries = client_prefix / "lib"
    return os.environ | {"PKG_CONFIG_PATH": str(libraries / "pkgconfig"), "LD_LIBRARY_PATH": str(libraries)}


def built(compiler: str, source, found, folder) -> None:
    need(compiler.split()[0], "pkg-config")
    said(
        ["sh", "-c", f"{compiler} {STRICT} {source} $(pkg-config --cflags --libs shiftvae_client)"],
        cwd=folder,
        env=found,
    )


def test_only_the_functions_of_the_header_are_exported(client_prefix):
    need("nm", "readelf")
    library = (client_prefix / "lib" / "libshiftvae_client.so").resolve()
    lines = said(["nm", "-D", "--defined-only", library]).splitlines()
    header = re.sub(r"/\*.*?\*/", "", HEADER.read_text(encoding="utf-8"), flags=re.DOTALL)
    functions = set(re.findall(r"^SVC_API [^(]*?(\w+)\(", header, re.MULTILINE))
    assert {line.split()[-1].split("@")[0] for line in lines} == functions
    assert len(functions) == 31
    dynamic = said(["readelf", "-d", library])
    assert {name.split(".")[0] for name in re.findall(r"\(NEEDED\).*\[(.*?)\]", dynamic)} <= NEEDED
    assert "[libshiftvae_client.so.1]" in dynamic
    assert library.stat().st_size <= MOST_BYTES


@pytest.mark.parametrize("compiler", ["cc -std=c99", "c++ -std=c++11"])
def test_the_header_is_plain_c99_and_c_plus_plus(client_prefix, found, tmp_path, compiler):
    source = tmp_path / ("header.c" if compiler.startswith("cc") else "header.cpp")
    source.write_text(
        "#include <shiftvae_client.h>\nint main(void) { return svc_abi_version() == SVC_ABI_VERSION - 1; }\n"
    )
    built(compiler, source, found, tmp_path)
    said(["./a.out"], cwd=tmp_path, env=found)


def test_the_c_example_scans_until_it_has_the_map_of_python(found, serve, mapper, tmp_path):
    source = EXAMPLES / "c_client" / "example.c"
    assert len(source.read_text(encoding="utf-8").splitlines()) <= 60
    built("cc", source, found, tmp_path)
    service = serve(mapper)
    frame = np.random.default_rng(0).poisson(80, (70, 90)).astype(np.uint16)
    frame.tofile(tmp_path / "frame.raw")
    arguments = [service.ingest, service.results, "frame.raw", "70", "90", "map.raw"]
    answer = said(["./a.out", *arguments], cwd=tmp_path, env=found)
    wanted = mapper.map(frame)
    np.testing.assert_array_equal(np.fromfile(tmp_path / "map.raw", np.float32), wanted.mean.ravel())
    assert re.findall(r"^(\w+) of the first", answer, re.MULTILINE) == list(wanted.names)
    assert ", any text of yours\n" in answer
    (tmp_path / "frame.raw").write_bytes(bytes(70 * 90 * 2))
    blank = subprocess.run(
        ["./a.out", *arguments], cwd=tmp_path, env=found, capture_output=True, text=True, check=False
    )
    assert blank.returncode == 1
    assert blank.stderr.startswith("bad_frame: ")


def test_the_cpp_example_prints_the_maps_of_its_frames(found, serve, mapper, tmp_path):
    source = EXAMPLES / "cpp_client" / "client.cpp"
    assert len(source.read_text(encoding="utf-8").splitlines()) <= 42
    built("c++ -std=c++17", source, found, tmp_path)
    service = serve(mapper)
    *maps, last = said(["./a.out", service.ingest, service.results, "20"], cwd=tmp_path, env=found).splitlines()
    for number, line in enumerate(maps, 1):
        words = dict(word.split("=") for word in line.split()[1:])
        frame = ((37 * np.arange(64 * 48) + 11 * number) % 251).astype(np.uint16).reshape(64, 48)
        wanted = mapper.map(frame).mean
        assert (int(words["frame"]), int(words["size"])) == (number, wanted.size)
        assert float(words["sum"]) == pytest.approx(float(wanted.astype(float).sum()), rel=1e-4)
    assert len(maps) == 20
    offered, processed = (int(word.partition("=")[2]) for word in last.split())
    assert offered >= processed >= 20


def test_the_code_on_the_page_compiles(client_prefix, found, tmp_path):
    page = (ROOT / "docs" / "how-to" / "c-client.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```c\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    for number, block in enumerate(blocks):
        source = tmp_path / f"{number}.c"
        source.write_text(block)
        built("cc -std=c99 -c", source, found, tmp_path)


def test_find_package_finds_the_component_wherever_it_was_moved(client_prefix, tmp_path):
    need("cmake", "cc")
    moved = tmp_path / "moved"
    said(["cp", "-a", client_prefix, moved])
    source = EXAMPLES / "c_client" / "example.c"
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.20)\nproject(host LANGUAGES C)\n"
        "find_package(shiftvae CONFIG REQUIRED COMPONENTS client)\n"
        f"add_executable(host {source})\ntarget_link_libraries(host PRIVATE shiftvae::client)\n"
    )
    cmake = tool("cmake")
    configure = [cmake, "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={moved}"]
    said(configure)
    said([cmake, "--build", tmp_path / "build"])
    assert (tmp_path / "build" / "host").exists()
    for each in (moved / "lib" / "cmake" / "shiftvae").glob("shiftvae_client*"):
        each.unlink()
    done = subprocess.run([*map(str, configure)], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "built without libzmq" in " ".join(done.stderr.split())


def test_a_build_without_libzmq_says_so_and_goes_on(client_prefix, tmp_path):
    need("cmake", "c++")
    lacking = f"-DSHIFTVAE_ZMQ_LIBRARY={tmp_path / 'libzmq.so'}"
    answer = said([tool("cmake"), "-S", ROOT, "-B", tmp_path / "build", lacking])
    assert "libshiftvae_client: SKIPPED, no libzmq 4.3" in answer
    assert "apt install libzmq3-dev" in answer
