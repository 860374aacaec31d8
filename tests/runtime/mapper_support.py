"""What the tests of the mapper share."""

from __future__ import annotations

import numpy as np


def counts(shape, seed=0, level=100) -> np.ndarray:
    """A frame with structure, uint16."""
    rng = np.random.default_rng(seed)
    y, x = np.ogrid[: shape[-2], : shape[-1]]
    return rng.poisson(level * (1.2 + np.sin(0.6 * y) * np.cos(0.5 * x)), size=shape).astype(np.uint16)


def assert_same(one, other) -> None:
    np.testing.assert_array_equal(one.mean, other.mean)
    np.testing.assert_array_equal(one.std, other.std)
