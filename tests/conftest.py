"""Shared by all tests: tiny model files, and the folder of real data."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_models import write_tiny_model


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 2D, one-channel model file: window 16 px, latents dy, dx, z1, z2."""
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.svae")


@pytest.fixture(scope="session")
def tiny_line_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 1D, one-channel model file: window 16 px, latents dx, z1, z2."""
    return write_tiny_model(tmp_path_factory.mktemp("model") / "line.svae", dimensions=1)


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """Path of a real microscope file by name; skips, saying so, when the folder is not there."""
    folder = Path(os.environ.get("SHIFTVAE_DATA", Path(__file__).parents[2] / "shared" / "data"))

    def find(name: str) -> Path:
        if not (folder / name).exists():
            pytest.skip(f"no real data: set SHIFTVAE_DATA to the folder that holds {name}")
        return folder / name

    return find
