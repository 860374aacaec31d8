"""A service with its page, and browsers that do what a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from browser_support import Socket

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.stream import Options, Service

Make = Callable[..., Any]


@pytest.fixture
def shown(serve: Make, mapper: LatentMapper) -> Service:
    return serve(mapper, options=Options(http="127.0.0.1:0", max_age_s=60.0))


@pytest.fixture
def watch() -> Iterator[Callable[..., Socket]]:
    made: list[Socket] = []

    def connect(service: Service, **options: Any) -> Socket:
        made.append(Socket(service.http, **options))
        return made[-1]

    yield connect
    for client in made:
        client.close()
