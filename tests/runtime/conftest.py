"""Mappers of tiny models."""

from __future__ import annotations

import pytest
from tiny_models import write_tiny_model

from shiftvae_rt import LatentMapper


@pytest.fixture(scope="module")
def mapper(tiny_model):
    return LatentMapper(tiny_model)


@pytest.fixture(scope="module")
def mappers(tiny_model):
    return {stride: LatentMapper(tiny_model, stride=stride) for stride in (1, 2, 4, 8, 16)}


@pytest.fixture(scope="module")
def two_channels(tmp_path_factory):
    return LatentMapper(write_tiny_model(tmp_path_factory.mktemp("m") / "two.svae", channels=2))


@pytest.fixture(scope="module")
def lines(tiny_line_model):
    return LatentMapper(tiny_line_model)
