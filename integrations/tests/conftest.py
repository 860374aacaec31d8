"""A service for all bridges, and their folders on the path."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

INTEGRATIONS = Path(__file__).parents[1]
sys.path += [str(INTEGRATIONS / name) for name in ("libertem", "pymmcore", "areadetector", "tango")]
from service_beside import Runtime  # noqa: E402


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    made = Runtime(tmp_path_factory.mktemp("runtime"))
    made.start()
    yield made
    made.close()
