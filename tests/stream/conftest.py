"""A service on free loopback ports, and producers and readers for it; all are gone at the end of a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq
from stream_support import FREE, LIMIT_S, RawProducer, noisy

from shiftvae_rt.encode.mapper import LatentMapper
from shiftvae_rt.stream import Producer, Service, Subscriber


@pytest.fixture(scope="session")
def mapper(tiny_model: Path) -> LatentMapper:
    return LatentMapper(tiny_model)


@pytest.fixture(scope="session")
def line_mapper(tiny_line_model: Path) -> LatentMapper:
    return LatentMapper(tiny_line_model)


@pytest.fixture
def serve() -> Iterator[Callable[..., Service]]:
    """Start services; they are stopped at the end of the test."""
    running: list[Service] = []

    def start(mapper: Any, **options: Any) -> Service:
        service = Service(mapper, **{"ingest": FREE, "results": FREE, **options})
        service.__enter__()
        running.append(service)
        return service

    yield start
    for service in running:
        service.__exit__()


@pytest.fixture
def service(serve: Callable[..., Service], mapper: LatentMapper) -> Service:
    return serve(mapper)


@pytest.fixture
def produce() -> Iterator[Callable[..., Producer]]:
    """Make producers; those that a test does not close are closed without waiting."""
    made: list[Producer] = []

    def make(service: Service | str, stream: str = "s", **options: Any) -> Producer:
        endpoint = service if isinstance(service, str) else service.ingest
        producer = Producer(endpoint, stream=stream, **options)
        made.append(producer)
        return producer

    yield make
    for producer in made:
        producer.close(0)


@pytest.fixture
def subscribe() -> Iterator[Callable[[Service], Subscriber]]:
    """Make subscribers that receive from the next result on."""
    made: list[Subscriber] = []

    def make(service: Service) -> Subscriber:
        subscriber = Subscriber(service.results)
        made.append(subscriber)
        subscriber.wait_ready(LIMIT_S)
        assert service.wait_for_readers(len(made), LIMIT_S)
        return subscriber

    yield make
    for subscriber in made:
        subscriber.close()


@pytest.fixture
def raw() -> Iterator[Callable[..., RawProducer]]:
    """Make producers that send bytes as they are told."""
    context = zmq.Context()
    made: list[RawProducer] = []

    def make(service: Service) -> RawProducer:
        made.append(RawProducer(context, service.ingest))
        return made[-1]

    yield make
    for client in made:
        client.socket.close()
    context.term()


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """A movie of 7 frames."""
    path = tmp_path / "movie.npy"
    np.save(path, noisy((7, 48, 64)))
    return path
