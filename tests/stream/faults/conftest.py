"""Services in processes of their own; all are gone at the end of a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import Serving


@pytest.fixture
def shiftvae_serve(tiny_model: Path) -> Iterator[Callable[..., Serving]]:
    running: list[Serving] = []

    def start(*options: object, **more: Any) -> Serving:
        running.append(Serving(tiny_model, *options, **more))
        return running[-1]

    yield start
    for serving in running:
        serving.process.kill()
        serving.process.communicate()
