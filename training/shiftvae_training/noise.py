"""Standard normal noise for samples of the posterior, of a whole batch or of one process's part of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

__all__ = ["noise_like", "noise_of_part"]

#: Shares of the batch before the part and at its end, as (first, last, all) tiles; None for the whole batch.
_part: ContextVar[tuple[int, int, int] | None] = ContextVar("part of the batch", default=None)


def noise_like(values: Tensor) -> Tensor:
    """Noise of the shape of ``values (n, ...)``.

    Within `noise_of_part`, the noise of the whole batch is drawn, and that of the part is given.
    """
    part = _part.get()
    if part is None:
        return torch.randn_like(values)
    first, last, tiles = part
    windows = len(values) // (last - first)
    return torch.randn(tiles * windows, *values.shape[1:])[first * windows : last * windows]


@contextmanager
def noise_of_part(first: int, last: int, tiles: int) -> Iterator[None]:
    """Within it, batches are the tiles from `first` to `last` of a batch of `tiles`."""
    before = _part.set((first, last, tiles))
    try:
        yield
    finally:
        _part.reset(before)
