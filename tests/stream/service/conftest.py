"""A service with a folder of models and a journal, and its control client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from stream_support import FREE
from tiny_models import write_tiny_model

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.stream import Control, Options, Service

Make = Callable[..., Any]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_tiny_model(folder / "other.svae", seed=5)
    return folder


@pytest.fixture
def asked(serve: Make, mapper: LatentMapper, models: Path, tmp_path: Path) -> Service:
    return serve(mapper, options=Options(control=FREE, models=models, journal=tmp_path / "j"))


@pytest.fixture
def control(asked: Service) -> Iterator[Control]:
    with Control(asked.control) as control:
        yield control
