"""Shared by the tests of the C library: the library, built and installed once, and models of several channels."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from c_library import Library, install, tool
from tiny_models import write_tiny_model


@pytest.fixture(scope="session")
def prefix(tmp_path_factory) -> Path:
    """The folder that the library was installed into."""
    if sys.platform == "win32":
        pytest.skip("the tests of the C library build with cmake and load a .so: not run on Windows")
    lacking = [name for name in ("cmake", "c++") if tool(name) is None]
    if lacking:
        pytest.skip(f"the C library cannot be built here: no {' and no '.join(lacking)}")
    return install(tmp_path_factory.mktemp("c_library") / "prefix")


@pytest.fixture(scope="session")
def library(prefix) -> Library:
    """The library that was built."""
    (path,) = [*prefix.glob("lib/libshiftvae.so"), *prefix.glob("lib/libshiftvae.dylib")]
    return Library(path)


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> dict[int, Path]:
    """A model file for each number of channels, 1 to 3."""
    folder = tmp_path_factory.mktemp("models")
    return {n: write_tiny_model(folder / f"{n}.svae", channels=n) for n in (1, 2, 3)}
