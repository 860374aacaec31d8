"""Shared by the tests of the C libraries: built and installed once; a service for the client; models."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from c_library import Library, install, tool
from client_library import ClientLibrary, CProducer, CReader
from tiny_models import write_tiny_model

from shiftvae_rt import LatentMapper
from shiftvae_rt.stream import Options, Service


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


@pytest.fixture(scope="session")
def client_prefix(prefix) -> Path:
    """The folder that the client's library was installed into; skips, saying so, where it could not be built."""
    if not (prefix / "include" / "shiftvae_client.h").exists():
        pytest.skip("libshiftvae_client was not built: apt install libzmq3-dev")
    return prefix


@pytest.fixture(scope="session")
def client(client_prefix) -> ClientLibrary:
    """The client's library that was built."""
    (path,) = [*client_prefix.glob("lib/libshiftvae_client.so"), *client_prefix.glob("lib/libshiftvae_client.dylib")]
    return ClientLibrary(path)


@pytest.fixture(scope="session")
def mapper(tiny_model) -> LatentMapper:
    return LatentMapper(tiny_model)


@pytest.fixture
def serve() -> Iterator[Callable[..., Service]]:
    """Start services, for which no frame is too old; they are stopped at the end of the test."""
    running: list[Service] = []

    def start(mapper: Any, **options: Any) -> Service:
        free = "tcp://127.0.0.1:0"
        service = Service(mapper, ingest=free, results=free, options=Options(**{"max_age_s": 1000.0, **options}))
        running.append(service.__enter__())
        return service

    yield start
    for service in running:
        service.__exit__()


@pytest.fixture
def produce(client) -> Iterator[Callable[..., CProducer]]:
    """Open producers; they are closed at the end of the test."""
    made: list[CProducer] = []

    def make(*arguments: Any, **options: Any) -> CProducer:
        made.append(CProducer(client, *arguments, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def read(client) -> Iterator[Callable[..., CReader]]:
    """Open readers; they are closed at the end of the test."""
    made: list[CReader] = []

    def make(*arguments: Any, **options: Any) -> CReader:
        made.append(CReader(client, *arguments, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()
